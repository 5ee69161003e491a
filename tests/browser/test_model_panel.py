"""The panel that loads and unloads."""

from __future__ import annotations

import re
import struct
from contextlib import suppress

import httpx2
import psutil
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from jupyter_uml.kernel.model_view import ModelView
from tests.browser.axe import violations
from tests.browser.jupyter_page import SOON, JupyterPage
from tests.browser.lab import Lab
from tests.browser.notebook import Notebook
from tests.browser.panels import Models
from tests.conftest import endless_model, wait_until

CELL = "from jupyter_uml import ModelPanel\n\npanel = ModelPanel()\npanel"
BUSY = "import threading\n\nheld = threading.Event()\nheld.wait(20)"
LENGTH = b"llama.context_length" + struct.pack("<I", 4)  # the type of the value that follows


def open_models(page: JupyterPage, *more: str, name: str = "models.ipynb") -> tuple[Notebook, Models]:
    notebook = page.notebook(name, CELL, *more)
    notebook.run(0)
    return notebook, panel_of(notebook)


def panel_of(notebook: Notebook) -> Models:
    models = Models(notebook.output(0).locator(".uml-models"))
    expect(models.status).to_contain_text(re.compile("available|loaded"))
    return models


def with_context(model: bytes, n_ctx: int) -> bytes:
    """The same model, as if it had been trained for another length of context."""
    at = model.index(LENGTH) + len(LENGTH)
    return model[:at] + struct.pack("<I", n_ctx) + model[at + 4 :]


def width(models: Models) -> float:
    """Of the part of the bar that is the KV cache, in pixels."""
    box = models.bar.locator(".uml-part-1").bounding_box()
    assert box is not None
    return box["width"]


def test_load_shows_progress_then_figures_and_unload_gives_the_memory_back(lab: Lab) -> None:
    _, models = open_models(lab)
    expect(models.unload).to_be_disabled()
    models.load.click()
    with lab.held_worker():
        expect(models.progress).to_contain_text("Loading demo")
        expect(models.load).to_be_disabled()
        expect(models.unload).to_have_text("Cancel")
    expect(models.status).to_contain_text(re.compile(r"loaded · context \d+ tokens .* MiB"))
    expect(models.progress).to_be_hidden()
    assert lab.server.model("demo")["state"] == "loaded"
    words = re.compile(r"^Memory: [\d.]+ MiB now, highest [\d.]+ MiB, over the last \d+ (s|min)$")
    expect(models.plot("Memory")).to_have_accessible_name(words, timeout=10_000)
    models.pin.click()
    expect(models.pin).to_have_attribute("aria-pressed", "true")
    expect(models.status).to_contain_text("pinned")
    models.pin.click()
    expect(models.status).not_to_contain_text("pinned")
    models.unload.click()
    expect(models.status).to_contain_text("available")
    assert lab.server.model("demo")["state"] == "available"
    assert lab.server.workers() == []


def test_cancelling_a_load_is_no_error(lab: Lab) -> None:
    _, models = open_models(lab)
    models.load.click()
    with suppress(psutil.NoSuchProcess), lab.held_worker():  # which is ended
        expect(models.unload).to_have_text("Cancel")
        models.unload.click()
        expect(models.status).to_contain_text("available")
    expect(models.load).to_be_enabled()
    expect(models.error).to_be_hidden()


def test_refresh_finds_a_new_file_and_one_that_fails_is_refused_in_one_line(lab: Lab, demo_bytes: bytes) -> None:
    _, models = open_models(lab)
    (lab.server.models / "strange.gguf").write_bytes(demo_bytes.replace(b"llama", b"lxama"))
    wait_until(lambda: "strange" in lab.server.get("models").text)
    models.refresh.click()
    models.choose("strange")
    models.load.click()
    expect(models.error).to_contain_text("strange")
    assert "\n" not in models.error.inner_text().strip()
    expect(models.status).to_contain_text("failed")
    expect(models.load).to_be_enabled()


