"""How much time on the CPUs a container, or a service of systemd, may take: control groups, version 1 or 2."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

_MOUNT = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")


def cpu_quota(mount: Path = _MOUNT, own: Path = _OWN) -> float | None:
    """CPUs' worth of time that this process may take, by the strictest of its groups; None: as much as there is."""
    return min((quota for folder in _folders(mount, own) if (quota := _quota(folder)) is not None), default=None)


def _folders(mount: Path, own: Path) -> Iterator[Path]:
    """From the process's own group up to the root. In a container the path may not be there: then only the root is."""
    try:
        lines = own.read_text().splitlines()
    except OSError:  # not Linux
        return
    for line in lines:
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        named = controllers.split(",")
        root = mount / "cpu" if "cpu" in named else mount
        if ("cpu" in named or not controllers) and ".." not in path.split("/"):
            folder = root / path.lstrip("/")
            yield from (place for place in (folder, *folder.parents) if place.is_relative_to(root))


def _quota(folder: Path) -> float | None:
    """`cpu.max` of version 2 holds two numbers, or `max` and one; version 1 has two files, and −1 for no limit."""
    words = _text(folder / "cpu.max").split()
    if len(words) != 2:
        words = [_text(folder / "cpu.cfs_quota_us").strip(), _text(folder / "cpu.cfs_period_us").strip()]
    try:
        quota, period = int(words[0]), int(words[1])
    except ValueError:  # not there, or no limit
        return None
    return quota / period if quota > 0 and period > 0 else None


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
