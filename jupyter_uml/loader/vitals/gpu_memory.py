"""Memory of NVIDIA's GPUs by process, asked from the driver's own library (NVML) where there is one.

Interface: https://docs.nvidia.com/deploy/nvml-api/
"""

from __future__ import annotations

import ctypes
import logging
import threading

_LIBRARY = "libnvidia-ml.so.1"
_MOST_PROCESSES = 256  # of one GPU
_UNKNOWN = (1 << 64) - 1  # the driver does not tell

log = logging.getLogger(__name__)


class _ProcessInfo(ctypes.Structure):
    """nvmlProcessInfo_t"""

    _fields_ = (
        ("pid", ctypes.c_uint),
        ("used", ctypes.c_ulonglong),
        ("gpu_instance", ctypes.c_uint),
        ("compute_instance", ctypes.c_uint),
    )


class GpuMemory:
    """Bytes by process. A driver may take long or hang: it is asked on a thread of its own, and nobody waits for it."""

    def __init__(self, library: str = _LIBRARY) -> None:
        self._name = library
        self._library: ctypes.CDLL | None = None
        self._used: dict[int, int] = {}
        self._asking: threading.Thread | None = None
        self._missing = False

    def of(self, pid: int) -> int | None:
        """As of the last `refresh` that has ended; None where the driver knows nothing of this process."""
        return self._used.get(pid)

    def refresh(self) -> None:
        """Ask again, unless that is still going on."""
        if self._missing or (self._asking is not None and self._asking.is_alive()):
            return
        self._asking = threading.Thread(target=self._ask, name="GPU memory", daemon=True)
        self._asking.start()

    def _ask(self) -> None:
        try:
            self._library = self._library or _open(self._name)
            self._used = _used(self._library)
        except (OSError, AttributeError):  # no such driver, or a very old one
            self._missing, self._used = True, {}


def _open(name: str) -> ctypes.CDLL:
    library = ctypes.CDLL(name)
    if library.nvmlInit_v2() != 0:
        raise OSError("NVML cannot be used")
    return library


def _used(library: ctypes.CDLL) -> dict[int, int]:
    """Bytes by pid, all GPUs together."""
    used: dict[int, int] = {}
    devices = ctypes.c_uint()
    library.nvmlDeviceGetCount_v2(ctypes.byref(devices))
    for index in range(devices.value):
        device, count = ctypes.c_void_p(), ctypes.c_uint(_MOST_PROCESSES)
        infos = (_ProcessInfo * _MOST_PROCESSES)()
        if library.nvmlDeviceGetHandleByIndex_v2(index, ctypes.byref(device)) != 0:
            continue
        if library.nvmlDeviceGetComputeRunningProcesses_v3(device, ctypes.byref(count), infos) != 0:
            continue
        for info in infos[: count.value]:
            if info.used != _UNKNOWN:
                used[info.pid] = used.get(info.pid, 0) + info.used
    return used
