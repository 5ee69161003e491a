"""Files that are there as a whole or not at all, whenever the process is killed or the power fails."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

TEMPORARY = ".tmp"  # what a killed process leaves behind ends so


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """A new file, readable by its owner only, which takes the place of `path` when the block ends without an error.

    Missing folders are made, for their owner only.

    Raises:
        OSError: no room, no permission, …; `path` is what it was before.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(suffix=TEMPORARY, dir=path.parent)
    try:
        with open(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())  # else a power failure may keep the new name and lose what the file holds
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise
