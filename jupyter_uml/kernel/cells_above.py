"""The cells above a question, with their outputs, as a model can read them.

In the notebook's own order where its file is at hand and knows the cell that asks, with its texts in Markdown; else in
the order in which they ran.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from jupyter_uml.kernel.cell_log import RanCell

MAX_SOURCE = 6000  # characters of one cell
MAX_OUTPUT = 3000
MAX_FILE = 64 << 20  # bytes of a notebook that is read for its order


@dataclass(frozen=True, slots=True)
class Above:
    count: int
    text: str


class Ran(Protocol):
    """The cells that have run, as `CellLog` knows them."""

    @property
    def running(self) -> str | None: ...

    def cells(self) -> Sequence[RanCell]: ...


def cells_above(log: Ran, wanted: int, path: Path | None = None) -> Above:
    """The last `wanted` cells before the one that runs; `path`: of the notebook's file."""
    ran = log.cells()
    blocks = list(_in_order(ran, path, log.running)) or [_code(cell) for cell in ran]
    chosen = blocks[-wanted:] if wanted > 0 else []
    return Above(len(chosen), "\n\n".join(["Cells of the notebook, above the question:", *chosen]) if chosen else "")


def notebook_path(names: Mapping[str, Any], environ: Mapping[str, str] = os.environ) -> Path | None:
    """Where the notebook of this kernel is: Jupyter tells in its environment, VS Code by a name in the notebook."""
    told = names.get("__vsc_ipynb_file__") or environ.get("JPY_SESSION_NAME")
    path = Path(str(told)) if told else None
    return path if path is not None and path.suffix == ".ipynb" and path.is_file() else None


def _in_order(ran: Sequence[RanCell], path: Path | None, asking: str | None) -> Iterator[str]:
    """As the file has them; none where it does not know who asks."""
    cells = _read(path) if path is not None and asking is not None else []
    ids = [cell.get("id") for cell in cells]
    if asking not in ids:
        return
    known = {cell.cell: cell for cell in ran}
    for cell in cells[: ids.index(asking)]:
        if cell.get("cell_type") == "markdown":
            yield _cut("".join(cell.get("source", "")), MAX_SOURCE)
        elif cell.get("id") in known:
            yield _code(known[cell["id"]])


def _read(path: Path) -> list[dict[str, Any]]:
    try:
        if path.stat().st_size > MAX_FILE:
            return []
        return list(json.loads(path.read_text("utf-8"))["cells"])
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _code(cell: RanCell) -> str:
    said = f"```python\n{_cut(cell.source.rstrip(), MAX_SOURCE)}\n```"
    return said + (f"\nOutput:\n```\n{_cut(cell.output, MAX_OUTPUT)}\n```" if cell.output else "")


def _cut(text: str, most: int) -> str:
    """The beginning and the end of what is long."""
    if len(text) <= most:
        return text
    half = most // 2
    return f"{text[:half]}\n… ({len(text) - 2 * half:,} characters left out) …\n{text[-half:]}"
