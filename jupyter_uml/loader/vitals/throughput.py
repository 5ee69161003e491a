"""The speed of a worker."""

from __future__ import annotations

import time
from collections import deque

WINDOW = 5.0  # seconds over which the speed is averaged


class Throughput:
    """Tokens a second over the last seconds in which there was work, all sequences together."""

    def __init__(self) -> None:
        self._steps: deque[tuple[float, int, float]] = deque()  # when, tokens, seconds since the step before
        self._last: float | None = None

    def add(self, tokens: int) -> None:
        """A step gave so many tokens."""
        now = time.monotonic()
        if self._last is not None:
            self._steps.append((now, tokens, now - self._last))
        self._last = now
        self._forget()

    def pause(self) -> None:
        """There is nothing to do until the next step, whose time does not count."""
        self._last = None

    def per_second(self) -> float | None:
        """None when nothing was generated lately."""
        self._forget()
        busy = sum(seconds for _, _, seconds in self._steps)
        return sum(tokens for _, tokens, _ in self._steps) / busy if busy > 0 else None

    def _forget(self) -> None:
        oldest = time.monotonic() - WINDOW
        while self._steps and self._steps[0][0] < oldest:
            self._steps.popleft()
