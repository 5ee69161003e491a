"""Which cell runs."""

from __future__ import annotations

from typing import Any

from IPython.core.getipython import get_ipython


def running_cell() -> str | None:
    """Its id, as the frontend told it with the code; None where it tells none, as in a terminal."""
    shell: Any = get_ipython()
    if not hasattr(shell, "get_parent"):
        return None
    told = shell.get_parent().get("metadata", {}).get("cellId")
    return str(told) if told else None
