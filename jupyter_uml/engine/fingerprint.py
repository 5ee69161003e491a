"""The SHA-256 of a model's file, computed once."""

from __future__ import annotations

import hashlib
import logging
import re
from contextlib import suppress
from pathlib import Path

from jupyter_uml.engine.atomic_file import replacing

log = logging.getLogger(__name__)


def file_sha256(path: Path, cache_folder: Path) -> str:
    """The file's SHA-256 in hexadecimal, remembered in `cache_folder` until the file changes.

    A gigabyte takes one to three seconds the first time.

    Raises:
        OSError: the file cannot be read. A cache that cannot be read or written is passed over.
    """
    path = path.resolve()
    memory = cache_folder / f"{hashlib.sha256(bytes(path)).hexdigest()[:40]}.sha256"
    version = _version(path)
    remembered = _recall(memory, version)
    if remembered is not None:
        return remembered
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if _version(path) == version:  # else it changed meanwhile: no number that we have says what the digest is of
        _remember(memory, version, digest)
    return digest


def _version(path: Path) -> str:
    """Other numbers, other content. `touch` alone costs a computation, which is the safe side."""
    status = path.stat()
    return f"{status.st_size} {status.st_mtime_ns} {status.st_ino}"


def _recall(memory: Path, version: str) -> str | None:
    with suppress(OSError, UnicodeDecodeError):
        written, _, digest = memory.read_text(encoding="ascii").rpartition(" ")
        if written == version and re.fullmatch("[0-9a-f]{64}", digest):
            return digest
    return None


def _remember(memory: Path, version: str, digest: str) -> None:
    try:
        with replacing(memory) as file:
            file.write(f"{version} {digest}".encode("ascii"))
    except OSError as error:
        log.warning("The model's checksum cannot be remembered (%s).", error.strerror)
