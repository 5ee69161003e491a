"""What a server says of itself as it changes: its models, its memory, and what it is just doing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, Self

from jupyter_uml.types.models import ModelStatus, Sample
from jupyter_uml.types.pulls import PullProgress

RunningState = Literal["waiting", "answering"]


@dataclass(frozen=True, slots=True)
class Memory:
    """The machine's RAM, in bytes."""

    total_bytes: int = 0
    available_bytes: int = 0  # for models to come

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> Self:
        """The inverse of `dataclasses.asdict`; fields of a newer server are passed over."""
        return cls(**{f.name: int(row[f.name]) for f in fields(cls) if f.name in row})


@dataclass(frozen=True, slots=True)
class RunningAnswer:
    """A row of `GET running`: a request that is being answered, or waits for that.

    `kind`: who asked: a `cell`, a `panel`, `inline` completion, a `batch` or any other `client`. `who`: the name of its
    key or user. `question`: its beginning; of one's `own` only, else empty. `started`: seconds since 1970. `tokens`: of
    the answer so far.
    """

    id: str
    model: str
    kind: str
    route: str
    who: str
    own: bool
    question: str
    started: float
    tokens: int
    tokens_per_second: float
    state: RunningState

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> Self:
        """The inverse of `dataclasses.asdict`; fields of a newer server are passed over."""
        return cls(**{f.name: row[f.name] for f in fields(cls) if f.name in row})


@dataclass(frozen=True, slots=True)
class ServerState:
    """All that is known by now. `samples`: the newest figures of each model that is loaded, by its id.

    `pulls`, `running`: empty for those whose key does not let them see any. `connected`: False while the server cannot
    be reached; the rest is as it was last.
    """

    models: list[ModelStatus] = field(default_factory=list)
    memory: Memory = field(default_factory=Memory)
    samples: dict[str, Sample] = field(default_factory=dict)
    pulls: list[PullProgress] = field(default_factory=list)
    running: list[RunningAnswer] = field(default_factory=list)
    version: str = ""
    connected: bool = True

    @classmethod
    def from_dict(cls, message: Mapping[str, Any]) -> Self:
        """The state that the first message of `GET events` tells."""
        return cls().after(message)

    def after(self, message: Mapping[str, Any]) -> Self:
        """This state, with what a further message tells."""
        rows = {row.id: row for row in self.models}
        rows |= {row["id"]: ModelStatus.from_dict(row) for row in message.get("models", ())}
        order = message.get("order", rows)
        samples = self.samples | {name: Sample.from_dict(row) for name, row in message.get("samples", {}).items()}
        told: dict[str, Any] = {}
        if "memory" in message:
            told["memory"] = Memory.from_dict(message["memory"])
        if "pulls" in message:
            told["pulls"] = [PullProgress.from_row(row) for row in message["pulls"]]
        if "running" in message:
            told["running"] = [RunningAnswer.from_dict(row) for row in message["running"]]
        if "version" in message:
            told["version"] = str(message["version"])
        models = [rows[name] for name in order if name in rows]
        up = {row.id for row in models if row.memory_bytes is not None}
        samples = {name: sample for name, sample in samples.items() if name in up}
        return replace(self, models=models, samples=samples, connected=True, **told)
