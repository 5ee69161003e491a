"""How a cell shows what goes on: in a notebook one output that is updated in place, in a terminal plain text."""

from __future__ import annotations

import sys
from typing import Any, Protocol

from IPython.core.interactiveshell import InteractiveShell
from IPython.display import DisplayHandle, display

from jupyter_uml.kernel import tables
from jupyter_uml.kernel.render import Written, answer_html, answer_text, calls_text, escape, visible

_NOTE = f"{tables.QUIET};font-size:var(--jp-ui-font-size1,13px);margin-top:-.4em"


class CellView(Protocol):
    """What a running cell can show."""

    def progress(self, text: str, fraction: float | None = None, heading: str = "") -> None:
        """How far something is, 0 to 1 or not known, under a heading that stays the same."""
        ...

    def line(self, text: str) -> None:
        """One line that replaces what was shown before."""
        ...

    def answer(self, answer: Written, note: str = "", final: bool = False) -> int:
        """The answer as far as it has come; returns how much has been sent, in characters."""
        ...

    def table(self, table: tables.Table) -> None: ...


def view_for(shell: InteractiveShell | None) -> CellView:
    return NotebookView() if hasattr(shell, "kernel") else TerminalView()


class NotebookView:
    """One output, updated in place; saved with the notebook as it looks in the end."""

    def __init__(self) -> None:
        self._handle: DisplayHandle | None = None

    def progress(self, text: str, fraction: float | None = None, heading: str = "") -> None:
        head = f"<div>{escape(heading)}</div>" if heading else ""
        self._show(head + _progress_html(text, fraction), visible("\n".join(filter(None, (heading, text)))))

    def line(self, text: str) -> None:
        self._show(f"<div>{escape(text)}</div>", visible(text))

    def answer(self, answer: Written, note: str = "", final: bool = False) -> int:
        body = f'<div style="overflow-wrap:anywhere">{answer_html(answer)}</div>'
        return self._show(f'{body}<div style="{_NOTE}">{escape(note)}</div>', answer_text(answer))

    def table(self, table: tables.Table) -> None:
        self._show(tables.to_html(table), tables.to_text(table))

    def _show(self, html: str, text: str) -> int:
        bundle: dict[str, Any] = {"text/html": html, "text/plain": text}
        if self._handle is None:
            self._handle = display(bundle, raw=True, display_id=True)  # type: ignore[no-untyped-call]
        else:
            self._handle.update(bundle, raw=True)  # type: ignore[no-untyped-call]
        return len(html) + len(text)


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

    def answer(self, answer: Written, note: str = "", final: bool = False) -> int:
        self._go_on("reasoning", answer.reasoning, dim=sys.stdout.isatty())
        self._go_on("text", answer.text)
        if final:
            self._go_on("calls", calls_text(answer))
            self._write(f"\n[{visible(note)}]\n")
        return 0

    def table(self, table: tables.Table) -> None:
        self._write(visible(tables.to_text(table)) + "\n")

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
    bar = f"height:4px;border-radius:2px;width:{fraction:.0%};background:{tables.BUSY}"
    return f'{label}<div style="{track}"><div style="{bar}"></div></div>'
