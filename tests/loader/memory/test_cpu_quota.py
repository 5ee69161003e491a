"""The share of the CPUs that control groups grant, by made-up trees of both versions."""

from __future__ import annotations

from pathlib import Path

from jupyter_uml.loader.memory.cpu_quota import cpu_quota


def tree(root: Path, own: str, files: dict[str, str]) -> tuple[Path, Path]:
    mount, path = root / "cgroup", root / "own"
    path.write_text(own)
    for name, content in files.items():
        (mount / name).parent.mkdir(parents=True, exist_ok=True)
        (mount / name).write_text(content)
    return mount, path


def test_version_2_and_the_strictest_group_counts(tmp_path: Path) -> None:
    files = {"a/b/cpu.max": "max 100000\n", "a/cpu.max": "150000 100000\n", "cpu.max": "400000 100000\n"}
    assert cpu_quota(*tree(tmp_path, "0::/a/b\n", files)) == 1.5


def test_version_1(tmp_path: Path) -> None:
    files = {"cpu/docker/x/cpu.cfs_quota_us": "50000\n", "cpu/docker/x/cpu.cfs_period_us": "100000\n"}
    assert cpu_quota(*tree(tmp_path, "4:memory:/docker/x\n1:cpu,cpuacct:/docker/x\n", files)) == 0.5


def test_a_path_that_the_container_does_not_show_leaves_the_root(tmp_path: Path) -> None:
    assert cpu_quota(*tree(tmp_path, "0::/host/only\n", {"cpu.max": "200000 100000"})) == 2


def test_no_limit(tmp_path: Path) -> None:
    files = {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n", "cpu.max": "nonsense"}
    assert cpu_quota(*tree(tmp_path, "1:cpu:/\n0::/\n", files)) is None
    assert cpu_quota(tmp_path, tmp_path / "nothing") is None
