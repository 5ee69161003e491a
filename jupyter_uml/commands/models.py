"""`jupyter uml models`: what there is, with or without a server that runs."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from inspect import cleandoc

from jupyter_uml.commands.progress_bar import percent, size
from jupyter_uml.commands.server_command import ServerCommand
from jupyter_uml.commands.terminal_text import columns_of, table, wrapped
from jupyter_uml.types import ModelStatus

_HEADINGS = ("MODEL", "STATE", "SIZE", "QUANT", "CONTEXT", "FROM", "NOTE")


class ModelsApp(ServerCommand):
    """List the models."""

    name = "jupyter uml models"
    description = (
        "List the models: those of the running server with their state, or, where none runs, those on this machine. "
        "What cannot be loaded stands at the end, with the reason. Exit status: 0."
    )
    examples = cleandoc("""
        jupyter uml models
        jupyter uml models --json | jq -r '.models[] | select(.reason == null) | .id'
    """)

    async def run(self) -> None:
        async with self.client(or_here=True) as client:
            rows = await client.models(refresh=True)
        if self.as_json:
            self.print_json({"models": [asdict(row) for row in rows]})
        else:
            print(listed(rows, columns_of(sys.stdout)))


def listed(rows: Sequence[ModelStatus], columns: int) -> str:
    """A table of what can be loaded, then what cannot and why."""
    good = [row for row in rows if row.reason is None]
    text = table(_HEADINGS, map(_cells, good), {"SIZE", "CONTEXT"}, columns) if good else "There is no model to load."
    return "\n".join([text, *_unloadable([row for row in rows if row.reason is not None], columns)])


def _cells(row: ModelStatus) -> tuple[str, ...]:
    state = f"{row.state}{percent(row.progress)}" if row.progress is not None else row.state
    quantisation = row.facts.quantisation if row.facts else ""
    return (row.id, state, size(row.size_bytes), quantisation, _context(row), row.source, "; ".join(_notes(row)))


def _context(row: ModelStatus) -> str:
    """Tokens: of each sequence of a loaded model, else the most that it was trained for."""
    tokens = row.settings.n_ctx if row.settings else row.facts.n_ctx_train if row.facts else 0
    return f"{tokens / 1024:.3g}k" if tokens >= 1024 else str(tokens or "")


def _notes(row: ModelStatus) -> Iterable[str]:
    if row.error:
        yield str(row.error.get("message", "it failed"))
    if row.pinned:
        yield "pinned"
    if row.active or row.waiting:
        yield f"{row.active + row.waiting} under way"
    if row.memory_bytes:
        yield f"takes {size(row.memory_bytes)}"
    if row.base:
        yield f"settings for {row.base}"
    if row.facts:
        told = {"tools": row.facts.can_use_tools, "reasons": row.facts.can_reason, "sees": row.facts.can_see}
        if able := [name for name, can in told.items() if can]:
            yield ", ".join(able)


def _unloadable(rows: Sequence[ModelStatus], columns: int) -> Iterable[str]:
    if rows:
        yield "\nCannot be loaded:"
    for row in rows:
        yield f"  {row.id}"
        yield wrapped(str(row.reason), columns, "      ", "      ")
