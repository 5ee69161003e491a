"""Generations that outlive whoever asked for them: who asked, and how far they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, Self

GenerationKind = Literal["cell", "panel", "client"]
GenerationState = Literal["running", "done", "failed", "stopped"]

MAX_QUESTION = 500  # characters of a label's question: enough to know it again
MAX_CELL = 1024  # of a cell's id: some frontends make it of the notebook's whole path


@dataclass(frozen=True, slots=True)
class GenerationLabel:
    """What a person knows a generation by. `cell`: the id of the notebook's cell that asked. `question`: its beginning.

    A request that has a label is kept: it goes on when its reader goes away, and can be read again from any place.
    """

    kind: GenerationKind = "client"
    cell: str | None = None
    question: str = ""


@dataclass(frozen=True, slots=True)
class GenerationStatus:
    """A row of `GET generations`. `kernel`: whose notebook asked. `created`: seconds since 1970.

    `tokens`: of the answer so far. `error`: why it failed. `read`: whether somebody has read it to its end.
    """

    id: str
    model: str
    state: GenerationState
    kind: GenerationKind
    cell: str | None
    kernel: str | None
    question: str
    created: float
    tokens: int
    error: str | None = None
    read: bool = False

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> Self:
        """The inverse of `dataclasses.asdict`; fields of a newer server are passed over."""
        return cls(**{f.name: row[f.name] for f in fields(cls) if f.name in row})
