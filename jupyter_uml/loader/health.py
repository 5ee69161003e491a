"""Figures of a running worker: memory and speed."""

from __future__ import annotations

import time
from collections import deque

import psutil

WINDOW = 5.0  # seconds over which the speed is averaged


def resident_bytes(pid: int) -> int | None:
    """Resident memory of a process, mapped weights included; None when it is gone."""
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return None


class Throughput:
    """Tokens a second over the last seconds, all sequences together."""

    def __init__(self) -> None:
        self._steps: deque[tuple[float, int]] = deque()

    def add(self, tokens: int) -> None:
        if tokens:
            self._steps.append((time.monotonic(), tokens))
            self._forget()

    def per_second(self) -> float | None:
        """The rate from the first step to the last of the window, pauses at its ends not counted; None when idle."""
        self._forget()
        if len(self._steps) < 2:
            return None
        (begin, first), (end, _) = self._steps[0], self._steps[-1]
        return (sum(tokens for _, tokens in self._steps) - first) / max(end - begin, 1e-3)

    def _forget(self) -> None:
        oldest = time.monotonic() - WINDOW
        while self._steps and self._steps[0][0] < oldest:
            self._steps.popleft()
