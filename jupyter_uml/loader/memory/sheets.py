"""The promises of each server in a file of its own, for the other servers of this user on this machine to read.

A server that was killed cannot take its file back: what belongs to processes that are gone never counts.
"""

from __future__ import annotations

import hashlib
import logging
import os
import platform
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from jupyter_uml.loader.memory.machine import is_running, started_at

LARGEST_FILE = 1 << 20  # bytes; a larger one is not ours
FOREIGN_SECONDS = 30 * 86400.0  # after which a file of another machine is taken for one that nobody will fetch
_NAMESPACE = Path("/proc/self/ns/pid")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Row:
    """A promise. Bytes; `mapped`: those of `ram` that are pages of `file`, which all who map it share.

    `pid`, `created`: the worker and when it was started; None: there is none yet. `loaded`: since when it has all its
    GPU memory; None: it may not have it yet. Times are seconds since 1970.
    """

    model: str
    ram: int
    gpu: int = 0
    mapped: int = 0
    file: str = ""
    pid: int | None = None
    created: float = 0.0
    loaded: float | None = None


@dataclass(frozen=True, slots=True)
class _Sheet:
    server: int  # pid
    created: float
    rows: tuple[Row, ...]


_decoder = msgspec.json.Decoder(_Sheet)


class Sheets:
    """All methods block.

    `place`: a name for this machine, or rather for the processes that see each other's numbers here: a home folder
    may be shared by several machines and containers.
    """

    def __init__(self, folder: Path) -> None:
        self.place = _place()
        self._folder = folder
        self._own = folder / f"{self.place}-{os.getpid()}-{secrets.token_hex(4)}.json"
        self._created = started_at(os.getpid()) or 0.0

    def write(self, rows: Sequence[Row]) -> None:
        """Replace the own file. A disk that does not take it is no reason to fail."""
        try:
            if rows:
                self._replace(msgspec.json.encode(_Sheet(os.getpid(), self._created, tuple(rows))))
            else:
                self._own.unlink(missing_ok=True)
        except OSError as error:
            log.warning("other servers cannot be told what memory is promised here: %s", error.strerror)

    def others(self) -> list[Row]:
        """The rows of all other servers that are running; the files of those that are not are removed."""
        return [row for path in self._paths() for row in self._read(path)]

    def _paths(self) -> Iterator[Path]:
        """Files of this machine."""
        with suppress(OSError):
            for path in self._folder.glob("*-*-*.json"):
                if path.name.startswith(f"{self.place}-") and path != self._own:
                    yield path
                elif path != self._own:
                    _remove_if_forgotten(path)

    def _read(self, path: Path) -> Sequence[Row]:
        try:
            if path.stat().st_size > LARGEST_FILE:
                return ()
            sheet = _decoder.decode(path.read_bytes())
        except OSError:  # just removed
            return ()
        except msgspec.MsgspecError:
            sheet = _Sheet(0, 0.0, ())  # files are there as a whole, so this is none of ours
        if is_running(sheet.server, sheet.created):
            return sheet.rows
        with suppress(OSError):
            path.unlink()
        return ()

    def _replace(self, content: bytes) -> None:
        """Not made to outlive a power failure: then the server is gone, too."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = self._own.with_suffix(".tmp")
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(content)
        os.replace(temporary, self._own)


def _place() -> str:
    namespace = os.readlink(_NAMESPACE) if _NAMESPACE.exists() else ""
    return hashlib.sha256(f"{platform.node()} {namespace}".encode()).hexdigest()[:12]


def _remove_if_forgotten(path: Path) -> None:
    with suppress(OSError):
        if time.time() - path.stat().st_mtime > FOREIGN_SECONDS:
            path.unlink()
