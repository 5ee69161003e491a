"""What was once read out of model files, kept on disk under each file's identity."""

from __future__ import annotations

import contextlib
import json
import os
import threading
from pathlib import Path
from typing import Any, NamedTuple, Self

from jupyter_uml.engine.atomic_file import replacing
from jupyter_uml.loader.catalog.file_facts import FileFacts
from jupyter_uml.loader.catalog.gguf_file import BrokenFile

VERSION = 2  # of what is written, and of how files are read
MAX_FILES = 10_000  # of those not asked for any more the oldest are forgotten
_MAX_BYTES = 64 << 20


class Identity(NamedTuple):
    """The same numbers: the same content. Who writes to a file can set its `mtime`, but not its `ctime`."""

    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int = 0

    @classmethod
    def of(cls, stat: os.stat_result) -> Self:
        return cls(stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)


class FoundFile(NamedTuple):
    """A file, as it was when it was looked at."""

    path: Path
    identity: Identity

    @property
    def size(self) -> int:
        return self.identity.size


class FactsCache:
    """Facts, or why there are none, and checksums. With no `path` they are kept in memory only.

    Shared by the servers of one user: each adds what it has read. A file that cannot be read or written costs only
    the time to read models again.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._rows: dict[str, dict[str, Any]] = {}
        self._facts: dict[Identity, FileFacts | BrokenFile] = {}
        self._loaded, self._dirty = path is None, False
        self._loading = threading.Lock()
        self.revision = 0  # counts what was put in

    def facts(self, identity: Identity) -> FileFacts | BrokenFile | None:
        """None: not known yet."""
        known = self._facts.get(identity)
        if known is None and (row := self._known().get(_key(identity))) and (parsed := _parsed(row)):
            known = self._facts[identity] = parsed
        return known

    def sha256(self, identity: Identity) -> str | None:
        return self._known().get(_key(identity), {}).get("sha256")

    def put_facts(self, identity: Identity, facts: FileFacts | BrokenFile) -> None:
        told = {"broken": facts.reason} if isinstance(facts, BrokenFile) else {"facts": facts.to_dict()}
        self._facts[identity] = facts
        self._put(identity, told)

    def put_sha256(self, identity: Identity, sha256: str) -> None:
        self._put(identity, {"sha256": sha256})

    def save(self) -> None:
        """Write what is new. Blocks."""
        if not self._dirty or self._path is None:
            return
        self._dirty = False
        self._rows = _read(self._path) | self._rows
        kept = dict(list(self._rows.items())[-MAX_FILES:])
        with contextlib.suppress(OSError), replacing(self._path) as file:
            file.write(json.dumps({"version": VERSION, "files": kept}).encode())

    def _put(self, identity: Identity, row: dict[str, Any]) -> None:
        key = _key(identity)
        self._rows[key] = self._known().pop(key, {}) | row
        self._dirty = True
        self.revision += 1

    def _known(self) -> dict[str, dict[str, Any]]:
        with self._loading:
            if not self._loaded and self._path is not None:
                self._rows = _read(self._path)
                self._loaded = True
        return self._rows


def _read(path: Path) -> dict[str, dict[str, Any]]:
    try:
        if path.stat().st_size > _MAX_BYTES:
            return {}
        content = json.loads(path.read_bytes())
        rows = content["files"] if content["version"] == VERSION else {}
        return rows if isinstance(rows, dict) else {}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {}


def _parsed(row: dict[str, Any]) -> FileFacts | BrokenFile | None:
    try:
        return BrokenFile(row["broken"]) if "broken" in row else FileFacts.from_dict(row["facts"])
    except (KeyError, TypeError):
        return None


def _key(identity: Identity) -> str:
    return ":".join(map(str, identity))
