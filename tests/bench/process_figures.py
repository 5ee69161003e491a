"""What a process takes, as the kernel counts it: processor time and memory."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Self

import psutil

LOOK = 0.005  # seconds between two looks at the processor time
REST = 0.03  # seconds without work that count as rest
RESTING_SHARE = 0.05  # of one core, that a process at rest may use
GIVE_UP = 60.0


def cpu_seconds(pid: int) -> float:
    """Processor time of all threads; on Linux to the nanosecond, elsewhere as psutil says it."""
    tasks = Path(f"/proc/{pid}/task")
    if not tasks.exists():
        times = psutil.Process(pid).cpu_times()
        return times.user + times.system
    total = 0
    for task in tasks.iterdir():
        try:
            total += int((task / "schedstat").read_text().split()[0])
        except OSError:  # a thread that has just ended
            continue
    return total / 1e9


def runnable(pid: int) -> bool:
    """Whether a thread runs or waits for a core: on a busy machine a process without processor time may be at work."""
    for task in Path(f"/proc/{pid}/task").glob("*/stat"):
        try:
            if task.read_text().rpartition(")")[2].split()[0] == "R":
                return True
        except OSError:
            continue
    return False


async def idle_since(pid: int, start: float) -> float:
    """Seconds from `start` (`time.perf_counter`) until the process was at rest.

    Raises:
        TimeoutError: it was not at rest within a minute.
    """
    looks: deque[tuple[float, float]] = deque()
    while (now := time.perf_counter()) < start + GIVE_UP:
        if runnable(pid):
            looks.clear()
        looks.append((now, cpu_seconds(pid)))
        while looks[-1][0] - looks[0][0] > REST:
            span, used = looks[-1][0] - looks[0][0], looks[-1][1] - looks[0][1]
            if used < RESTING_SHARE * span:
                return max(0.0, looks[0][0] - start)
            looks.popleft()
        await asyncio.sleep(LOOK)
    raise TimeoutError("the engine is still at work after a minute")


def memory_bytes(pid: int) -> int:
    """Resident memory; pages that several processes map are shared out among them, where the kernel tells (PSS)."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        return int(re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)[1]) << 10  # type: ignore[index]
    except (OSError, TypeError):
        return int(psutil.Process(pid).memory_info().rss)


class MemoryWatch:
    """Looks ten times a second, on a thread; the peaks are those of one look. `pids` are all processes of a server."""

    def __init__(self, pids: Callable[[], list[int]], engine: Callable[[], int]) -> None:
        self._pids, self._engine = pids, engine
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look, name="memory-watch", daemon=True)
        self.peak = self.engine_peak = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._done.wait(0.1):
            try:
                figures = {pid: memory_bytes(pid) for pid in self._pids()}
                self.peak = max(self.peak, sum(figures.values()))
                self.engine_peak = max(self.engine_peak, figures.get(self._engine(), 0))
            except (psutil.Error, IndexError, AssertionError):  # a process came or went in between
                continue
