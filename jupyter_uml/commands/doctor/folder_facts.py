"""Looks at the folders in which models lie or something is kept. A disk that hangs is not waited for."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import psutil
from jupyter_core.paths import jupyter_runtime_dir

from jupyter_uml.commands.doctor.facts import Folder
from jupyter_uml.defaults import default_cache_dir, default_state_dir
from jupyter_uml.loader.catalog.stores import hub_cache

SECONDS = 1.5
_NETWORK = set("9p afs beegfs ceph cifs fuse.glusterfs fuse.sshfs gpfs lustre nfs nfs4 smb3 smbfs".split())
_OLLAMA = Path("/usr/share/ollama/.ollama/models")  # of the service; often it alone may read it


def find_folders(models: Sequence[Path]) -> tuple[Folder, ...]:
    """`models`: the folders that are searched; all but the first were configured."""
    places = [
        *(Folder("models", str(path), wanted=number > 0) for number, path in enumerate(models)),
        Folder("pulled models", str(hub_cache(os.environ, Path.home()))),
        *([Folder("Ollama's models", str(_OLLAMA), wanted=True)] if _exists(_OLLAMA) else []),
        Folder("computed prompts", str(default_cache_dir())),
        Folder("what was learned of models", str(default_state_dir())),
        Folder("what servers tell each other", jupyter_runtime_dir(), locks=True),
    ]
    return tuple(_looked_at(places))


def _looked_at(places: Iterable[Folder]) -> Iterator[Folder]:
    """Each in a thread of its own, all at once."""
    looks = [_Look(place) for place in places]
    for look in looks:
        look.start()
    for look in looks:
        look.join(SECONDS)
        yield look.found or replace(look.place, answers=False, total=0, free=0, locks=None)


class _Look(threading.Thread):
    def __init__(self, place: Folder) -> None:
        super().__init__(name=f"look at {place.path}", daemon=True)
        self.place = place
        self.found: Folder | None = None

    def run(self) -> None:
        self.found = look_at(self.place)


def look_at(place: Folder) -> Folder:
    """Where the folder is not there yet, the one above it says how much room there is. Blocks."""
    path = Path(place.path)
    there = next(each for each in (path, *path.parents) if each == each.parent or _exists(each))
    try:
        disk = shutil.disk_usage(there)
        total, free = disk.total, disk.free
    except OSError:
        total = free = 0
    return replace(
        place,
        exists=_exists(path),
        readable=os.access(there, os.R_OK | os.X_OK),
        writable=os.access(there, os.W_OK | os.X_OK),
        total=total,
        free=free,
        network=_network(there),
        locks=_can_lock(there) if place.locks and there == path else None,
    )


def _exists(path: Path) -> bool:
    """Also where only somebody else may look."""
    try:
        path.stat()
    except PermissionError:
        return True
    except OSError:
        return False
    return True


def _network(path: Path) -> str | None:
    """The kind of the file system, where it is one of a network."""
    try:
        real, mounts = path.resolve(), psutil.disk_partitions(all=True)
    except (OSError, RuntimeError):
        return None
    holding = [mount for mount in mounts if real.is_relative_to(mount.mountpoint)]
    kind = max(holding, key=lambda mount: len(mount.mountpoint)).fstype if holding else ""
    return kind if kind in _NETWORK else None


def _can_lock(folder: Path) -> bool | None:
    """None: nothing can be written there, so it is not known."""
    if sys.platform == "win32":
        return None
    import fcntl

    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            return _locked(fcntl.flock, file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return None


def _locked(lock: Callable[[int, int], None], file: int, how: int) -> bool:
    try:
        lock(file, how)
    except OSError:
        return False
    return True
