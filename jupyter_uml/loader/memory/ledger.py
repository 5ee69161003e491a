"""What loads were promised in memory: by this server, and by the others of this user on this machine."""

from __future__ import annotations

import asyncio
import sys
import time
from collections import defaultdict
from collections.abc import AsyncGenerator, Collection, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from jupyter_core.paths import jupyter_runtime_dir

from jupyter_uml.loader.memory.file_lock import FileLock
from jupyter_uml.loader.memory.machine import (
    Gpu,
    Machine,
    private_bytes,
    started_at,
    this_machine,
    untouched,
)
from jupyter_uml.loader.memory.sheets import Row, Sheets

DECIDE_SECONDS = 10.0  # a server that takes longer to decide is not waited for


@dataclass(frozen=True, slots=True)
class Need:
    """Bytes. `mapped`: those of `ram` that are pages of `file`, which all who map it share."""

    ram: int
    gpu: int = 0
    mapped: int = 0
    file: str = ""


@dataclass(frozen=True, slots=True)
class GpuReading:
    """GPUs, and when (seconds since 1970) their free memory was asked for."""

    gpus: tuple[Gpu, ...] = ()
    time: float = 0.0


class Promise:
    """Memory that one load may take. It counts until `release`, or until its worker is gone."""

    def __init__(self, ledger: Ledger, model: str, need: Need) -> None:
        self._ledger = ledger
        self.row = Row(model, need.ram, need.gpu, need.mapped, need.file)

    @property
    def ram(self) -> int:
        """Bytes."""
        return self.row.ram

    @property
    def gpu(self) -> int:
        """Bytes, of all GPUs together."""
        return self.row.gpu

    def started(self, pid: int) -> None:
        """The worker that takes it: what that has taken already counts no second time."""
        self.row = replace(self.row, pid=pid, created=started_at(pid) or 0.0)
        self._ledger.changed()

    def loaded(self) -> None:
        """All that the worker needs of GPU memory it has from now on; before, nothing is known of it."""
        self.row = replace(self.row, loaded=time.time())
        self._ledger.changed()

    def release(self) -> None:
        """May be called again."""
        self._ledger.forget(self)


class Ledger:
    """Lives on one event loop. `folder`: where the servers of this machine see each other's promises.

    `limit`: bytes of RAM that all models of this server together may take; None: as much as the machine has.
    """

    def __init__(self, folder: Path | None = None, limit: int | None = None) -> None:
        folder = folder or Path(jupyter_runtime_dir()) / "uml"
        self._limit = limit
        self._sheets = Sheets(folder)
        self._lock = FileLock(folder / f"{self._sheets.place}.lock")
        self._one_at_a_time = asyncio.Lock()
        self._promises: list[Promise] = []
        self._unwritten = False
        self._writing: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def deciding(self) -> AsyncGenerator[None, None]:
        """Nobody else on this machine decides meanwhile; what was promised is seen by the next who does."""
        async with self._one_at_a_time, self._lock.held(DECIDE_SECONDS):
            try:
                yield
            finally:
                await self.written()

    def promise(self, model: str, need: Need) -> Promise:
        promise = Promise(self, model, need)
        self._promises.append(promise)
        self.changed()
        return promise

    def forget(self, promise: Promise) -> None:
        if promise in self._promises:
            self._promises.remove(promise)
            self.changed()

    async def machine(
        self, leaving: Collection[int] = (), reading: GpuReading = GpuReading(), file: str = ""
    ) -> Machine:
        """What there is for one more load of `file`, once the workers `leaving` (pids, of this server) have ended."""
        own = [promise.row for promise in self._promises]
        return await asyncio.to_thread(self._machine, own, frozenset(leaving), reading, file)

    async def close(self) -> None:
        """Nothing is promised any more."""
        self._promises.clear()
        self.changed()
        await self.written()

    # --- inside ---

    def changed(self) -> None:
        """Tell the other servers, soon."""
        self._unwritten = True
        if self._writing is None:
            try:
                self._writing = asyncio.get_running_loop().create_task(self._write(), name="ledger")
            except RuntimeError:  # the loop has ended; what is left on the disk is a dead server's
                return

    async def written(self) -> None:
        """Returns when the other servers can see all that was promised."""
        if self._writing is not None:
            await asyncio.shield(self._writing)

    async def _write(self) -> None:
        try:
            while self._unwritten:
                self._unwritten = False
                await asyncio.to_thread(self._sheets.write, [promise.row for promise in self._promises])
        except RuntimeError:  # the interpreter is ending: a dead server's file counts for nobody
            return
        finally:
            self._writing = None

    def _machine(self, own: Sequence[Row], leaving: frozenset[int], reading: GpuReading, file: str) -> Machine:
        """Blocks for some milliseconds."""
        staying = _living(row for row in own if row.pid not in leaving)
        going = _living(row for row in own if row.pid in leaving)
        all_staying = [*staying, *_living(self._sheets.others())]
        machine = this_machine(_reserved(all_staying, file) - sum(private for _, private in going))
        return replace(
            machine,
            ram_total=min(machine.ram_total, self._limit or machine.ram_total),
            ram_available=min(machine.ram_available, self._left([row for row, _ in staying], file)),
            gpus=_less(reading.gpus, _gpu_reserved(all_staying, reading.time) - _gpu_freed(going, reading.time)),
        )

    def _left(self, staying: Sequence[Row], file: str) -> int:
        """Bytes of this server's own limit."""
        if self._limit is None:
            return sys.maxsize
        own = sum(row.ram - row.mapped for row in staying)
        return max(0, self._limit - own - _mapped(staying, file))


Living = tuple[Row, int]  # and the bytes that its worker has taken already, without pages of files


def _living(rows: Iterable[Row]) -> list[Living]:
    """Those whose worker lives or is still to come."""
    found = ((row, 0 if row.pid is None else private_bytes(row.pid, row.created)) for row in rows)
    return [(row, private) for row, private in found if private is not None]


def _reserved(living: Sequence[Living], file: str) -> int:
    """Bytes that workers will still take of what counts as available. Pages of files always do."""
    own = untouched((row.ram - row.mapped, private) for row, private in living)
    return own + _mapped([row for row, _ in living], file)


def _mapped(rows: Iterable[Row], file: str) -> int:
    """Bytes of pages of files, those that several workers share once, without those of `file`."""
    largest = defaultdict[str, int](int)
    for row in rows:
        largest[row.file] = max(largest[row.file], row.mapped)
    return sum(n_bytes for name, n_bytes in largest.items() if name != file)


def _gpu_reserved(living: Iterable[Living], read_at: float) -> int:
    """Bytes that were not yet taken when the GPUs' free memory was read."""
    return sum(row.gpu for row, _ in living if not _is_seen(row, read_at))


def _gpu_freed(going: Iterable[Living], read_at: float) -> int:
    return sum(row.gpu for row, _ in going if _is_seen(row, read_at))


def _is_seen(row: Row, read_at: float) -> bool:
    return row.loaded is not None and row.loaded <= read_at


def _less(gpus: tuple[Gpu, ...], promised: int) -> tuple[Gpu, ...]:
    """Layers are spread over the GPUs by their free memory, and so are promises."""
    free = max(1, sum(gpu.free for gpu in gpus))
    return tuple(replace(gpu, free=min(gpu.total, max(0, gpu.free - promised * gpu.free // free))) for gpu in gpus)