def test_the_bar_moves_with_the_slider_also_while_the_kernel_is_busy(lab: Lab, demo_bytes: bytes) -> None:
    (lab.server.models / "long.gguf").write_bytes(with_context(demo_bytes, 131_072))
    notebook, models = open_models(lab, BUSY)
    models.choose("long")
    expect(models.fit).to_contain_text("context 4096 tokens")
    models.slider.focus()
    notebook.begin(1)
    models.slider.focus()
    before = width(models)
    models.slider.press("ArrowRight")
    wait_until(lambda: width(models) > before)  # lengths are known now
    lab.server.post("load_model", {"model": "long"})
    expect(models.status).to_contain_text("loaded ·", timeout=SOON)
    lab.server.post("unload_model", {"model": "long"})
    widths = [width(models)]
    for _ in range(5):
        models.slider.press("ArrowRight")
        lab.page.evaluate("new Promise(requestAnimationFrame)")
        widths.append(width(models))
    assert sorted(set(widths)) == widths, "each step moves it, at once"
    expect(models.fit).to_contain_text("needs about")
    told = models.context.input_value()
    assert int(told) > 4096
    notebook.interrupt()
    expect(models.fit).to_contain_text(f"context {told} tokens")  # the server's word
    assert width(models) == pytest.approx(widths[-1], rel=0.02)
    notebook.show(0)
    lab.picture("model-panel-fit", models.root)


