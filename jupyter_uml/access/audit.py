"""The audit file: one JSON object a line, on the disk before the one who did it is told that it is done.

It is apart from the database, so that it can be shipped, and kept by who may not change it. Several servers of one user
write to the same file. A full file gets a number: `audit.jsonl.1` is the newest of the full ones.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from jupyter_uml.access.disk_trouble import DiskTrouble, OnFullDisk
from jupyter_uml.access.events import AuditEvent, audit_event
from jupyter_uml.access.file_lock import locked
from jupyter_uml.access.group_writer import GroupWriter, Job
from jupyter_uml.errors import RecordsUnavailable, UmlError

LONGEST_LINE = 16 << 10  # bytes
_END = b"\n"


class AuditLog:
    """Close it. `max_bytes`: of one file; `keep`: how many full ones stay.

    `on_full_disk`: `go_on` counts what was lost and tells the log; `refuse` lets `write` and `check` fail.

    Raises:
        OSError: the file cannot be opened.
    """

    def __init__(
        self,
        path: Path,
        *,
        max_bytes: int = 16 << 20,
        keep: int = 20,
        on_full_disk: OnFullDisk = "go_on",
        tick: float = 1.0,
    ) -> None:
        self.path, self._max_bytes, self._keep = path, max_bytes, keep
        self.trouble = DiskTrouble("audit file", on_full_disk)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = _open(path)
        self._writer: GroupWriter[bytes] = GroupWriter("uml-audit", self._write, tick)

    def check(self) -> None:
        """Before something is done that has to be recorded.

        Raises:
            RecordsUnavailable: the disk takes no records, and `on_full_disk` is `refuse`.
        """
        self.trouble.check()

    async def write(self, event: AuditEvent) -> None:
        """Returns when it is on the disk.

        Raises:
            RecordsUnavailable: it is not, and `on_full_disk` is `refuse`.
        """
        written = self._submit(event)
        try:
            await asyncio.wrap_future(written)
        except UmlError:
            self.trouble.check()

    def note(self, event: AuditEvent) -> None:
        """The same without waiting, for what cannot be refused any more."""
        self._submit(event)

    def close(self) -> None:
        """Writes what waits. Blocks for as long as that takes."""
        self._writer.close()
        os.close(self._file)

    def _submit(self, event: AuditEvent) -> Future[None]:
        try:
            return self._writer.submit(_line(event))
        except UmlError as error:
            self.trouble.lost += 1
            self.trouble.begins(error.message)
            refused: Future[None] = Future()
            refused.set_exception(error)
            return refused

    # --- in the writer's thread ---

    def _write(self, jobs: list[Job[bytes]]) -> None:
        lines = [job.item for job in jobs]
        if self.trouble.now:  # try whether there is room again, and say in the file that something is missing in it
            lines.insert(0, _line(AuditEvent("audit.resumed", details={"lost": self.trouble.lost})))
        if not lines:
            return
        try:
            self._append(b"".join(lines))
        except OSError as error:
            self.trouble.lost += len(jobs)
            self.trouble.begins(error.strerror)
            for job in jobs:
                job.failed(RecordsUnavailable("The audit file cannot be written."))
        else:
            self.trouble.is_over()
            for job in jobs:
                job.done(None)

    def _append(self, lines: bytes) -> None:
        """All of it or nothing, and on the disk."""
        self._stay_with_the_name()
        with locked(self._file):
            size = os.fstat(self._file).st_size
            if size and size + len(lines) > self._max_bytes and self._is_in_use():
                self._rotate()
        self._stay_with_the_name()
        with locked(self._file):
            size = os.fstat(self._file).st_size
            torn = size and os.pread(self._file, 1, size - 1) != _END  # somebody was killed in the middle of a line
            try:
                _write_all(self._file, (_END if torn else b"") + lines)
                os.fsync(self._file)
            except OSError:
                os.ftruncate(self._file, size)
                raise

    def _stay_with_the_name(self) -> None:
        """Another server may have begun a new file."""
        if not self._is_in_use():
            os.close(self._file)
            self._file = _open(self.path)

    def _is_in_use(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self._file), os.stat(self.path))
        except FileNotFoundError:
            return False

    def _rotate(self) -> None:
        for n in range(self._keep, 0, -1):
            older, newer = self._numbered(n), self._numbered(n - 1)
            if newer.exists():
                os.replace(newer, older)

    def _numbered(self, n: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{n}") if n else self.path


def read_events(path: Path) -> Iterator[dict[str, Any]]:
    """The events of one file, oldest first. A line that a crash cut short is passed over."""
    with path.open("rb") as file:
        for line in file:
            try:
                yield json.loads(line)
            except ValueError:
                continue


def _line(event: AuditEvent) -> bytes:
    """ASCII: whatever comes in a request stays in its line."""
    line = json.dumps(audit_event(event), separators=(",", ":"), allow_nan=False).encode()
    if len(line) > LONGEST_LINE:
        short = {"id": event.id, "time": event.time, "action": event.action[:100], "outcome": event.outcome}
        line = json.dumps(short, separators=(",", ":")).encode()
    return line + _END


def _open(path: Path) -> int:
    handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    os.fchmod(handle, 0o600)
    folder = os.open(path.parent, os.O_RDONLY)
    os.fsync(folder)  # else a power failure may keep what the file holds and lose its name
    os.close(folder)
    return handle


def _write_all(handle: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]
