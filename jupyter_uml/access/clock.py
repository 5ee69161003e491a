"""Two kinds of time: one that only ever runs, for limits, and the calendar's, for dates that outlive a process."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def steady() -> float:
    """Seconds since the machine was started, its sleep included where the system counts it. Nobody can set it."""
    return time.clock_gettime(_STEADY) if _STEADY is not None else time.monotonic()


_STEADY: int | None = getattr(time, "CLOCK_BOOTTIME", None)


@cache
def boot_id() -> str:
    """Names the time between two starts of the machine, in which `steady` is the same for all processes.

    Empty where the system does not tell.
    """
    try:
        return _BOOT_ID.read_text("ascii").strip()
    except OSError:
        return ""


class Calendar:
    """Seconds since 1970, for deadlines. A clock that is set back while the process runs prolongs nothing.

    A clock that is set forward wrongly ends a key early, and only for as long as it is wrong: of the two mistakes it
    is the one that opens nothing.
    """

    def __init__(self, wall: Callable[[], float] = time.time, steady: Callable[[], float] = steady) -> None:
        self._wall, self._steady = wall, steady
        self._start = wall() - steady()

    def now(self) -> float:
        return max(self._wall(), self._start + self._steady())
