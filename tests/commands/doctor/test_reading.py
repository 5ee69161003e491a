"""How facts are read: from made-up trees of /sys, /proc and /dev, and from this machine."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from jupyter_uml.commands.doctor.card_facts import find_cards
from jupyter_uml.commands.doctor.facts import Folder
from jupyter_uml.commands.doctor.folder_facts import look_at
from jupyter_uml.commands.doctor.machine_facts import limits, memory, processor
from jupyter_uml.commands.doctor.server_facts import find_workers

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="Linux' way to tell")


def device(root: Path, slot: str, vendor: str, kind: str, model: str = "0x27b8") -> Path:
    folder = root / "sys/bus/pci/devices" / slot
    folder.mkdir(parents=True)
    for name, content in (("vendor", vendor), ("class", kind), ("device", model)):
        (folder / name).write_text(f"{content}\n")
    return folder


def file(path: Path, content: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


@linux_only
class TestCards:
    def test_those_that_compute_are_told_by_vendor_name_and_driver(self, tmp_path: Path) -> None:
        device(tmp_path, "0000:41:00.0", "0x10de", "0x030200")
        device(tmp_path, "0000:42:00.0", "0x1002", "0x030000", "0x744c")
        device(tmp_path, "0000:00:02.0", "0x8086", "0x030000", "0x46a6")
        file(tmp_path / "proc/driver/nvidia/gpus/0000:41:00.0/information", "Model: \t\t NVIDIA L4\nIRQ: 7\n")
        file(tmp_path / "dev/nvidia0")
        intel, nvidia, amd = find_cards(tmp_path)
        assert (nvidia.vendor, nvidia.name, nvidia.driver) == ("NVIDIA", "NVIDIA L4", True)
        assert (amd.vendor, amd.name, amd.driver) == ("AMD", "AMD GPU (1002:744c)", False)
        assert (intel.vendor, intel.integrated, nvidia.integrated) == ("Intel", True, False)

    def test_what_only_shows_a_picture_or_is_no_display_does_not_count(self, tmp_path: Path) -> None:
        device(tmp_path, "0000:02:00.0", "0x1a03", "0x030000")  # of a server's console
        device(tmp_path, "0000:03:00.0", "0x10de", "0x040300")  # sound
        assert find_cards(tmp_path) == ()

    def test_a_small_gpu_of_amd_is_part_of_the_cpu(self, tmp_path: Path) -> None:
        folder = device(tmp_path, "0000:05:00.0", "0x1002", "0x030000")
        (folder / "mem_info_vram_total").write_text(str(512 << 20))
        assert [card.integrated for card in find_cards(tmp_path)] == [True]

    def test_linux_in_windows(self, tmp_path: Path) -> None:
        file(tmp_path / "dev/dxg")
        assert find_cards(tmp_path) == ()
        file(tmp_path / "usr/lib/wsl/lib/libcuda.so.1")
        assert [card.vendor for card in find_cards(tmp_path)] == ["NVIDIA"]


class TestFolders:
    def test_one_that_is_there(self, tmp_path: Path) -> None:
        found = look_at(Folder("models", str(tmp_path), locks=True))
        assert (found.exists, found.readable, found.writable) == (True, True, True)
        assert 0 < found.free <= found.total
        assert found.locks is (None if sys.platform == "win32" else True)
        assert list(tmp_path.iterdir()) == []

    def test_one_that_is_not_has_the_room_of_the_one_above(self, tmp_path: Path) -> None:
        found = look_at(Folder("models", str(tmp_path / "a" / "b"), locks=True))
        assert not found.exists
        assert found.total == look_at(Folder("models", str(tmp_path))).total
        assert found.locks is None

    @pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="to root all is open")
    def test_one_that_is_closed(self, tmp_path: Path) -> None:
        closed = tmp_path / "closed"
        closed.mkdir(mode=0)
        assert not look_at(Folder("models", str(closed))).readable


def test_this_machine() -> None:
    cpu, ram, limit = processor(), memory(), limits()
    assert cpu.name
    assert 1 <= cpu.threads <= cpu.allowed
    assert 0 < ram.available <= ram.ram
    assert limit.files is None or limit.files > 0
    assert all(worker.memory > 0 for worker in find_workers())
