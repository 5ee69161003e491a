"""Answers that have come, in a file that outlives the kernel: one line of JSON each, only ever added to.

A row is known by a hash of all that its answer depends on, so an answer is found again whatever the row's place is
now. The file holds answers and figures, no prompts. A line that a crash cut short is passed over.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

KEPT_SECONDS = 30 * 24 * 3600.0  # that a journal nobody looks into stays
GROUP = 64  # answers that are written to the disk together
GROUP_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Record:
    """An answer as the model gave it. `finish`: its finish reason; the counts are tokens."""

    text: str
    finish: str
    prompt: int = 0
    cached: int = 0
    completion: int = 0


class Journal:
    """Of one run: a model, a prompt, a schema and parameters. Use it from one thread, `sync` from any."""

    def __init__(self, path: Path, fresh: bool = False) -> None:
        """`fresh`: what is there is forgotten.

        Raises:
            OSError: the file cannot be read or written.
        """
        self.known: dict[str, Record] = {}
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | (os.O_TRUNC if fresh else 0), 0o600)
        os.utime(path)
        content = path.read_bytes()
        for line in content.splitlines():
            self._read(line)
        if content and not content.endswith(b"\n"):
            os.write(self._file, b"\n")
        self._unsynced, self._synced_at = 0, time.monotonic()

    @classmethod
    def of_run(cls, folder: Path, run: str, fresh: bool = False) -> Self:
        """The journal of the run that has this key; those that have long not been used go."""
        for path in folder.glob("*.jsonl"):
            with suppress(OSError):
                if time.time() - path.stat().st_mtime > KEPT_SECONDS:
                    path.unlink()
        return cls(folder / f"{run}.jsonl", fresh)

    def add(self, key: str, record: Record) -> None:
        """From here on the answer outlives this process; after the next `sync`, also a power failure."""
        self.known[key] = record
        _write(self._file, json.dumps({"key": key, **asdict(record)}).encode() + b"\n")
        self._unsynced += 1

    @property
    def due(self) -> bool:
        waited = time.monotonic() - self._synced_at
        return self._unsynced >= GROUP or (self._unsynced > 0 and waited >= GROUP_SECONDS)

    def sync(self) -> None:
        self._unsynced, self._synced_at = 0, time.monotonic()
        os.fsync(self._file)

    def close(self) -> None:
        if self._unsynced:
            self.sync()
        os.close(self._file)

    def _read(self, line: bytes) -> None:
        with suppress(ValueError, TypeError, KeyError, AttributeError):
            fields = json.loads(line)
            key = fields.pop("key")
            self.known[str(key)] = Record(**fields)


def key_of(*parts: Any) -> str:
    """A name for what `parts` say, the same in every process: 128 bits of a SHA-256."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=True, default=repr)
    return sha256(text.encode()).hexdigest()[:32]


def _write(file: int, content: bytes) -> None:
    """All of it, in one call where the system takes it: lines of two programs do not mix."""
    while content:
        content = content[os.write(file, content) :]
