"""What this machine has for models: memory that could be used without swapping, GPUs, and what its CPU can do."""

from __future__ import annotations

import math
import mmap
import os
import platform
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psutil

from jupyter_uml.loader.memory.cgroups import Cgroup, cgroup_of
from jupyter_uml.loader.memory.cpu_quota import cpu_quota

PROCESS_BYTES = 52 << 20  # a worker without a model: Python, numpy and llama.cpp
_SMALL_MODEL = 64 << 20  # bytes; below this a second thread costs more than it brings
_CLOCK_SECONDS = 2.0  # a clock that is set moves the times at which processes seem to have been started
_CPUINFO, _ZONES = Path("/proc/cpuinfo"), Path("/proc/zoneinfo")
_CPU_LIST = re.compile(r"^\s+count:\s+(\d+)", re.MULTILINE)
_AVX2 = {"Q4_0": 8, "Q4_K": 8, "IQ4_NL": 8, "MXFP4": 8}
_DOT = {"Q4_0": 4, "Q8_0": 4, "IQ4_NL": 4, "MXFP4": 4, "Q1_0": 4, "Q4_K": 8, "Q5_K": 8, "Q6_K": 8}
# What ggml-cpu keeps in another order for a feature of the CPU: type → rows that are interleaved.
_REPACKING: dict[str, dict[str, int]] = {
    "avx2": _AVX2,
    "avx512f": _AVX2 | {"Q2_K": 8},
    "amx_int8": dict.fromkeys(("Q4_0", "Q4_1", "Q8_0", "Q4_K", "Q5_K", "Q6_K", "IQ4_XS"), 32),
    "asimddp": _DOT,
}


@dataclass(frozen=True, slots=True)
class Gpu:
    """A device as llama.cpp names it, and its memory in bytes."""

    name: str
    total: int
    free: int


@dataclass(frozen=True, slots=True)
class Machine:
    """`ram_available`: bytes without swapping, less what others have been promised. `process`: of an empty worker."""

    ram_total: int
    ram_available: int
    gpus: tuple[Gpu, ...] = ()
    features: frozenset[str] = frozenset()
    process: int = PROCESS_BYTES
    name: str = "unknown"

    @property
    def gpu_free(self) -> int:
        return sum(gpu.free for gpu in self.gpus)

    @property
    def repacking(self) -> Mapping[str, int]:
        """Quantised types that are computed in another order than they are stored in → rows of one group."""
        known: dict[str, int] = {}
        for feature, types in _REPACKING.items():
            if feature in self.features:
                known = {**known, **{name: min(rows, known.get(name, rows)) for name, rows in types.items()}}
        return known


def this_machine(promised: int = 0, gpus: tuple[Gpu, ...] = (), process: int = PROCESS_BYTES) -> Machine:
    """The machine as it is now. `promised`: bytes as `untouched` counts them; negative where some will come free."""
    total = total_memory()
    available = min(total, max(0, available_memory() - promised))
    return Machine(total, available, gpus, cpu_features(), process, machine_name())


def untouched(workers: Iterable[tuple[int, int]]) -> int:
    """Bytes that workers will still take: for each what was promised to it, less what it has taken already."""
    return sum(max(0, promised - taken) for promised, taken in workers)


def started_at(pid: int) -> float | None:
    """When a process was started, in seconds since 1970; None: it is gone. Tells it from a later one of that number."""
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except psutil.Error:
        return None


def is_running(pid: int, started: float) -> bool:
    """Whether there is a process of that number which was started then."""
    now = started_at(pid)
    return now is not None and abs(now - started) <= _CLOCK_SECONDS


def private_bytes(pid: int, started: float) -> int | None:
    """Bytes of RAM that come free when this process ends; None: it has ended.

    Without pages of files, which count as available even while they are in use.
    """
    if not is_running(pid, started):
        return None
    try:
        process = psutil.Process(pid)
        memory = process.memory_info()
        if sys.platform == "linux":
            return max(0, int(memory.rss) - int(memory.shared))
        return int(memory.private if sys.platform == "win32" else process.memory_full_info().uss)
    except psutil.Error:
        return None


def peak_resident(pid: int) -> int | None:
    """Bytes of a process's resident memory at its highest so far, or now where only that is known; None: it is gone."""
    try:
        memory = psutil.Process(pid).memory_info()
        return max(int(getattr(memory, "peak_wset", 0)), _high_water(pid), int(memory.rss))
    except psutil.Error:
        return None


def available_memory() -> int:
    """Bytes that could be allocated without swapping: the machine's, or less where a cgroup (a container) says so."""
    machine = int(psutil.virtual_memory().available) + _in_cpu_lists()
    return min([machine, *(group.available for group in _cgroups())])


def total_memory() -> int:
    """Bytes of the machine, or of the cgroup where that is less."""
    return min([int(psutil.virtual_memory().total), *(group.limit for group in _cgroups())])


def default_threads(size_bytes: int) -> int:
    """One thread a physical core that this process may use, as far as control groups grant it the time for them; one
    for a model so small that threads only wait."""
    if size_bytes < _SMALL_MODEL:
        return 1
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = cpu_quota()
    granted = allowed if quota is None else math.ceil(quota)  # more are held back again and again
    return max(1, min(psutil.cpu_count(logical=False) or allowed, allowed, granted))


@cache
def cpu_features() -> frozenset[str]:
    """As Linux names them; elsewhere what every such machine of the last ten years has."""
    try:
        lines = _CPUINFO.read_text().splitlines()
    except OSError:
        return frozenset({"asimddp"} if platform.machine().lower() in {"arm64", "aarch64"} else {"avx2"})
    said = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return frozenset(said.partition(":")[2].split())


@cache
def machine_name() -> str:
    """Tells machines of one home folder apart, as far as memory depends on them."""
    gigabytes = round(psutil.virtual_memory().total / (1 << 30))
    return f"{sys.platform} {platform.machine()} {os.cpu_count()} CPUs {gigabytes} GiB"


def _high_water(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:  # not Linux, or just gone
        return 0
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM:")), 0)


def _in_cpu_lists() -> int:
    """Bytes of free pages that each CPU keeps at hand. Linux does not count them as available, but takes them.

    Since Linux 6.7 an eighth of the memory may be there for many seconds after a process has ended.
    """
    try:
        return mmap.PAGESIZE * sum(map(int, _CPU_LIST.findall(_ZONES.read_text())))
    except OSError:  # not Linux
        return 0


def _cgroups() -> list[Cgroup]:
    return cgroup_of() if sys.platform == "linux" else []
