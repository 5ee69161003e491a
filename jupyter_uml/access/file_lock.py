"""A lock between processes that the system gives back when its holder dies. Where there is none, nobody waits."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

if sys.platform != "win32":
    import fcntl


@contextmanager
def locked(handle: int) -> Iterator[None]:
    """The open file is ours alone among all that lock it."""
    if sys.platform == "win32":
        yield
    else:
        fcntl.flock(handle, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(handle, fcntl.LOCK_UN)


@contextmanager
def locked_path(path: Path) -> Iterator[None]:
    """The same by an empty file, which is made where it is missing and stays."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        with locked(handle):
            yield
    finally:
        os.close(handle)