def test_what_does_not_fit_is_said_and_the_longest_is_offered(lab: Lab, demo_bytes: bytes) -> None:
    (lab.server.models / "long.gguf").write_bytes(with_context(demo_bytes, 1 << 20))
    _, models = open_models(lab)
    models.choose("long")
    models.root.get_by_text("Options").click()
    models.root.get_by_label("At a time").fill("64")
    models.context.fill(str(1 << 20))
    expect(models.fit).to_contain_text(re.compile("fits with|does not fit", re.IGNORECASE))
    expect(models.bar).to_have_class(re.compile("uml-over"))
    lab.picture("model-panel-too-large", models.root)
    models.largest.click()
    expect(models.context).not_to_have_value(str(1 << 20))
    offered = int(models.context.input_value())
    models.context.fill(str(offered * 9 // 10))  # others may have taken memory meanwhile
    expect(models.fit).to_contain_text("Fits: needs")
    expect(models.bar).not_to_have_class(re.compile("uml-over"))
    models.button("auto").click()
    expect(models.context).to_have_value("4096")
    for box, text in ((models.context, "512"), (models.root.get_by_label("At a time"), "-1")):
        box.press("Control+a")
        box.press("Backspace")
        for key in text:  # into what is empty now, or no number yet
            lab.page.evaluate("new Promise(requestAnimationFrame)")
            box.press(key)
        expect(box).to_have_value(text)
    models.context.press("Control+a")
    models.context.press("Backspace")
    models.context.press("Tab")
    expect(models.context).to_have_value("4096")


def test_answers_under_way_can_be_ended_for_the_unload(lab: Lab) -> None:
    (lab.server.models / "endless.gguf").write_bytes(endless_model())
    _, models = open_models(lab)
    models.choose("endless")
    models.load.click()
    expect(models.status).to_contain_text("loaded ·")
    expect(models.unload_now).to_be_hidden()
    question = {"model": "endless", "prompt": "Hi", "max_tokens": 4000, "stream": True}
    url = f"{lab.server.url}/v1/completions"
    with httpx2.stream("POST", url, json=question, headers=lab.server.auth, timeout=60) as answer:
        expect(models.status).to_contain_text(re.compile("1 answer under way .* tokens/s"), timeout=10_000)
        expect(models.plot("Speed")).to_have_accessible_name(
            re.compile(r"^Speed: [1-9]\d* tokens/s now"), timeout=10_000
        )
        models.root.get_by_text("Options").click()
        for theme in lab.in_both_themes():
            lab.picture(f"model-panel-lab-{theme.lower()}", models.root)
        models.unload.click()
        expect(models.status).to_contain_text("unloading")
        models.unload_now.click()
        assert '"error"' in answer.read().decode()
    expect(models.status).to_contain_text("available")


def test_less_is_asked_about_while_answers_run(lab: Lab, endless: str) -> None:
    lab.server.post("load_model", {"model": "demo"})
    _, models = open_models(lab)
    for model in ("demo", endless):  # each has its own figures
        models.choose(model)
        for name in ("Memory", "Speed"):
            expect(models.plot(name).locator("polyline")).not_to_have_count(0, timeout=10_000)
    models.root.get_by_text("Options").click()
    models.root.get_by_label("At a time").fill("1")
    question = {"model": endless, "prompt": "Hi", "max_tokens": 8000, "stream": True}
    url = f"{lab.server.url}/v1/completions"
    with httpx2.stream("POST", url, json=question, headers=lab.server.auth, timeout=60) as answer:
        expect(models.status).to_contain_text("1 answer under way", timeout=10_000)
        expect(models.load).to_have_text("Reload")
        models.load.click()
        asked = models.root.get_by_role("dialog", name=f"Unload {endless} and load it again?")
        expect(asked).to_contain_text("1 answer is under way.")
        expect(models.button("cancel")).to_be_focused()
        for theme in lab.in_both_themes():
            assert violations(asked) == []
            lab.page.screenshot(path=lab.results / "pictures" / f"model-panel-question-{theme.lower()}.png")
        lab.page.keyboard.press("Escape")
        expect(asked).to_be_hidden()
        expect(models.load).to_be_focused()
        models.load.click()
        models.button("cancel").click()
        expect(models.status).to_contain_text("loaded · context 8192 tokens · 4 at a time")
        models.load.click()
        models.button("reload").click()
        expect(models.status).to_contain_text("unloading")
        models.unload_now.click()
        assert '"error"' in answer.read().decode()
    expect(models.status).to_contain_text("loaded · context 8192 tokens · 1 at a time")
    expect(models.load).to_be_disabled()


def test_panels_of_two_notebooks_are_live_and_survive_a_reload_and_a_restart(lab: Lab) -> None:
    first, one = open_models(lab)
    first.save()
    _, two = open_models(lab, name="other.ipynb")
    two.load.click()
    expect(two.status).to_contain_text("loaded ·")
    first.show(0)
    expect(one.status).to_contain_text("loaded ·", timeout=SOON)
    lab.server.post("unload_model", {"model": "demo"})
    expect(one.status).to_contain_text("available", timeout=SOON)
    one.root.get_by_text("Options").click()
    one.root.get_by_label("Keep for").fill("10m")
    expect(one.root.get_by_label("Keep for")).to_have_value("10m")
    lab.page.wait_for_timeout(300)
    lab.reload()
    again = lab.open("models.ipynb")
    one = panel_of(again)
    one.root.get_by_text("Options").click()
    expect(one.root.get_by_label("Keep for")).to_have_value("10m")
    again.restart()
    expect(one.silence).to_contain_text("Run this cell again")
    one.load.click()
    expect(one.silence).to_contain_text("Run this cell again")


# --- elsewhere -------------------------------------------------------------------------------

PAGE = """<!doctype html><html lang="en"><title>Elsewhere</title>
<meta name="color-scheme" content="light dark"><style>%s</style><main><div id="view"></div></main>"""
SHOW = """async ([source, state]) => {
    const {default: widget} = await import('data:text/javascript;charset=utf-8,' + encodeURIComponent(source));
    const model = {get: name => state[name], set: (name, value) => { state[name] = value; }, save_changes() {},
        on() {}, off() {}, send(message) { (globalThis.sent ??= []).push(message); }};
    globalThis.end = await widget.render({model, el: document.querySelector('#view')});
}"""
MIB = 1 << 20
STATE = {
    "model": "m7",
    "options": {},
    "choices": [[f"m{each}", f"m{each} · 4.4 GiB"] for each in range(20)],
    "status": {"state": "loaded", "words": "loaded · <b>bold</b>", "is_up": True, "n_ctx": 4096, "longest": 8192},
    "fit": {"text": "Fits", "tone": "good", "asked": {}, "parts": [4000 * MIB, 500 * MIB, 300 * MIB, 90 * MIB],
            "available": 9000 * MIB, "largest": 8192, "chosen": {"n_ctx": 4096}, "gpu": 0},
    "points": [[256, 4000 * MIB, 30 * MIB, 300 * MIB, 90 * MIB], [8192, 4000 * MIB, 1000 * MIB, 300 * MIB, 90 * MIB]],
    "machine": {"total": 16000 * MIB, "free": 9000 * MIB, "others": 700 * MIB},
    "samples": [[time, 4500 * MIB + time * MIB, 20 + time % 7] for time in range(0, 120, 2)],
    "notice": "",
    "heard": 0,
}  # fmt: skip


@pytest.fixture
def elsewhere(context: BrowserContext) -> Page:
    """A page that knows nothing of JupyterLab and its colours."""
    page = context.new_page()
    page.set_content(PAGE % ModelView._css)
    return page


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_looks_right_where_there_is_no_jupyterlab(elsewhere: Page, lab: Lab, scheme: str) -> None:
    elsewhere.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    elsewhere.evaluate(SHOW, [ModelView._esm, STATE])
    models = Models(elsewhere.locator("#view"))
    expect(models.status).to_have_text("loaded · <b>bold</b>")
    elsewhere.screenshot(path=lab.results / "pictures" / f"model-panel-elsewhere-{scheme}.png")
    assert violations(models.root) == []
    for width in (1280, 300):
        elsewhere.set_viewport_size({"width": width, "height": 900})
        assert elsewhere.evaluate("document.documentElement.scrollWidth") == width
    models.root.get_by_label("Filter").fill("m13")
    expect(models.choice.locator("option")).to_have_count(2)  # and the chosen one
    elsewhere.wait_for_function("sent.some(message => message.seen)")
    elsewhere.evaluate("end()")
    assert elsewhere.evaluate("sent.at(-1).seen") is False
    elsewhere.close()


def test_a_plot_shows_a_single_figure_and_where_something_is_missing(elsewhere: Page) -> None:
    samples = STATE["samples"]
    for shown, lines in ((samples[:1], 1), (samples, 1), (samples[:9] + samples[20:], 2), ([], 0)):
        elsewhere.locator("#view").evaluate("node => node.replaceWith(node.cloneNode())")
        elsewhere.evaluate(SHOW, [ModelView._esm, STATE | {"samples": shown}])
        models = Models(elsewhere.locator("#view"))
        expect(models.root.locator(".uml-plot polyline")).to_have_count(2 * lines)
        if lines:
            box = models.plot("Memory").locator("polyline").last.bounding_box()
            assert box is not None
            assert box["width"] > 3
    expect(models.root.locator(".uml-plots")).to_be_hidden()
    elsewhere.close()


def test_a_model_that_knows_short_texts_only(elsewhere: Page) -> None:
    """Its drawing is of one length, which says nothing of others."""
    short = {"points": STATE["points"][:1], "status": {**STATE["status"], "state": "available", "longest": 256}}
    elsewhere.evaluate(SHOW, [ModelView._esm, STATE | short])
    models = Models(elsewhere.locator("#view"))
    models.context.fill("1024")
    expect(models.fit).to_contain_text("Fits: needs about 4.32 GiB, has 8.79 GiB")
    elsewhere.close()
