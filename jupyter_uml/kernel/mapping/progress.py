"""How far a run is, in numbers and in words."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass

from jupyter_uml.display import figures

WINDOW = 256  # answers over whose arrival the rate is taken


@dataclass(frozen=True, slots=True)
class Progress:
    """`done` counts rows with a value or an error, `waits` are seconds that the server wants to be left alone."""

    done: int
    total: int | None
    failed: int = 0
    reused: int = 0
    rate: float | None = None  # rows a second
    waits: float = 0.0

    @property
    def fraction(self) -> float | None:
        return self.done / self.total if self.total else None

    @property
    def seconds_left(self) -> float | None:
        return None if self.total is None or not self.rate else (self.total - self.done) / self.rate

    def __str__(self) -> str:
        rows = figures.plural(self.done, "row") if self.total is None else f"{self.done} of {self.total} rows"
        parts = [
            rows,
            f"{self.reused} known already" if self.reused else "",
            f"{self.rate:.3g} rows/s" if self.rate else "",
            f"{figures.duration(self.seconds_left)} left" if self.seconds_left else "",
            figures.plural(self.failed, "error") if self.failed else "",
            f"the server wants {figures.duration(self.waits)} of pause" if self.waits > 1 else "",
        ]
        return " · ".join(part for part in parts if part)


class Speedometer:
    """Rows a second over the last answers."""

    def __init__(self) -> None:
        self._times = deque([time.monotonic()], maxlen=WINDOW)

    def tick(self) -> None:
        self._times.append(time.monotonic())

    @property
    def rate(self) -> float | None:
        span = time.monotonic() - self._times[0]
        return (len(self._times) - 1) / span if len(self._times) > 1 and span > 0 else None
