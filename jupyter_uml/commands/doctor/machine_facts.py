"""Reads what the machine is: its CPU, its memory and its limits on processes."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path

import psutil

from jupyter_uml.commands.doctor.facts import Limits, Memory, Processor
from jupyter_uml.loader.memory.cgroups import cgroup_of
from jupyter_uml.loader.memory.cpu_quota import cpu_quota
from jupyter_uml.loader.memory.machine import available_memory, cpu_features, default_threads

_LARGE_MODEL = 8 << 30  # bytes
_CPUINFO = Path("/proc/cpuinfo")
_OVERCOMMIT = Path("/proc/sys/vm/overcommit_memory")


def processor() -> Processor:
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Processor(
        name=_name(),
        architecture=platform.machine(),
        features=cpu_features(),
        cores=psutil.cpu_count(logical=False) or allowed,
        allowed=allowed,
        quota=cpu_quota() if sys.platform == "linux" else None,
        threads=default_threads(_LARGE_MODEL),
    )


def memory(swapped_in: float = 0.0) -> Memory:
    limits = [group.limit for group in cgroup_of()] if sys.platform == "linux" else []
    swap = psutil.swap_memory()
    return Memory(
        ram=int(psutil.virtual_memory().total),
        available=available_memory(),
        limit=min(limits, default=None),
        swap=int(swap.total),
        swap_used=int(swap.used),
        swapped_in=swapped_in,
        strict=_text(_OVERCOMMIT).strip() == "2",
    )


def swapped_in() -> int:
    """Bytes since the machine was started that came back from swap."""
    return int(psutil.swap_memory().sin)


def limits() -> Limits:
    if sys.platform == "win32":
        return Limits()
    import resource

    def soft(which: int) -> int | None:
        value = resource.getrlimit(which)[0]
        return None if value == resource.RLIM_INFINITY else value

    return Limits(soft(resource.RLIMIT_NOFILE), soft(resource.RLIMIT_AS), soft(resource.RLIMIT_DATA))


def _name() -> str:
    rows = (line.partition(":") for line in _text(_CPUINFO).splitlines())
    said = {name.strip(): value.strip() for name, _, value in rows}
    return said.get("model name") or platform.processor() or platform.machine()


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
