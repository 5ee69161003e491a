"""Room for saved states: the files used longest ago go first, of whatever model and whichever process wrote them."""

from __future__ import annotations

import errno
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from jupyter_uml.engine.atomic_file import TEMPORARY

SUFFIX = ".kv"
STALE_SECONDS = 300.0  # after which a temporary file that did not grow is a killed process's


class Occupied(NamedTuple):
    """A file; `used`: its modification time in seconds since 1970, which every use renews."""

    used: float
    size: int
    path: Path

    @property
    def stale(self) -> bool:
        return self.path.suffix == TEMPORARY and self.used < time.time() - STALE_SECONDS


def files_below(root: Path) -> Iterator[Occupied]:
    """The files of all models."""
    for folder in _entries(root):
        if folder.is_dir(follow_symlinks=False):
            for entry in _entries(Path(folder.path)):
                with suppress(OSError):  # removed in between
                    status = entry.stat(follow_symlinks=False)
                    yield Occupied(status.st_mtime, status.st_size, Path(entry.path))


def make_room(root: Path, size: int, limit: int) -> int:
    """Delete files until `size` more bytes are within `limit`, and on the disk. Returns the bytes that stay occupied.

    Raises:
        OSError: the disk has no room for as much, even without all these files.
    """
    files = sorted(file for file in files_below(root) if not _removed(file, file.stale))
    total = sum(file.size for file in files)
    limit = min(limit, total + shutil.disk_usage(root).free)
    if size > limit:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    for file in files:
        if _removed(file, file.path.suffix == SUFFIX and total + size > limit):
            total -= file.size
    return total


def _removed(file: Occupied, needless: bool) -> bool:
    if needless:
        with suppress(OSError):
            file.path.unlink(missing_ok=True)
            return True
    return False


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []
