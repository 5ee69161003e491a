"""The speed of a worker."""

from __future__ import annotations

import time
from collections import deque

WINDOW = 5.0  # seconds over which the speed is averaged


class Throughput:
    """Tokens a second, all sequences together: over the last seconds in which there was work, and from one look to the
    next."""

    def __init__(self) -> None:
        self._since, self._new = time.monotonic(), 0  # the last look, and the tokens after it
        self._steps: deque[tuple[float, int, float]] = deque()  # when, tokens, seconds since the step before
        self._tokens, self._busy = 0, 0.0  # of them all
        self._last: float | None = None

    def add(self, tokens: int) -> None:
        """A step gave so many tokens."""
        now = time.monotonic()
        if self._last is not None:
            self._remember(now, tokens, now - self._last)
        self._last = now
        self._new += tokens
        self._forget()

    def take_rate(self) -> float:
        """Since this was asked last, pauses included."""
        now = time.monotonic()
        seconds, tokens = now - self._since, self._new
        self._since, self._new = now, 0
        return tokens / seconds if seconds > 0 else 0.0

    def pause(self) -> None:
        """There is nothing to do until the next step, whose time does not count."""
        self._last = None

    def per_second(self) -> float | None:
        """None when nothing was generated lately."""
        self._forget()
        return self._tokens / self._busy if self._steps and self._busy > 0 else None

    def _remember(self, now: float, tokens: int, seconds: float) -> None:
        self._steps.append((now, tokens, seconds))
        self._tokens, self._busy = self._tokens + tokens, self._busy + seconds

    def _forget(self) -> None:
        oldest = time.monotonic() - WINDOW
        while self._steps and self._steps[0][0] < oldest:
            _, tokens, seconds = self._steps.popleft()
            self._tokens, self._busy = self._tokens - tokens, self._busy - seconds
        if not self._steps:  # and with them what rounding has left
            self._busy = 0.0
