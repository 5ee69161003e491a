"""What is known of the server, and since which look: so that each who watches is told only what is new to him."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from jupyter_uml.types import Memory, ModelStatus, Sample

_SAME_SECONDS = 1.0  # between two times at which a model will expire, as two looks work them out
_MEMORY_PARTS = 512  # of the machine's memory, by which what is free must have changed


@dataclass(slots=True)
class Known:
    """A model's row. `since`: the look that found it so; `until`: when it expires, on the monotonic clock."""

    status: ModelStatus
    since: int
    until: float | None
    _row: dict[str, Any] | None = None

    @property
    def row(self) -> dict[str, Any]:
        """As JSON has it, made once for all who watch."""
        if self._row is None:
            self._row = asdict(self.status)
        return self._row

    def is_still(self, status: ModelStatus, until: float | None) -> bool:
        """That time goes on is nothing new."""
        if status is self.status:
            return True
        known = self.until
        if known is None or until is None or abs(known - until) > _SAME_SECONDS:
            return known is None and until is None and status == self.status
        return replace(status, expires_in=self.status.expires_in) == self.status


@dataclass(slots=True)
class Snapshot:
    """`look`: the number of the last one that found something new."""

    look: int = 0
    models: dict[str, Known] = field(default_factory=dict)  # in their order
    order_since: int = 0
    memory: Memory = field(default_factory=Memory)
    memory_since: int = 0
    samples: dict[str, tuple[Sample, int]] = field(default_factory=dict)

    def see_models(self, statuses: Iterable[ModelStatus]) -> None:
        now, look, before = time.monotonic(), self.look + 1, self.models
        self.models = {status.id: self._known(status, now, look) for status in statuses}
        if list(before) != list(self.models):
            self.look = self.order_since = look

    def _known(self, status: ModelStatus, now: float, look: int) -> Known:
        known = self.models.get(status.id)
        until = None if status.expires_in is None else now + status.expires_in
        if known is not None and known.is_still(status, until):
            return known
        self.look = look
        return Known(status, look, until)

    def see_memory(self, memory: Memory) -> None:
        changed = abs(memory.available_bytes - self.memory.available_bytes)
        if changed * _MEMORY_PARTS >= memory.total_bytes:
            self.look += 1
            self.memory, self.memory_since = memory, self.look

    def see_samples(self, latest: dict[str, Sample]) -> None:
        before = self.samples
        if all(name in before and before[name][0] is sample for name, sample in latest.items()):
            self.samples = {name: before[name] for name in latest}
            return
        self.look += 1
        self.samples = {
            name: before[name] if name in before and before[name][0] is sample else (sample, self.look)
            for name, sample in latest.items()
        }
