"""`%uml` and `%%uml` in a notebook: what is interrupted, what is refused, and what a hostile answer may do."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.axe import violations
from tests.browser.conftest import Jupyter
from tests.browser.lab import Lab
from tests.conftest import wait_until
from tests.reliability.parrot import parrot

EXTENSION = "%load_ext jupyter_uml"

HOSTILE = """
<script>document.title = 'harmed'</script>
<img src=x onerror="document.title='harmed'"> <img src="http://images.example/pixel.png">
![pixel](http://images.example/pixel.png) ![data](data:image/svg+xml,<svg/onload=harm()>)
<iframe src="http://frames.example/"></iframe> <svg onload="document.title='harmed'"></svg>
<form action="http://forms.example/"><input name=q><button>Sign in again</button></form>
<style>body { display: none }</style> <link rel=stylesheet href="http://styles.example/x.css">
<div style="position:fixed;inset:0;background:url(http://images.example/b.png)">over everything</div>
[one](javascript:document.title='harmed') [two](data:text/html,<script>harm()</script>) <a href="/x">3</a>

| a |
|:--|
| <b onmouseover="document.title='harmed'">b</b> |

the end
"""

# The places where text of a model is shown: a cell's answer, a panel's finished answer, and the one under way.
SHOW_HOSTILE = f"""\
from IPython.display import display
from jupyter_uml.client import Answer
from jupyter_uml.kernel.cell_view import NotebookView
from jupyter_uml.kernel.chat.attached import Image
from jupyter_uml.kernel.chat.live_answer import LiveAnswer
from jupyter_uml.kernel.chat.turns import Turn, Turns
from jupyter_uml.kernel.chat.view import ChatView
from jupyter_uml.types import ToolCall

hostile = {HOSTILE!r}
call = ToolCall(hostile, hostile, hostile)
answer = Answer(hostile, hostile, "stop", reasoning=hostile, tool_calls=(call,))
NotebookView().answer(answer, hostile, final=True)
name = hostile.replace(chr(10), " ")
told = {{"name": name, "note": name}}
view = ChatView(
    heading=name, hint=name, notice=name, attached=[told], variables=[told], models=[[name, name]], draft=hostile,
    settings={{"model": name, "system": hostile, "seed": name}}, faults={{"seed": name}},
)
turns = Turns(view)
turns.add(Turn("1", "question", hostile, (Image(name, b""),)))
turns.add(Turn("2", "answer", hostile, told={{"parts": LiveAnswer(view, "2").finish(answer), "note": hostile}}))
turns.add(Turn("3", "error", hostile))
LiveAnswer(view, "4").show(answer, hostile)
display(view)"""
HARMFUL = (
    "script, img, iframe, svg:not([data-uml-action] > svg), form, input:not([data-uml-action], .uml-menu-top > input), "
    "style, link, object, embed, [onmouseover], [onerror]"
)


@pytest.mark.usefixtures("broken")
def test_what_cannot_be_done_is_refused_in_one_line(lab: Lab) -> None:
    refused = {
        "%uml load nothing": "No model is called 'nothing'. There is: demo, ",
        "%%uml nothing\nHello": "No model is called 'nothing'",
        "%uml load broken": "cut off",
        "%%uml broken\nHello": "cut off",
        "%%uml demo\n  \n": "empty",
        f"%%uml demo\n{'How do I load a model? ' * 400}": "context holds",
        "%uml laod demo": "laod",
        "%%uml demo --temperature warm\nHello": "'warm' is not a number",
    }
    notebook = lab.notebook("refused.ipynb", EXTENSION, *refused)
    notebook.run(0)
    for index, words in enumerate(refused.values(), start=1):
        notebook.run(index)
        assert words in notebook.error_line(index)
    lab.picture("refused")


def test_interrupting_a_cell_ends_the_answer_in_the_engine_and_keeps_what_came(lab: Lab, endless: str) -> None:
    notebook = lab.notebook("interrupted.ipynb", EXTENSION, f"%%uml {endless}\nGo on and on", "6 * 7")
    notebook.run(0)
    kernel = notebook.kernel()
    notebook.begin(1)
    answer = notebook.output(1)
    expect(answer.locator("p").first).not_to_be_empty()
    notebook.interrupt()
    wait_until(lambda: lab.server.model(endless)["active"] == 0, 1.0)
    notebook.finish()
    assert notebook.error_line(1) == "Stopped."
    expect(answer.locator("p").first).not_to_be_empty()
    expect(answer).to_contain_text("stopped")
    notebook.run(2)
    assert notebook.outputs(2)[0]["data"]["text/plain"] == "42"
    assert notebook.kernel() == kernel


def test_code_in_an_answer_is_copied_by_mouse_and_by_keyboard(jupyter: Jupyter) -> None:
    code = "import pandas as pd\n\nsales = pd.read_csv('sales.csv')"
    parrot(jupyter.server.models / "coder.gguf", f"Read **it**:\n\n```python\n{code}\n```\n\nThen look, مرحبا.")
    notebook = jupyter.notebook("copied.ipynb", EXTENSION, "%%uml coder\nHow?")
    notebook.run_all()
    output = notebook.output(1)
    copy = output.get_by_role("button", name="Copy the code")
    expect(copy).to_have_count(1)
    jupyter.picture("cell-code", output)
    copy.click()
    expect(output.get_by_role("button", name="Copied")).to_be_visible()
    assert jupyter.page.evaluate("navigator.clipboard.readText()") == code
    jupyter.page.evaluate("navigator.clipboard.writeText('')")
    expect(copy).to_be_visible()
    copy.press("Enter")
    expect(output.get_by_role("button", name="Copied")).to_be_focused()  # and the cell is not being edited
    assert jupyter.page.evaluate("navigator.clipboard.readText()") == code
    assert violations(output) == []
    notebook.run(1)
    expect(copy).to_have_count(1)
    assert "button" not in str(notebook.outputs(1))


def test_a_hostile_answer_runs_nothing_loads_nothing_and_asks_for_nothing(lab: Lab) -> None:
    notebook = lab.notebook("hostile.ipynb", SHOW_HOSTILE)
    notebook.run(0)
    output = notebook.output(0)
    expect(output.locator(".uml-live > .uml-body")).to_contain_text("the end")
    output.locator("[data-uml-action='reasoning']").first.click()
    output.locator("[data-uml-action='settings']").click()
    output.locator("[data-uml-action='attach']").click()
    expect(output.locator(".jp-RenderedHTML").first).to_contain_text("the end")
    shown = output.locator(".jp-RenderedHTML, .uml-chat")
    assert shown.locator(HARMFUL).evaluate_all("all => all.map(one => one.outerHTML)") == []
    links = shown.locator("a").evaluate_all("links => links.map(link => link.href)")
    assert set(links) == {"http://images.example/pixel.png"}
    for text in shown.get_by_text("b", exact=True).all():
        text.hover()
    assert "harmed" not in lab.page.title()
    assert lab.foreign == []
    lab.picture("hostile")
