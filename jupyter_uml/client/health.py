"""How a server is, as the client tells it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Memory:
    """The machine's RAM, in bytes."""

    total_bytes: int = 0
    available_bytes: int = 0  # for models to come


@dataclass(frozen=True, slots=True)
class Health:
    """`status` is "ok" where anything is answered at all. `version`: of jupyter_uml there; `loaded`: ids of models;
    `engine`: builds of what computes, with which a loaded model's `info.engine` begins."""

    status: str
    version: str = ""
    loaded: tuple[str, ...] = ()
    memory: Memory = Memory()
    engine: str = ""

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        """What `GET health` answers; what it tells beyond the fields is passed over."""
        memory = row.get("memory") or {}
        known = {f.name: int(memory[f.name]) for f in fields(Memory) if f.name in memory}
        loaded = tuple(map(str, row.get("loaded") or ()))
        return cls(
            str(row.get("status", "")), str(row.get("version", "")), loaded, Memory(**known), str(row.get("engine", ""))
        )
