"""An error that stops the cell, and the cells after it, with one line instead of a traceback."""

from __future__ import annotations

from jupyter_uml.display.render import visible


class UmlMagicError(Exception):
    """What a person needs to know is in the message."""

    def _render_traceback_(self) -> list[str]:  # IPython asks for it
        return [f"\x1b[1mjupyter_uml:\x1b[0m {visible(str(self))}"]
