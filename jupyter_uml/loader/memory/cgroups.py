"""The memory limits that a container, or a service of systemd, sets on this process: control groups, version 1 or 2."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_MOUNT = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")
_UNLIMITED = 1 << 60  # version 1 writes a number near 2 ** 63


@dataclass(frozen=True, slots=True)
class Cgroup:
    """Bytes. `reclaimable`: pages of files, which count as used and are given up on demand."""

    limit: int
    used: int
    reclaimable: int

    @property
    def available(self) -> int:
        return max(0, self.limit - max(0, self.used - self.reclaimable))


@dataclass(frozen=True, slots=True)
class _Names:
    limits: tuple[str, ...]  # the lowest one counts
    used: str
    reclaimable: tuple[str, ...]  # rows of memory.stat


# Used lately or not: what the machine as a whole calls available has both, and workers are known by what they map.
# Beyond memory.high a process is not killed, but held up until almost nothing of it runs any more.
_V2 = _Names(("memory.max", "memory.high"), "memory.current", ("inactive_file", "active_file"))
_V1 = _Names(("memory.limit_in_bytes",), "memory.usage_in_bytes", ("total_inactive_file", "total_active_file"))


def cgroup_of(mount: Path = _MOUNT, own: Path = _OWN) -> list[Cgroup]:
    """The groups with a limit that this process is in, each within the next one: all the limits hold."""
    return [group for folder, names in _folders(mount, own) if (group := _read(folder, names)) is not None]


def _folders(mount: Path, own: Path) -> Iterator[tuple[Path, _Names]]:
    """From the process's own group up to the root. In a container the path may not be there: then only the root is."""
    for controllers, path in _entries(own):
        if "memory" in controllers:
            root, names = mount / "memory", _V1
        elif controllers == [""]:
            root, names = mount, _V2
        else:
            continue
        folder = root / path.lstrip("/")
        yield from ((place, names) for place in (folder, *folder.parents) if place.is_relative_to(root))


def _entries(own: Path) -> Iterator[tuple[list[str], str]]:
    """Lines such as `0::/user.slice` (version 2) and `4:memory:/docker/1f` (version 1)."""
    try:
        lines = own.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if ".." not in path.split("/"):
            yield controllers.split(","), path


def _read(folder: Path, names: _Names) -> Cgroup | None:
    limits = [number for name in names.limits if (number := _number(folder / name)) is not None]
    limit, used = min(limits, default=None), _number(folder / names.used)
    if limit is None or used is None or limit >= _UNLIMITED:
        return None
    return Cgroup(limit, used, _sum(folder / "memory.stat", names.reclaimable))


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):  # not there, or "max": no limit
        return None


def _sum(path: Path, names: tuple[str, ...]) -> int:
    try:
        rows = dict(line.split(maxsplit=1) for line in path.read_text().splitlines())
        return sum(int(rows.get(name, 0)) for name in names)
    except (OSError, ValueError):
        return 0
