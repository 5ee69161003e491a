"""GPU memory by process, from a driver's library: a small one of our own, which says what NVML would say."""

from __future__ import annotations

import shutil
import subprocess
import threading
from pathlib import Path

import pytest

from jupyter_uml.loader.vitals.gpu_memory import GpuMemory

_DRIVER = r"""
#include <unistd.h>
typedef struct { unsigned pid; unsigned long long used; unsigned gpu, compute; } info;
int nvmlInit_v2(void) { return INIT; }
int nvmlDeviceGetCount_v2(unsigned *count) { *count = 3; return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device) {
    *device = (void *)(long)(index + 1);
    return index == 2;
}
int nvmlDeviceGetComputeRunningProcesses_v3(void *device, unsigned *count, info *infos) {
    if (WAIT) sleep(WAIT);
    infos[0] = (info){7, 1000, 0, 0};
    infos[1] = (info){8, device == (void *)1 ? 500 : -1ull, 0, 0};
    *count = 2;
    return 0;
}
"""


def driver(folder: Path, init: int = 0, wait: int = 0) -> GpuMemory:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler")
    (folder / "driver.c").write_text(_DRIVER)
    library = folder / "libdriver.so"
    options = [f"-DINIT={init}", f"-DWAIT={wait}", "-shared", "-fPIC"]
    subprocess.run([compiler, *options, str(folder / "driver.c"), "-o", str(library)], check=True)
    return GpuMemory(str(library))


def asked(gpu: GpuMemory) -> None:
    gpu.refresh()
    for thread in threading.enumerate():
        if thread.name == "GPU memory":
            thread.join(10)


def test_the_memory_of_a_process_on_all_gpus(tmp_path: Path) -> None:
    gpu = driver(tmp_path)
    assert gpu.of(7) is None, "nobody was asked yet"
    asked(gpu)
    assert gpu.of(7) == 2000
    assert gpu.of(8) == 500, "of one GPU it is not known"
    assert gpu.of(9) is None


def test_a_driver_that_is_not_there_or_cannot_be_used_is_asked_once(tmp_path: Path) -> None:
    for gpu in (GpuMemory("libthere-is-no-such.so"), driver(tmp_path, init=9)):
        asked(gpu)
        gpu.refresh()
        assert "GPU memory" not in [thread.name for thread in threading.enumerate()]
        assert gpu.of(7) is None


def test_nobody_waits_for_a_driver_that_hangs(tmp_path: Path) -> None:
    gpu = driver(tmp_path, wait=1)
    gpu.refresh()
    gpu.refresh()
    assert [thread.name for thread in threading.enumerate()].count("GPU memory") == 1
    assert gpu.of(7) is None
    asked(gpu)
    assert gpu.of(7) == 2000
