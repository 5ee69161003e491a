import os
import subprocess
import sys
import time

import psutil
import pytest

from tests.bench.process_figures import MemoryWatch, cpu_seconds, idle_since, memory_bytes

BUSY_THEN_IDLE = """
import time
while time.process_time() < 0.5:
    pass
print(flush=True)
input()
"""


@pytest.mark.anyio
async def test_rest_begins_when_the_work_ends() -> None:
    command = [sys.executable, "-c", BUSY_THEN_IDLE]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        began = time.perf_counter()
        idle = await idle_since(process.pid, began)
        assert process.stdout is not None
        process.stdout.readline()
        assert cpu_seconds(process.pid) >= 0.5
        assert 0.4 <= idle <= time.perf_counter() - began
        process.communicate(b"\n")


def test_memory_of_this_process() -> None:
    resident = psutil.Process().memory_info().rss
    assert 0.2 * resident < memory_bytes(os.getpid()) <= 1.2 * resident


def test_the_watch_keeps_the_most_it_saw() -> None:
    with MemoryWatch(lambda: [os.getpid()], os.getpid) as watch:
        block = bytearray(64 << 20)
        block[:: 1 << 12] = b"x" * len(block[:: 1 << 12])
        deadline = time.monotonic() + 5
        while watch.peak < 64 << 20 and time.monotonic() < deadline:
            time.sleep(0.05)
        held = watch.peak
        del block
    assert watch.peak >= held >= 64 << 20
    assert watch.engine_peak == watch.peak
