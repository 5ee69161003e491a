"""How a cell shows what goes on: in a notebook one output that is updated in place, in a terminal plain text."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, Protocol

from IPython.core.interactiveshell import InteractiveShell
from IPython.display import DisplayHandle, display

from jupyter_uml.display.bundle import answer_bundle
from jupyter_uml.display.colours import BUSY
from jupyter_uml.display.render import GrowingAnswer, Written, calls_text, escape, visible
from jupyter_uml.kernel import tables


class CellView(Protocol):
    """What a running cell can show."""

    def progress(self, text: str, fraction: float | None = None, heading: str = "") -> None:
        """How far something is, 0 to 1 or not known, under a heading that stays the same."""
        ...

    def line(self, text: str) -> None:
        """One line that replaces what was shown before."""
        ...

    def answer(
        self,
        answer: Written,
        note: str = "",
        final: bool = False,
        *,
        warn: bool = False,
        metadata: Mapping[str, Any] | None = None,
        body: str | None = None,
    ) -> int:
        """The answer as far as it has come; returns how much has been sent, in characters.

        `warn`: the note should be seen. `metadata`: is saved with the output. `body`: HTML in the answer's place.
        """
        ...

    def table(self, table: tables.Table) -> None: ...

    def show(self, html: str, text: str) -> None:
        """Safe HTML, and what says the same as plain text."""
        ...


def view_for(shell: InteractiveShell | None) -> CellView:
    return NotebookView() if hasattr(shell, "kernel") else TerminalView()


class NotebookView:
    """One output, updated in place; saved with the notebook as it looks in the end."""

    def __init__(self) -> None:
        self._handle: DisplayHandle | None = None
        self._growing = GrowingAnswer()

    def progress(self, text: str, fraction: float | None = None, heading: str = "") -> None:
        head = f"<div>{escape(heading)}</div>" if heading else ""
        self.show(head + _progress_html(text, fraction), visible("\n".join(filter(None, (heading, text)))))

    def line(self, text: str) -> None:
        self.show(f"<div>{escape(text)}</div>", visible(text))

    def answer(
        self,
        answer: Written,
        note: str = "",
        final: bool = False,
        *,
        warn: bool = False,
        metadata: Mapping[str, Any] | None = None,
        body: str | None = None,
    ) -> int:
        shown = self._growing.html(answer) if body is None and not final else body
        return self._show(answer_bundle(answer, note, warn, shown), metadata)

    def table(self, table: tables.Table) -> None:
        self.show(tables.to_html(table), tables.to_text(table))

    def show(self, html: str, text: str) -> None:
        self._show({"text/html": html, "text/plain": text})

    def _show(self, bundle: Mapping[str, str], metadata: Mapping[str, Any] | None = None) -> int:
        if self._handle is None:
            self._handle = display(bundle, raw=True, display_id=True, metadata=metadata)  # type: ignore[no-untyped-call]
        else:
            self._handle.update(bundle, raw=True, metadata=metadata)  # type: ignore[no-untyped-call]
        return sum(map(len, bundle.values()))


class TerminalView:
    """Text that scrolls by: an answer is written as it comes, its reasoning dimmed; a progress line is written over."""

    def __init__(self) -> None:
        self._written: dict[str, int] = {}  # characters of each part of the answer
        self._overwrite = False
        self._heading = ""

    def progress(self, text: str, fraction: float | None = None, heading: str = "") -> None:
        if heading != self._heading:
            self.line(heading)
            self._heading = heading
        if sys.stdout.isatty():
            self._write("\r\x1b[K" + visible(text))
            self._overwrite = True

    def line(self, text: str) -> None:
        self._clear_line()
        self._write(visible(text) + "\n")

    def answer(
        self,
        answer: Written,
        note: str = "",
        final: bool = False,
        *,
        warn: bool = False,
        metadata: Mapping[str, Any] | None = None,
        body: str | None = None,
    ) -> int:
        self._go_on("reasoning", answer.reasoning, dim=sys.stdout.isatty())
        self._go_on("text", answer.text)
        if final:
            self._go_on("calls", calls_text(answer))
            told = f"[{visible(note)}]"
            self._write(f"\n\x1b[33m{told}\x1b[39m\n" if warn and sys.stdout.isatty() else f"\n{told}\n")
        return 0

    def table(self, table: tables.Table) -> None:
        self._write(visible(tables.to_text(table)) + "\n")

    def show(self, html: str, text: str) -> None:
        self.line(text)

    def _go_on(self, part: str, text: str, dim: bool = False) -> None:
        """Write what is new in a part of the answer."""
        new = visible(text[self._written.get(part, 0) :])
        if not new:
            return
        self._clear_line()
        if self._written and part not in self._written:
            self._write("\n\n" if part == "text" else "\n")
        self._write(f"\x1b[2m{new}\x1b[22m" if dim else new)
        self._written[part] = len(text)

    def _clear_line(self) -> None:
        if self._overwrite:
            self._write("\r\x1b[K")
            self._overwrite = False

    @staticmethod
    def _write(text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()


def _progress_html(text: str, fraction: float | None) -> str:
    label = f"<div>{escape(text)}</div>"
    if fraction is None:
        return label
    track = "height:4px;max-width:320px;border-radius:2px;background:var(--jp-layout-color3,#ddd);margin-top:6px"
    bar = f"height:4px;border-radius:2px;width:{fraction:.0%};background:{BUSY}"
    return f'{label}<div style="{track}"><div style="{bar}"></div></div>'
