"""How fast messages are read: who sends more is not refused but read later, as by a slow network."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

MESSAGES_PER_SECOND = 200.0
BURST = 256  # messages that may come at once: as many starts and cancels as there can be


class Pace:
    """Remembers one moment only: when the next message would be due, were they evenly spread."""

    def __init__(
        self,
        per_second: float = MESSAGES_PER_SECOND,
        burst: int = BURST,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._interval, self._burst = 1 / per_second, burst
        self._clock, self._sleep = clock, sleep
        self._due = clock() - burst * self._interval

    async def keep(self) -> None:
        """Return when the next message may be read."""
        now = self._clock()
        self._due = max(self._due, now - self._burst * self._interval) + self._interval
        if self._due > now:
            await self._sleep(self._due - now)
