"""The panel for a conversation."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.axe import violations
from tests.browser.jupyter_page import SOON
from tests.browser.lab import Lab
from tests.browser.notebook import Notebook
from tests.browser.panels import Chat
from tests.conftest import wait_until
from tests.engine.vision_models import llava, png
from tests.reliability.parrot import parrot

TOO_LONG = "How do I load a model? " * 400
AT_END = "log => log.scrollTop > 0 && log.scrollHeight - log.scrollTop - log.clientHeight < 2"
GIVE = """(node, [kind, bytes, texts]) => {
  const data = new DataTransfer();
  data.items.add(new File([Uint8Array.from(bytes)], `${kind}.png`, { type: 'image/png' }));
  texts.forEach(text => data.setData('text/plain', text));
  const init = { bubbles: true, cancelable: true };
  node.dispatchEvent(kind === 'drop' ? new DragEvent(kind, { ...init, dataTransfer: data })
    : new ClipboardEvent(kind, { ...init, clipboardData: data }));
}"""


def open_chat(lab: Lab, model: str = "demo") -> Chat:
    notebook = lab.notebook("chat.ipynb", f"from jupyter_uml import ChatPanel\n\nChatPanel({model!r})")
    notebook.run(0)
    return Chat(notebook.output(0).locator(".uml-chat"))


def test_a_conversation(lab: Lab) -> None:
    chat = open_chat(lab)
    expect(chat.clear).to_be_disabled()
    chat.ask("How do I load a model?")
    expect(chat.questions).to_have_text(["How do I load a model?"])
    expect(chat.notes).to_contain_text("complete")
    expect(chat.bodies.locator("p").first).not_to_be_empty()
    expect(chat.input).to_have_value("")
    chat.input.fill("And how do I unload it?")
    chat.send.click()
    expect(chat.notes).to_contain_text(["tokens/s", "tokens/s"])
    lab.picture("chat-panel", chat.root)
    lab.theme("JupyterLab Dark")
    lab.picture("chat-panel-dark", chat.root)
    chat.button("copy-answer").first.click()
    expect(chat.root.get_by_role("button", name="Copied")).to_be_visible()
    assert "%uml load" in lab.page.evaluate("navigator.clipboard.readText()")
    chat.clear.click()
    expect(chat.questions).to_have_count(0)
    expect(chat.answers).to_have_count(0)
    expect(chat.clear).to_be_disabled()


def test_an_empty_question_is_not_sent(lab: Lab) -> None:
    chat = open_chat(lab)
    expect(chat.send).to_be_disabled()
    chat.ask("  \n ")
    chat.ask("Hello")
    expect(chat.questions).to_have_text(["Hello"])


def test_a_question_beyond_the_context_is_refused_with_both_figures_and_kept(lab: Lab) -> None:
    chat = open_chat(lab)
    chat.ask(TOO_LONG)
    expect(chat.error).to_contain_text("context")
    n_ctx = lab.server.model("demo")["settings"]["n_ctx"]
    expect(chat.error).to_contain_text(f"holds {n_ctx}")
    expect(chat.questions).to_have_text([TOO_LONG.strip()])
    chat.ask("How do I load a model?")
    expect(chat.notes).to_contain_text("complete")


def test_stop_ends_the_answer_in_the_engine_too(lab: Lab, endless: str) -> None:
    chat = open_chat(lab, endless)
    chat.input.fill("Go on and on")
    chat.send.dblclick(delay=100)  # the second click comes when it is the button that stops
    expect(chat.live).not_to_be_empty()
    expect(chat.button("edit")).to_be_hidden()
    chat.stop.press("Enter")
    expect(chat.input).to_be_focused()  # the button is none any more that can be pressed
    wait_until(lambda: lab.server.model(endless)["active"] == 0, 1.0)
    expect(chat.notes).to_contain_text("stopped")
    expect(chat.bodies).not_to_be_empty()
    expect(chat.stop).to_have_count(0)


def test_a_broken_model_gives_one_line_and_a_way_to_try_again(lab: Lab, broken: Path, demo_bytes: bytes) -> None:
    chat = open_chat(lab, "broken")
    chat.ask("Hello?")
    expect(chat.error).to_contain_text("broken cannot be loaded")
    assert "\n" not in chat.error.inner_text()
    assert str(broken.parent) not in chat.error.inner_text()
    broken.write_bytes(demo_bytes)
    chat.root.get_by_role("button", name="Try again").click()
    expect(chat.notes).to_contain_text("complete")
    expect(chat.error).to_have_count(0)
    expect(chat.questions).to_have_text(["Hello?"])


def test_a_question_is_asked_again_and_in_other_words(lab: Lab) -> None:
    chat = open_chat(lab)
    for question in ("How do I load a model?", "Hello"):
        chat.ask(question)
        expect(chat.questions.last).to_have_text(question)
        expect(chat.notes.last).to_contain_text("complete")
    expect(chat.button("regenerate").and_(chat.root.locator(":visible"))).to_have_count(1)
    chat.button("regenerate").last.press("Enter")
    expect(chat.input).to_be_focused()
    expect(chat.notes).to_contain_text(["complete", "complete"])
    expect(chat.questions).to_have_text(["How do I load a model?", "Hello"])
    chat.button("edit").first.click()
    box = chat.button("edit-text")
    box.press("Escape")
    expect(box).to_have_count(0)
    expect(chat.button("edit").first).to_be_focused()
    chat.button("edit").first.click()
    chat.button("edit-cancel").click()
    chat.button("edit").first.click()
    box.fill("How do I unload a model?")
    chat.button("edit-send").click()
    expect(chat.questions).to_have_text(["How do I unload a model?"])
    expect(chat.bodies).to_contain_text("unload")


def test_code_is_coloured_and_copied(lab: Lab) -> None:
    lines = "import pandas as pd", 'sales = pd.read_csv("sales.csv")  # one row for each', 'sales.groupby("city").sum()'
    code = "\n".join(lines)
    text = f"Group the rows by **city** and add them up:\n\n```python\n{code}\n```\n\nThere is one row for each city."
    parrot(lab.server.models / "coder.gguf", text)
    chat = open_chat(lab, "coder")
    chat.ask("How do I add up the sales of each city?")
    expect(chat.notes).to_contain_text("complete")
    colour = "node => getComputedStyle(node).color"
    keyword = chat.bodies.locator("pre span", has_text="import").evaluate(colour)
    assert keyword != chat.bodies.locator("pre code").evaluate(colour)
    lab.picture("chat-code", chat.root)
    for action in ("settings", "attach", "edit"):
        chat.button(action).first.click()
    assert violations(chat.root) == []
    lab.theme("JupyterLab Dark")
    assert chat.bodies.locator("pre span", has_text="import").evaluate(colour) != keyword
    assert violations(chat.root) == []
    for action in ("settings", "edit-cancel", "attach"):
        chat.button(action).first.click()
    lab.picture("chat-code-dark", chat.root)
    chat.button("copy-code").click()
    expect(chat.root.get_by_role("button", name="Copied")).to_be_visible()
    assert lab.page.evaluate("navigator.clipboard.readText()") == code


def test_settings_and_a_draft_survive_a_reload(lab: Lab) -> None:
    chat = open_chat(lab)
    chat.button("settings").click()
    expect(chat.setting("model")).to_contain_text("demo · ")
    chat.setting("temperature").fill("warm")
    chat.setting("seed").fill("7")
    expect(chat.root.locator(".uml-fault").filter(has_text="not a number")).to_be_visible()
    chat.ask("Hello")
    expect(chat.footer).to_contain_text("Temperature")
    expect(chat.input).to_have_value("Hello")
    chat.setting("temperature").fill("0")
    chat.setting("top_p").fill("0.9")
    chat.setting("max_tokens").fill("5")
    chat.setting("system").fill("Be brief.")
    chat.setting("model").select_option("demo")
    lab.picture("chat-settings", chat.root)
    chat.ask("How do I load a model?")
    expect(chat.notes).to_contain_text("cut off after 5 tokens")
    chat.input.fill("Half a question")
    chat.input.press("Tab")
    Notebook(lab.page, "chat.ipynb").save()
    lab.load()
    chat = Chat(lab.open("chat.ipynb").output(0).locator(".uml-chat"))
    expect(chat.questions).to_have_text(["How do I load a model?"])
    expect(chat.notes).to_contain_text("cut off after 5 tokens")
    expect(chat.input).to_have_value("Half a question")
    chat.button("settings").click()
    expect(chat.setting("seed")).to_have_value("7")
    expect(chat.setting("system")).to_have_value("Be brief.")


def test_settings_and_a_draft_survive_a_restart_of_the_kernel(lab: Lab) -> None:
    code = "from jupyter_uml import ChatPanel\n\nChatPanel('demo', system='Be brief.')"
    notebook = lab.notebook("chat.ipynb", code)
    notebook.run(0)
    chat = Chat(notebook.output(0).locator(".uml-chat"))
    chat.button("settings").click()
    chat.setting("seed").fill("7")
    chat.setting("system").fill("Rhyme.")
    chat.ask("How do I load a model?")
    expect(chat.notes).to_contain_text("complete")
    notebook.restart()
    chat.input.fill("Asked of a kernel that is gone")
    chat.input.press("Tab")
    notebook.run(0)
    chat = Chat(notebook.output(0).locator(".uml-chat"))
    expect(chat.questions).to_have_text(["How do I load a model?"])
    expect(chat.input).to_have_value("Asked of a kernel that is gone")
    chat.button("settings").click()
    expect(chat.setting("seed")).to_have_value("7")
    expect(chat.setting("system")).to_have_value("Rhyme.")
    chat.input.press("Enter")
    expect(chat.notes).to_contain_text(["complete", "complete"])
    notebook.edit(0, code.replace("brief", "long"))
    notebook.run(0)
    chat = Chat(notebook.output(0).locator(".uml-chat"))
    chat.button("settings").click()
    expect(chat.setting("system")).to_have_value("Be long.")  # as the code says now
    expect(chat.setting("seed")).to_have_value("")
    expect(chat.input).to_have_value("")


def test_the_end_of_a_conversation_is_followed(lab: Lab) -> None:
    parrot(lab.server.models / "long.gguf", "A line of many.\n\n" * 25)
    chat = open_chat(lab, "long")
    log = chat.root.get_by_role("log")
    chat.ask("Hello")
    expect(chat.notes).to_contain_text("complete")
    lab.page.wait_for_function(AT_END, arg=log.element_handle())
    (worker,) = lab.server.workers()
    worker.suspend()
    chat.ask("What comes while nobody looks?")
    expect(chat.stop).to_be_visible()
    lab.notebook("other.ipynb", "1")
    worker.resume()
    expect(chat.notes).to_have_count(2)
    Notebook(lab.page, "chat.ipynb").show(0)
    lab.page.wait_for_function(AT_END, arg=log.element_handle())
    log.evaluate("log => { log.scrollTop = 0; }")
    chat.ask("Hello again")  # whoever asks wants to see the answer
    expect(chat.notes).to_have_count(3)
    lab.page.wait_for_function(AT_END, arg=log.element_handle())


def test_what_is_written_from_right_to_left_is_shown_so_and_its_code_is_not(lab: Lab) -> None:
    text = "مرحبا، هذا `x = 1` هنا:\n\n1. واحد\n2. اثنان\n\n> اقتباس\n\n```python\nx = (1, 2)\n```\n\nAnd English, too."
    parrot(lab.server.models / "arabic.gguf", text)
    chat = open_chat(lab, "arabic")
    chat.ask("كيف أحمل نموذجا؟")
    expect(chat.notes).to_contain_text("complete")
    direction = "all => all.map(one => getComputedStyle(one).direction)"
    body = chat.bodies
    assert body.locator("p, ol, blockquote").evaluate_all(direction) == ["rtl"] * 4 + ["ltr"]
    assert body.locator("code, pre").evaluate_all(direction) == ["ltr"] * 3
    assert [*chat.questions.evaluate_all(direction), chat.input.evaluate("one => one.dir")] == ["rtl", "auto"]
    lab.picture("chat-right-to-left", chat.root)


def test_formulas_are_set_and_copied_as_they_were_written(lab: Lab) -> None:
    text = "So $a_1*b*c$ and \\(d^2\\), for $5:\n\n$$\n\\sum_i x_i\n\n- y\n$$\n\n`$HOME/$x`"
    parrot(lab.server.models / "euler.gguf", text)
    chat = open_chat(lab, "euler")
    chat.ask("How much is it?")
    expect(chat.bodies.locator("mjx-container")).to_have_count(3)
    expect(chat.bodies.locator("code")).to_have_text("$HOME/$x")
    lab.picture("chat-formulas", chat.root)
    chat.button("copy-answer").click()
    expect(chat.root.get_by_role("button", name="Copied")).to_be_visible()
    assert lab.page.evaluate("navigator.clipboard.readText()") == text
    Notebook(lab.page, "chat.ipynb").save()
    lab.load()
    chat = Chat(lab.open("chat.ipynb").output(0).locator(".uml-chat"))
    expect(chat.bodies.locator("mjx-container")).to_have_count(3)
    assert violations(chat.root) == []


def test_a_hostile_formula_does_nothing(lab: Lab) -> None:
    text = (
        r"$\href{javascript:document.title='harmed'}{a}$ $\style{position:fixed;inset:0}{b}$ "
        r"$\class{jp-Dialog}{c}$ $\cssId{main}{d}$ $\def\e{\e\e}\e$ $\require{html}\text{<img src=x>}$ and **on**"
    )
    parrot(lab.server.models / "hostile.gguf", text)
    chat = open_chat(lab, "hostile")
    chat.ask("How?")
    expect(chat.notes).to_contain_text("complete")
    expect(chat.bodies.locator("mjx-container").first).to_be_visible()
    for harmful in ("a[href^=javascript]", "img", ".jp-Dialog", "#main", "[style*=fixed]"):
        assert chat.bodies.locator(harmful).evaluate_all("all => all.map(one => one.outerHTML)") == [], harmful
    for shown in chat.bodies.locator("mjx-mi").all():
        shown.click()
    assert "harmed" not in lab.page.title()
    chat.ask("And now?")  # the page goes on
    expect(chat.notes).to_have_count(2)


def test_what_is_sent_in_one_view_is_no_draft_in_another(lab: Lab) -> None:
    chat = open_chat(lab)
    chat.input.fill("Hello")
    chat.input.press("Tab")
    lab.command("notebook:create-output-view")
    other = Chat(lab.page.locator(".jp-LinkedOutputView .uml-chat"))
    expect(other.input).to_have_value("Hello")
    other.input.press("Enter")
    expect(other.notes).to_contain_text("complete")
    expect(chat.notes).to_contain_text("complete")
    expect(chat.input).to_have_value("")
    chat.button("edit").click()
    chat.button("edit-send").click()
    expect(other.questions).to_have_count(1)
    expect(other.notes).to_contain_text("complete")


def test_a_model_that_sees_is_shown_an_image(lab: Lab) -> None:
    llava(lab.server.models)
    chat = open_chat(lab, "llava")
    chat.button("settings").click()
    expect(chat.setting("model")).to_contain_text("sees images")
    for name, value in {"temperature": "0", "max_tokens": "12"}.items():
        chat.setting(name).fill(value)
    chat.button("settings").click()
    answers = []
    for kind, seed in (("drop", 1), ("paste", 2), ("paste", 1)):
        chat.input.evaluate(GIVE, [kind, list(png(8, 8, seed=seed)), []])
        expect(chat.chips).to_contain_text(f"{kind}.png")
        chat.ask("What is this?")
        expect(chat.questions.locator("xpath=..")).to_contain_text(f"{kind}.png")
        expect(chat.notes).to_contain_text("tokens")
        answers.append(chat.bodies.inner_text())
        expect(chat.chips).to_have_count(0)
        if seed == 2:
            lab.picture("chat-image", chat.root)
        chat.clear.click()
        expect(chat.questions).to_have_count(0)
    assert answers[0] == answers[2] != answers[1]
    chat.input.evaluate(GIVE, ["paste", list(png(8, 8)), ["a table's cells"]])
    expect(chat.chips).to_have_count(0)  # text that comes with its own picture is text
    chat.button("attach").click()
    with lab.page.expect_file_chooser() as chosen:
        chat.button("attach-image").click()
    chosen.value.set_files([{"name": "a.png", "mimeType": "image/png", "buffer": png(8, 8)}])
    expect(chat.chips).to_contain_text("a.png")


def test_which_models_there_are_is_known_at_once(lab: Lab) -> None:
    chat = open_chat(lab)
    chat.button("settings").click()
    expect(chat.setting("model")).not_to_contain_text("loaded")
    lab.server.post("load_model", {"model": "demo"}).raise_for_status()
    expect(chat.setting("model")).to_contain_text("loaded", timeout=SOON)
    lab.server.post("unload_model", {"model": "demo"}).raise_for_status()
    expect(chat.setting("model")).not_to_contain_text("loaded", timeout=SOON)


def test_a_variable_goes_with_a_question_and_an_image_only_where_it_is_seen(lab: Lab) -> None:
    cells = "rows = [1, 2, 3]", "from jupyter_uml import ChatPanel\n\nChatPanel('demo')"
    notebook = lab.notebook("chat.ipynb", *cells)
    notebook.run_all()
    chat = Chat(notebook.output(1).locator(".uml-chat"))
    chat.button("attach").click()
    expect(chat.button("attach-variable")).to_have_text(["rowslist, 3 items"])
    chat.button("find-variable").fill("ro")
    chat.button("find-variable").press("Enter")
    expect(chat.chips).to_have_text(["rowslist, 3 items"])
    expect(chat.input).to_be_focused()
    chat.button("detach").click()
    expect(chat.chips).to_have_count(0)
    chat.button("attach").click()
    lab.picture("chat-attach", chat.root)
    chat.button("attach-variable").click()
    chat.ask("How many are these?")
    expect(chat.questions.locator("xpath=..")).to_contain_text("rows (list, 3 items)")
    expect(chat.notes).to_contain_text("complete")
    chat.button("attach").click()
    expect(chat.button("attach-image")).to_be_disabled()
    expect(chat.root.get_by_role("group", name="Attach")).to_contain_text("demo does not see images")
    chat.button("find-variable").press("Escape")
    chat.input.evaluate(GIVE, ["paste", list(png(8, 8)), []])
    expect(chat.footer).to_contain_text("demo does not see images")
    drop = """(node, html) => {
      const data = new DataTransfer();
      data.items.add(new File([html], '<img src=x>.svg', { type: 'image/svg+xml' }));
      node.dispatchEvent(new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true }));
    }"""
    chat.root.locator(".uml-composer").evaluate(drop, "<svg/>")
    expect(chat.footer).to_contain_text("<img src=x>.svg is no PNG")
    expect(chat.chips).to_have_count(0)


def test_a_conversation_becomes_cells_below_the_panel(lab: Lab, bird: str) -> None:
    notebook = lab.notebook("chat.ipynb", f"from jupyter_uml import ChatPanel\n\nChatPanel({bird!r})", "last = 1")
    notebook.run(0)
    chat = Chat(notebook.output(0).locator(".uml-chat"))
    chat.ask("How?")
    expect(chat.notes).to_contain_text("complete")
    chat.button("export").click()
    expect(chat.footer).to_have_text("4 cells stand below.")
    read = "cell => [cell.model.type, cell.model.sharedModel.source]"
    found = lab.page.evaluate(f"jupyterapp.shell.currentWidget.content.widgets.map({read})")
    assert [kind for kind, _ in found] == ["code", "markdown", "markdown", "code", "markdown", "code"]
    assert found[1][1] == "> How?"
    assert found[3][1] == "planted = 1"
    assert notebook.outputs(3) == []
    shown = lab.page.locator(".jp-MarkdownCell .jp-RenderedMarkdown")
    expect(shown.last).to_contain_text("the end")
    assert shown.locator("img, script, iframe, form, input, svg, a[href^='javascript']").count() == 0
    lab.picture("chat-cells")


@pytest.fixture
def bird(lab: Lab) -> str:
    """A model that answers with code, and with what would be seen by another machine if it were rendered."""
    image = "![x](https://evil.invalid/x.png) <img src=https://evil.invalid/y.png onerror=document.title=1>"
    text = f"So **be** it {image}\n\n```python\nplanted = 1\n```\n\n$\\href{{javascript:1}}{{x}}$ and the end"
    parrot(lab.server.models / "bird.gguf", text)
    return "bird"
