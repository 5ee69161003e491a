"""Memory that there is: of the machine, within its control groups, and not promised to others."""

from __future__ import annotations

import mmap
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from jupyter_uml.loader.memory import machine
from jupyter_uml.loader.memory.cgroups import Cgroup, cgroup_of
from jupyter_uml.loader.memory.machine import Machine, default_threads, peak_resident, this_machine, untouched

MIB = 1 << 20


def write(folder: Path, **files: object) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_text(f"{content}\n")


def own(folder: Path, *lines: str) -> Path:
    path = folder / "own"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_version_2_with_limits_on_the_way_up(tmp_path: Path) -> None:
    root = tmp_path / "cgroup"
    write(root, memory__max=1000 * MIB, memory__current=200 * MIB)
    write(root / "user.slice", memory__max="max", memory__current=5)
    write(
        root / "user.slice/app",
        memory__max=100 * MIB,
        memory__current=90 * MIB,
        memory__stat="anon 1\ninactive_file 50\nactive_file 7",
    )
    groups = cgroup_of(root, own(tmp_path, "0::/user.slice/app"))
    assert groups == [Cgroup(100 * MIB, 90 * MIB, 57), Cgroup(1000 * MIB, 200 * MIB, 0)]
    assert [group.available for group in groups] == [10 * MIB + 57, 800 * MIB]


def test_a_limit_beyond_which_processes_are_held_up_counts_as_one(tmp_path: Path) -> None:
    root = tmp_path / "cgroup"
    write(root, memory__max="max", memory__high=100 * MIB, memory__current=30 * MIB)
    write(root / "pod", memory__max=400 * MIB, memory__high=300 * MIB, memory__current=0)
    write(root / "pod/c", memory__max=400 * MIB, memory__high="max", memory__current=0)
    groups = cgroup_of(root, own(tmp_path, "0::/pod/c"))
    assert [group.limit // MIB for group in groups] == [400, 300, 100]


def test_version_1_beside_an_empty_version_2(tmp_path: Path) -> None:
    root = tmp_path / "cgroup"
    names = {"memory__limit_in_bytes": 64 * MIB, "memory__usage_in_bytes": 80 * MIB}
    write(root / "memory/docker/1f", **names, memory__stat=f"inactive_file 1\ntotal_inactive_file {30 * MIB}")
    write(root / "memory", memory__limit_in_bytes=9223372036854771712, memory__usage_in_bytes=80 * MIB)
    groups = cgroup_of(root, own(tmp_path, "5:cpu,cpuacct:/docker/1f", "4:memory:/docker/1f", "0::/"))
    assert groups == [Cgroup(64 * MIB, 80 * MIB, 30 * MIB)]
    assert groups[0].available == 14 * MIB


def test_in_a_container_the_path_is_that_of_the_host(tmp_path: Path) -> None:
    root = tmp_path / "cgroup"
    write(root, memory__max=10 * MIB, memory__current=20 * MIB)
    groups = cgroup_of(root, own(tmp_path, "0::/kubepods/pod7"))
    assert [group.available for group in groups] == [0]


@pytest.mark.parametrize("line", ["", "0", "0::/../../etc", "nonsense", "4:memory", "0::" + "/a" * 5000])
def test_odd_lines_mean_no_limit_or_the_root(line: str, tmp_path: Path) -> None:
    assert cgroup_of(tmp_path / "cgroup", own(tmp_path, line)) == []
    assert cgroup_of(tmp_path / "cgroup", tmp_path / "missing") == []


def test_the_smallest_limit_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_cgroups", lambda: [Cgroup(900 * MIB, 100 * MIB, 0), Cgroup(500 * MIB, 400 * MIB, 0)])
    assert machine.available_memory() == 100 * MIB
    assert machine.total_memory() == 500 * MIB
    assert this_machine(promised=30 * MIB).ram_available == 70 * MIB
    assert this_machine(promised=300 * MIB).ram_available == 0


def test_this_machine_has_memory_and_no_swap_is_counted() -> None:
    here = this_machine()
    assert 0 < here.ram_available <= psutil.virtual_memory().available + psutil.virtual_memory().total // 6
    assert here.ram_available < here.ram_total <= psutil.virtual_memory().total
    assert here.features
    assert here.name == this_machine().name


def test_free_pages_that_a_cpu_keeps_at_hand_are_available(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zones = tmp_path / "zoneinfo"
    monkeypatch.setattr(machine, "_ZONES", zones)
    assert machine._in_cpu_lists() == 0
    zones.write_text(
        "Node 0, zone   Normal\n  pages free     5\n        high     7\n  pagesets\n    cpu: 0\n"
        "              count:    12076\n              high:     23346\n    cpu: 1\n              count: 24\n"
    )
    assert machine._in_cpu_lists() == 12100 * mmap.PAGESIZE


def test_promises_count_until_they_are_kept() -> None:
    assert untouched([(100, 30), (50, 80), (10, 0)]) == 80
    assert untouched([]) == 0


@pytest.mark.parametrize(
    ("features", "repacked", "kept"),
    [
        ({"avx2"}, {"Q4_0", "Q4_K", "IQ4_NL"}, {"Q8_0", "Q6_K", "F16"}),
        ({"avx2", "avx512f"}, {"Q4_0", "Q2_K"}, {"Q8_0"}),
        ({"avx2", "avx512f", "amx_int8"}, {"Q4_0", "Q8_0", "Q6_K"}, {"F16"}),
        ({"asimddp"}, {"Q4_0", "Q8_0", "Q6_K"}, {"F16", "Q2_K"}),
        ({"sse4_2"}, set(), {"Q4_0"}),
    ],
)
def test_what_a_cpu_keeps_in_another_order(features: set[str], repacked: set[str], kept: set[str]) -> None:
    known = Machine(1, 1, features=frozenset(features)).repacking
    assert repacked <= set(known)
    assert not kept & set(known)


def test_the_peak_of_a_process_stays_when_its_memory_is_given_back() -> None:
    code = "b = bytearray(64 << 20); del b; print(flush=True); input()"
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        peak, now = peak_resident(process.pid), psutil.Process(process.pid).memory_info().rss
        process.stdin.write(b"\n")
        process.stdin.close()
    assert peak is not None
    assert peak > 64 * MIB > now
    assert peak_resident(process.pid) is None


@pytest.mark.parametrize(("quota", "expected"), [(None, 8), (16.0, 8), (3.0, 3), (1.5, 2), (0.25, 1)])
def test_no_more_threads_than_control_groups_grant_time_for(
    quota: float | None, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "cpu_quota", lambda: quota)
    monkeypatch.setattr(psutil, "cpu_count", lambda logical=True: 16 if logical else 8)
    monkeypatch.setattr(machine.os, "sched_getaffinity", lambda _: set(range(16)), raising=False)
    assert default_threads(8 << 30) == expected
    assert default_threads(1 << 20) == 1
