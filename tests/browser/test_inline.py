"""Suggestions while somebody types: when they come, how soon, what ends them, and that they are only text."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import psutil
from playwright.sync_api import Locator, Page

from jupyter_uml.protocol.native.inline_completion import InlineCompletion
from tests.browser.conftest import Jupyter, settings_file
from tests.browser.lab import Lab
from tests.browser.notebook import Notebook
from tests.conftest import Server, wait_until
from tests.reliability.parrot import parrot

GHOST = ".jp-GhostText"
WHOLE = """() => {
    const text = document.querySelector('.jp-GhostText')?.textContent.trim();
    return text && !document.querySelector('.jp-GhostText-streamingIndicator');
}"""
QUIET = 0.6  # seconds: many times as long as a suggestion takes
MOST = 150.0  # milliseconds from the pause to the first suggestion
IDLE_SECONDS, LOOK_SECONDS = 0.25, 0.05
SEEN = "(<img src=x onerror='umlHurt=1'><script>umlHurt=1</script>[31mz"
HOSTILE = SEEN.replace("[31m", "\u202e\x1b[31m")
AREA = "turn math.pi * radius ** 2"
# A key, and the text that is shown after it, as the page sees them.
WATCH = """() => {
    globalThis.umlTimes = {};
    document.addEventListener('keydown', () => (umlTimes = {key: performance.now()}), true);
    const look = () => {
        const ghost = document.querySelector('.jp-GhostText');
        if (ghost?.textContent.trim()) umlTimes.shown ??= performance.now();
    };
    new MutationObserver(look).observe(document.body, {subtree: true, childList: true, characterData: true});
}"""
# Milliseconds from the key to the suggestion, and to the request for it.
TIMES = """() => {
    const asked = performance.getEntriesByType('resource').filter(entry => entry.name.includes('inline_completion'));
    performance.clearResourceTimings();
    return [umlTimes.shown - umlTimes.key, asked.at(-1).startTime - umlTimes.key];
}"""
EDIT = """() => {
    const {content} = jupyterapp.shell.currentWidget;
    content.mode = 'edit';
    content.activeCell.editor.focus();
}"""


class Typist:
    """Types into the last cell of a notebook."""

    def __init__(self, jupyter: Jupyter, notebook: Notebook) -> None:
        self.jupyter, self.notebook = jupyter, notebook
        self.page: Page = jupyter.page
        self.asked: list[str] = []
        self.page.on("request", lambda request: self._note(request.url))
        notebook.show(len(notebook.sources()) - 1)
        self.edit()

    def edit(self) -> None:
        self.page.evaluate(EDIT)

    def _note(self, url: str) -> None:
        if url.endswith(InlineCompletion.path):
            self.asked.append(url)

    @property
    def ghost(self) -> Locator:
        return self.page.locator(GHOST)

    def type(self, text: str) -> None:
        self.page.keyboard.type(text)

    def clear(self) -> None:
        self.page.keyboard.press("Escape")
        self.edit()
        self.page.keyboard.press("Control+a")
        self.page.keyboard.press("Delete")

    def until_shown(self) -> str:
        """To its end."""
        self.page.wait_for_function(WHOLE)
        return self.ghost.inner_text()

    def source(self) -> str:
        return self.notebook.sources()[-1]


def switch_on(jupyter: Jupyter) -> None:
    """By the command, as from the palette."""
    assert not jupyter.page.evaluate("jupyterapp.commands.isToggled('uml:toggle-inline')")
    jupyter.command("uml:toggle-inline")
    jupyter.page.wait_for_function("jupyterapp.commands.isToggled('uml:toggle-inline')")


def configure(lab: Lab, **settings: Any) -> None:
    """As in JupyterLab's settings, which are read when the page is."""
    path = settings_file(lab.server.models.parent, "jupyter-uml/inline")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(settings))
    lab.reload()


def load(server: Server, model: str, **settings: int) -> None:
    server.post("load_model", {"model": model, **settings}).raise_for_status()


def install(lab: Lab, text: str) -> None:
    """A model with tokens for gaps that fills each with this text, loaded."""
    parrot(lab.server.models / "parrot.gguf", text, infill=True)
    wait_until(lambda: "parrot" in [row["id"] for row in lab.server.get("models").json()["models"]])
    load(lab.server, "parrot")


def test_it_is_off_until_it_is_switched_on_and_tab_accepts(jupyter: Jupyter) -> None:
    load(jupyter.server, "demo")
    typist = Typist(jupyter, jupyter.notebook("inline.ipynb", "x = 1", ""))
    typist.type("print(")
    typist.page.wait_for_timeout(QUIET * 1000)
    assert typist.asked == []
    switch_on(jupyter)
    typist.type("x")
    shown = typist.until_shown()
    typist.page.keyboard.press("Tab")
    wait_until(lambda: typist.source() == f"print(x{shown}")
    assert len(typist.asked) >= 1
    typist.page.keyboard.press("Home")
    typist.page.wait_for_timeout(QUIET * 1000)
    asked = len(typist.asked)
    typist.page.keyboard.press("Alt+\\")  # in the middle of a line, and unlike a pause
    wait_until(lambda: len(typist.asked) == asked + 1)
    typist.page.keyboard.press("End")
    jupyter.command("uml:toggle-inline")
    typist.page.wait_for_function("!jupyterapp.commands.isToggled('uml:toggle-inline')")
    asked = len(typist.asked)
    typist.type("y")
    typist.page.wait_for_timeout(QUIET * 1000)
    assert len(typist.asked) == asked


