"""How a server is, as the client tells it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from jupyter_uml.types import Memory

__all__ = ["Health", "Memory"]


@dataclass(frozen=True, slots=True)
class Health:
    """`status` is "ok" where anything is answered at all. `version`: of jupyter_uml there; `loaded`: ids of models;
    `engine`: builds of what computes, with which a loaded model's `info.engine` begins."""

    status: str
    version: str = ""
    loaded: tuple[str, ...] = ()
    memory: Memory = field(default_factory=Memory)
    engine: str = ""

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        """What `GET health` answers; what it tells beyond the fields is passed over."""
        memory = Memory.from_dict(row.get("memory") or {})
        loaded = tuple(map(str, row.get("loaded") or ()))
        return cls(str(row.get("status", "")), str(row.get("version", "")), loaded, memory, str(row.get("engine", "")))
