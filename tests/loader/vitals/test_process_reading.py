"""What the system says of a process."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import psutil
import pytest

from jupyter_uml.loader.vitals.process_reading import ProcessReader, resident_bytes

NOBODY = 2**22 + 1  # beyond the largest pid of Linux


def test_memory_of_a_process_and_of_one_that_is_gone() -> None:
    assert (resident_bytes(os.getpid()) or 0) > 1 << 20
    assert resident_bytes(NOBODY) is None
    assert list(ProcessReader().read([os.getpid(), NOBODY])) == [os.getpid()]


def test_the_cpu_is_that_of_the_time_between_two_readings() -> None:
    reader, me = ProcessReader(), os.getpid()
    assert reader.read([me])[me].cpu_percent == 0
    begin = time.process_time()
    while time.process_time() - begin < 0.2:
        pass
    assert reader.read([me])[me].cpu_percent > 10


@pytest.mark.skipif(sys.platform != "linux", reason="told by /proc")
def test_what_is_read_from_and_written_to_a_disk_moves_a_figure(tmp_path: Path) -> None:
    if "tmpfs" in {
        part.fstype for part in psutil.disk_partitions(all=True) if tmp_path.is_relative_to(part.mountpoint)
    }:
        pytest.skip("no disk below the folder for temporary files")
    reader, me = ProcessReader(), os.getpid()
    before = reader.read([me])[me].disk
    with (tmp_path / "file").open("wb") as file:
        file.write(bytes(1 << 20))
        file.flush()
        os.fsync(file.fileno())
    assert reader.read([me])[me].disk > before
