"""How much memory there is for a model, here and now."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import psutil

_CGROUP = Path("/sys/fs/cgroup")
_SMALL_MODEL = 64 << 20  # bytes; below this a second thread costs more than it brings


def available_memory() -> int:
    """Bytes that could be allocated without swapping: the machine's, or less where a cgroup (a container) says so."""
    available = int(psutil.virtual_memory().available)
    limit, used = _read("memory.max"), _read("memory.current")
    if limit is not None and used is not None:
        available = min(available, max(0, limit - used + (_reclaimable() or 0)))
    return available


def total_memory() -> int:
    """Bytes of the machine, or of the cgroup where that is less."""
    return min(int(psutil.virtual_memory().total), _read("memory.max") or sys.maxsize)


def default_threads(size_bytes: int) -> int:
    """One thread a physical core that this process may use; one for a model so small that threads only wait."""
    if size_bytes < _SMALL_MODEL:
        return 1
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(psutil.cpu_count(logical=False) or allowed, allowed))


def _read(name: str) -> int | None:
    try:
        return int((_CGROUP / name).read_text())
    except (OSError, ValueError):  # no cgroup v2, or "max": no limit
        return None


def _reclaimable() -> int | None:
    """Page cache of the cgroup, which counts as used but is given up on demand."""
    try:
        rows = dict(line.split() for line in (_CGROUP / "memory.stat").read_text().splitlines())
        return int(rows["inactive_file"])
    except (OSError, ValueError, KeyError):
        return None
