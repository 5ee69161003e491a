"""What a process takes of the machine, as the system counts it."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import psutil

_MAJOR_FAULTS = 9  # place in /proc/<pid>/stat after the name (proc_pid_stat(5), where it is the 12th)


@dataclass(frozen=True, slots=True)
class Reading:
    """`disk`: moves while the process waits for a disk; always 0 where this is not known."""

    resident: int  # bytes, mapped weights included
    cpu_seconds: float
    cpu_percent: float  # of one core, since the reading before
    disk: int


class ProcessReader:
    """Reads processes again and again. To be called by one thread at a time."""

    def __init__(self) -> None:
        self._last: dict[int, tuple[float, float]] = {}  # pid → when, CPU seconds

    def read(self, pids: Collection[int]) -> dict[int, Reading]:
        """By pid; those that are gone are left out."""
        readings = {pid: reading for pid in pids if (reading := self._read(pid)) is not None}
        self._last = {pid: last for pid, last in self._last.items() if pid in readings}
        return readings

    def _read(self, pid: int) -> Reading | None:
        try:
            process = psutil.Process(pid)
            with process.oneshot():
                times, resident = process.cpu_times(), int(process.memory_info().rss)
        except psutil.Error:
            return None
        now, cpu = time.monotonic(), times.user + times.system
        then, before = self._last.get(pid, (now, cpu))
        self._last[pid] = now, cpu
        percent = 100 * max(0.0, cpu - before) / (now - then) if now > then else 0.0
        return Reading(resident, cpu, percent, _disk(pid))


def resident_bytes(pid: int) -> int | None:
    """Resident memory of a process, mapped weights included; None when it is gone."""
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return None


def _disk(pid: int) -> int:
    """Pages of mapped files that it waited for, and bytes that it read and wrote."""
    folder = Path("/proc", str(pid))
    try:
        faults = int((folder / "stat").read_text().rpartition(")")[2].split()[_MAJOR_FAULTS])
        lines = (folder / "io").read_text().splitlines()
    except (OSError, ValueError, IndexError):  # not Linux, or just gone
        return 0
    return faults + sum(int(line.split()[1]) for line in lines if line.startswith(("read_bytes:", "write_bytes:")))
