"""Which of the things that a person can press the tests have pressed. Each is called by its `data-uml-action`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import BrowserContext

REPOSITORY = Path(__file__).parents[2]
SOURCES = {
    "labextension": (REPOSITORY / "labextension" / "src", (".ts", ".tsx")),
    "widgets": (REPOSITORY / "jupyter_uml" / "kernel" / "assets", (".js",)),
}
# `action="load"`, `action={x ? 'pin' : 'unpin'}`, `action: 'load'`, `data-uml-action="load"`, "umlAction = `set-${x}`"
GIVEN = re.compile(
    r"""\b(?:data-uml-action|umlAction|action)(?:=(['"][a-z-]+['"])|=\{(.*?)\}[\s>]|:([^,}\n]*)| = ([^;\n]*))"""
)
QUOTED = re.compile(r"""['"`]([a-z](?:[\w-]|\$\{[^}]*\})*)['"`]""")
VARIABLE = re.compile(r"\$\{[^}]*\}")

# The widgets stand in an output of a notebook; all else is JupyterLab's side, and so is what it puts into answers.
LISTEN = """
const seen = new Set();
const note = (kind, node) => {
    const place = node.closest('.jp-OutputArea-output') && !node.closest('.jp-uml-Code') ? 'widgets' : 'labextension';
    const said = `${kind} ${place} ${node.dataset.umlAction}`;
    if (!seen.has(said)) {
        seen.add(said);
        umlNote(said);
    }
};
const pressed = event => {
    const node = event.target.closest?.('[data-uml-action]');
    if (node && node.ariaDisabled !== 'true') note('pressed', node);
};
for (const type of ['click', 'input', 'change', 'toggle', 'submit']) addEventListener(type, pressed, true);
addEventListener('keydown', event => {
    if (event.key === 'Enter' && event.target.tagName === 'TEXTAREA') pressed(event);
}, true);
addEventListener('focus', event => {
    if (event.target.readOnly) pressed(event);  // all that can be done with it is to select its text
}, true);
globalThis.umlLookAround = () => {
    for (const node of document.querySelectorAll('[data-uml-action]')) note('shown', node);
    const ours = '.jp-uml-Sidebar, .uml-models, .uml-chat';
    const typed = '[type=text], [type=number], [type=search], :not([type])';
    const controls = `button, select, summary, [role=button], input:not([hidden], ${typed})`;
    for (const node of document.querySelectorAll(`:is(${ours}) :is(${controls}):not([data-uml-action], .uml-body *)`)) {
        umlNote(`unnamed ${node.outerHTML.slice(0, 200)}`);
    }
};
"""


class Recorder:
    """Of all pages of a context, and of those that sessions before this one kept in a folder."""

    def __init__(self, context: BrowserContext, folder: Path | None = None) -> None:
        self._context, self._folder = context, folder
        self._notes: set[str] = set()
        self.files: set[str] = set()  # of tests, by name
        for path in folder.iterdir() if folder else ():
            kept = json.loads(path.read_text())
            self._notes |= set(kept["notes"])
            self.files |= set(kept["files"])
        context.expose_function("umlNote", self._note)
        context.add_init_script(f"(() => {{ {LISTEN} }})()")

    def _note(self, note: str) -> None:
        self._notes.add(note)

    def keep(self, session: str) -> None:
        """For sessions that come after this one."""
        if self._folder is not None:
            kept = {"notes": sorted(self._notes), "files": sorted(self.files)}
            (self._folder / f"{session}.json").write_text(json.dumps(kept))

    def look_around(self) -> None:
        """Note what all pages show now."""
        for page in self._context.pages:
            page.evaluate("globalThis.umlLookAround?.()")

    @property
    def pressed(self) -> set[str]:
        """Such as "widgets load"."""
        return self._noted("pressed")

    @property
    def shown(self) -> set[str]:
        return self._noted("shown")

    @property
    def unnamed(self) -> set[str]:
        """Controls of ours without a `data-uml-action`, as HTML."""
        return self._noted("unnamed")

    def _noted(self, kind: str) -> set[str]:
        return {note.removeprefix(f"{kind} ") for note in self._notes if note.startswith(f"{kind} ")}


def actions_of_sources() -> set[str]:
    """All that the code gives something to press, as patterns of file names: "widgets load", "widgets set-*"."""
    return {f"{place} {VARIABLE.sub('*', action)}" for place in SOURCES for action in _actions(place)}


def _actions(place: str) -> Iterator[str]:
    folder, suffixes = SOURCES[place]
    for path in folder.rglob("*"):
        if path.suffix in suffixes:
            for given in GIVEN.findall(path.read_text("utf-8")):
                yield from QUOTED.findall("".join(given))
