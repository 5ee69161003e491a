"""What to do about a worker that died. Pure: times are seconds on the caller's clock."""

from __future__ import annotations

from collections import deque

MOST, WINDOW = 3, 60.0  # so many crashes within so many seconds open the breaker, for as long
_DELAYS = (0.0, 0.5)  # seconds before the first and the second restart


class Crashes:
    """Of one model: restarted with growing delay, and left alone when it keeps crashing."""

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=MOST)
        self.log = ""  # the end of what the last one had logged

    def add(self, log: str, now: float) -> float | None:
        """Seconds after which to start it again; None: it is left alone."""
        self._times.append(now)
        self.log = log
        return None if self.remaining(now) else _DELAYS[min(self._recent(now), len(_DELAYS)) - 1]

    def remaining(self, now: float) -> float:
        """Seconds for which the breaker stays open; 0: it is closed."""
        if len(self._times) < MOST or self._times[-1] - self._times[0] >= WINDOW:
            return 0.0
        return max(0.0, self._times[-1] + WINDOW - now)

    def forgive(self) -> None:
        """Somebody wants it to be tried at once."""
        self._times.clear()

    def _recent(self, now: float) -> int:
        return sum(now - time < WINDOW for time in self._times)
