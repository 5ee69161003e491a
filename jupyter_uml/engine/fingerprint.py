"""The SHA-256 of a model's file, computed once."""

from __future__ import annotations

import hashlib
import logging
import re
from contextlib import suppress
from pathlib import Path

from jupyter_uml.engine.atomic_file import replacing

SMALL_FILE = 64 << 20  # bytes: read in a twentieth of a second

log = logging.getLogger(__name__)


def file_sha256(path: Path, cache_folder: Path) -> str:
    """The file's SHA-256 in hexadecimal, remembered in `cache_folder` until the file changes.

    A gigabyte takes one to three seconds the first time.

    Raises:
        OSError: the file cannot be read. A cache that cannot be read or written is passed over.
    """
    memory, version = _memory(path, cache_folder), _version(path)
    remembered = _recall(memory, version)
    if remembered is not None:
        return remembered
    digest = _digest(path)
    if _version(path) == version:  # else it changed meanwhile: no number that we have says what the digest is of
        _remember(memory, version, digest)
    return digest


def known_sha256(path: Path, cache_folder: Path | None) -> str | None:
    """As `file_sha256`, at once or not at all: of a file that is small, or that was read before.

    Raises:
        OSError: as `file_sha256`.
    """
    if cache_folder is not None and (remembered := _recall(_memory(path, cache_folder), _version(path))):
        return remembered
    if path.stat().st_size > SMALL_FILE:
        return None
    return file_sha256(path, cache_folder) if cache_folder else _digest(path)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _memory(path: Path, cache_folder: Path) -> Path:
    return cache_folder / f"{hashlib.sha256(bytes(path.resolve())).hexdigest()[:40]}.sha256"


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