def test_the_first_suggestion_comes_within_150_ms_of_the_pause(lab: Lab, record_property: Callable[..., None]) -> None:
    load(lab.server, "demo")
    switch_on(lab)
    typist = Typist(lab, lab.notebook("soon.ipynb", "import math\n\nprint(math.pi)", ""))
    typist.page.evaluate(WATCH)
    waits: list[tuple[float, float]] = []
    for number in range(12):
        typist.type(f"print(m{number}")
        typist.until_shown()
        waits.append(tuple(typist.page.evaluate(TIMES)))
        typist.clear()
    whole, pause = (statistics.median(times) for times in zip(*waits, strict=True))
    record_property("milliseconds from the last key to the suggestion", round(whole))
    print(
        f"\nfrom the last key to the suggestion: median {whole:.0f} ms, of which {pause:.0f} ms are the pause; {waits}"
    )
    assert whole < MOST


MOVES: dict[str, Callable[[Page], object]] = {
    "the next key": lambda page: page.keyboard.press("Enter"),  # of an empty line nobody is asked anew
    "Escape": lambda page: page.keyboard.press("Escape"),
    "a click elsewhere": lambda page: page.locator("#jp-MainLogo").click(),
    "another tab": lambda page: page.evaluate("document.activeElement.blur()"),
    "a closed notebook": lambda page: page.evaluate("jupyterapp.shell.currentWidget.dispose()"),
    "a closed page": lambda page: page.close(),
}


def busy(worker: psutil.Process) -> bool:
    """Whether it computes: for `LOOK_SECONDS`, so long this takes."""
    before = sum(worker.cpu_times()[:2])
    time.sleep(LOOK_SECONDS)
    return sum(worker.cpu_times()[:2]) - before > LOOK_SECONDS / 5


def stops(lab: Lab, model: str, name: str, move: Callable[[Page], object]) -> Typist:
    """Begin a suggestion that is long in coming, and move on."""
    above = "".join(f"{name[:2]}{n} = {n * n}\n" for n in range(6000))  # others each time: nothing is known of them
    typist = Typist(lab, lab.notebook(f"{name}.ipynb", above, ""))
    worker = psutil.Process(lab.server.model(model)["pid"])
    typist.type("print")
    wait_until(lambda: lab.server.model(model)["active"] == 1 and busy(worker))
    move(lab.page)
    moved = time.monotonic()
    wait_until(lambda: not busy(worker))
    assert time.monotonic() - LOOK_SECONDS - moved < IDLE_SECONDS, name
    return typist


def test_whoever_moves_on_is_not_held_up_and_the_model_stops(lab: Lab, endless: str) -> None:
    """While it reads a long notebook, which takes seconds."""
    load(lab.server, endless, n_ctx=32768)
    configure(lab, enabled=True, context=100_000)
    typist = Typist(lab, lab.notebook("typing.ipynb", "".join(f"t{n} = {n * n}\n" for n in range(6000)), ""))
    lab.page.keyboard.type("print_no_key_is_lost", delay=110)  # longer than the pause: each is asked for
    assert len(typist.asked) > 5
    assert typist.source() == "print_no_key_is_lost"
    for name, move in MOVES.items():
        typist = stops(lab, endless, name, move)
        if name == "the next key":
            assert typist.source() == "print\n"


def test_what_a_model_writes_is_only_text(lab: Lab) -> None:
    install(lab, HOSTILE)
    switch_on(lab)
    typist = Typist(lab, lab.notebook("hostile.ipynb", "x = 1", ""))
    typist.type("y")
    assert typist.until_shown() == SEEN
    typist.page.keyboard.press("Tab")
    wait_until(lambda: typist.source() == f"y{SEEN}")
    assert not typist.page.evaluate("'umlHurt' in globalThis")


def test_files_get_suggestions_too_and_what_is_typed_of_one_stays(lab: Lab) -> None:
    install(lab, AREA)
    switch_on(lab)
    (lab.work / "shapes.py").write_text("import math\n\n\ndef area(radius):\n\t")
    lab.command("docmanager:open", {"path": "shapes.py"})
    editor = lab.page.locator(".jp-FileEditor .cm-content")
    editor.click()
    lab.page.keyboard.press("Control+End")
    lab.page.keyboard.type("re")
    lab.page.wait_for_function(WHOLE)
    assert lab.page.locator(GHOST).inner_text() == AREA
    lab.page.keyboard.type(AREA[:4])  # what is suggested is typed: it stays, and nobody is asked anew
    lab.page.wait_for_function(WHOLE)
    assert lab.page.locator(GHOST).inner_text() == AREA[4:]
    assert lab.page.locator(".jp-uml-InlineStatus").inner_text() == "Suggestions: on"
    lab.page.keyboard.press("Tab")
    wait_until(lambda: f"\tre{AREA}" in editor.inner_text().replace("    ", "\t"))


def test_how_it_looks(lab: Lab) -> None:
    install(lab, AREA)
    switch_on(lab)
    typist = Typist(lab, lab.notebook("suggested.ipynb", "import math", "radius = 2.5", ""))
    for theme in lab.in_both_themes():
        typist.edit()
        typist.type("def area(radius):\nre")
        assert typist.until_shown() == AREA
        lab.picture(f"inline-{theme.lower()}", *lab.page.locator(".jp-Notebook-cell").all())
        typist.clear()
