"""A folder of small files that is never larger than it may be, and that costs nobody anything when it fails.

Many kernels use it at the same time: a file is there as a whole or not at all, and one that another kernel has just
deleted is one that is not there. What was used longest ago goes first.
"""

from __future__ import annotations

import logging
import os
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

ABANDONED_SECONDS = 600.0  # after which a file that nobody finished is of a process that was killed
LOOK_EVERY = 64  # files that this process wrote, before it looks what others have
_TEMPORARY, _ENDING = ".tmp", ".entry"

log = logging.getLogger(__name__)


class BoundedFolder:
    """`open_folder` makes the folder and says where it is. `max_bytes`: of all files; of one, a sixteenth of it."""

    def __init__(self, open_folder: Callable[[], Path], max_bytes: int) -> None:
        self._open, self._max_bytes = open_folder, max_bytes
        self._unseen = LOOK_EVERY  # bytes are not known yet
        self._bytes = 0

    @property
    def path(self) -> Path:
        """Raises OSError: it is not there and cannot be made."""
        return self._open()

    def get(self, name: str) -> bytes | None:
        """What was put in under this name; None where it is not there, or not as it was written."""
        with suppress(OSError):
            path = self._path(name)
            checksum, _, content = path.read_bytes().partition(b"\n")
            if checksum.decode(errors="replace") == sha256(content).hexdigest():
                with suppress(OSError):
                    os.utime(path)  # used just now
                return content
            path.unlink()
        return None

    def put(self, name: str, content: bytes) -> bool:
        """Whether it is kept: not where it is too large, or where the disk takes nothing."""
        if len(content) > self._max_bytes // 16:
            return False
        try:
            self._write(self._path(name), sha256(content).hexdigest().encode() + b"\n" + content)
        except OSError as error:
            log.debug("%s takes nothing (%s)", name, error.strerror)
            return False
        return True

    def drop(self, name: str) -> None:
        with suppress(OSError):
            self._path(name).unlink()

    def clear(self) -> int:
        """Delete all of it; how many files there were.

        Raises:
            OSError: some cannot be deleted.
        """
        found = self._files()
        for file in found:
            file.path.unlink(missing_ok=True)
        self._bytes = 0
        return len(found)

    def size(self) -> tuple[int, int]:
        """Files, and bytes of them.

        Raises:
            OSError: the folder cannot be read.
        """
        found = self._files()
        return len(found), sum(file.size for file in found)

    def _path(self, name: str) -> Path:
        return self._open() / f"{sha256(name.encode()).hexdigest()[:40]}{_ENDING}"

    def _write(self, path: Path, content: bytes) -> None:
        handle, temporary = tempfile.mkstemp(suffix=_TEMPORARY, dir=path.parent)  # only its owner may read it
        try:
            with open(handle, "wb") as file:
                file.write(content)
            os.replace(temporary, path)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary)
            raise
        self._bytes += len(content)
        self._unseen += 1
        if self._unseen >= LOOK_EVERY or self._bytes > self._max_bytes:
            self._make_room()

    def _make_room(self) -> None:
        """Down to seven eighths, so that it is not done for every file."""
        found = sorted(self._files(), key=lambda file: file.used)
        self._unseen, self._bytes = 0, sum(file.size for file in found)
        for file in found:
            if self._bytes <= self._max_bytes - self._max_bytes // 8:
                return
            with suppress(OSError):
                file.path.unlink(missing_ok=True)
            self._bytes -= file.size

    def _files(self) -> list[_File]:
        """All entries there are; what killed processes left is deleted."""
        found = []
        with os.scandir(self._open()) as listing:
            for entry in listing:
                with suppress(FileNotFoundError):
                    status = entry.stat(follow_symlinks=False)
                    if entry.name.endswith(_ENDING):
                        found.append(_File(Path(entry.path), status.st_size, status.st_mtime_ns))
                    elif entry.name.endswith(_TEMPORARY) and time.time() - status.st_mtime > ABANDONED_SECONDS:
                        os.unlink(entry.path)
        return found


class _File(NamedTuple):
    path: Path
    size: int  # bytes
    used: int  # nanoseconds since 1970
