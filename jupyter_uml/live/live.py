"""Looks at what has changed as soon as something has, once for all who watch, and never while nobody does."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from jupyter_uml.errors import Overloaded
from jupyter_uml.live.running import Running
from jupyter_uml.live.snapshot import Snapshot
from jupyter_uml.live.view import View
from jupyter_uml.live.watcher import Message, Watcher
from jupyter_uml.loader.memory.machine import available_memory, total_memory
from jupyter_uml.loader.news import News
from jupyter_uml.service import Service
from jupyter_uml.types import Memory, ModelStatus, Sample

SETTLE_SECONDS = 0.04  # what changes together is told together
REST_SECONDS = 0.06  # after a look
BUSY_SECONDS = 0.5  # between two looks while answers are written, of which not every token is news
IDLE_SECONDS = 2.0  # between two looks at what tells nobody that it changes: the disks, and the machine's memory
MEMORY_SECONDS = 1.0  # between two looks at the memory, each of which takes half a millisecond
MAX_WATCHERS, MAX_WATCHERS_EACH = 512, 64  # of one principal

log = logging.getLogger(__name__)


class Live:
    """For one event loop. Close it before the service."""

    def __init__(self, service: Service, running: Running) -> None:
        self.running, self._service = running, service
        self._snapshot = Snapshot()
        self._watchers: Counter[str] = Counter()  # by whose they are
        self._wake = asyncio.Event()
        self._looked = asyncio.Event()  # another one after each look
        self._task: asyncio.Task[None] | None = None
        self._memory_seen = 0.0
        self._closed = False

    async def messages(self, view: View, beat: float) -> AsyncGenerator[Message | None, None]:
        """Everything that may be seen, then what has changed, as `GET events` tells it; None where nothing has for
        `beat` seconds. Whoever takes them slowly gets fewer and newer ones. It ends when this is closed.

        Raises:
            Overloaded: too many watch.
        """
        with self._watching(view.principal.id):
            await self._service.loader.start()  # before that the disks would be waited for by all
            self._begin()
            watcher, last = Watcher(view), time.monotonic()
            while not self._closed:
                looked = self._looked
                message = watcher.take(self._snapshot, self._service.pulls.running(), self.running)
                if message is not None or time.monotonic() - last >= beat:
                    yield message
                    last = time.monotonic()
                with suppress(TimeoutError):
                    async with asyncio.timeout(max(0.0, last + beat - time.monotonic())):
                        await looked.wait()

    def close(self) -> None:
        """End what all watch, and let nobody begin to."""
        self._closed = True
        self._stop()
        self._tell()

    # --- who watches ---

    @contextmanager
    def _watching(self, who: str) -> Iterator[None]:
        if self._closed or self._watchers.total() >= MAX_WATCHERS or self._watchers[who] >= MAX_WATCHERS_EACH:
            raise Overloaded("Too many watch this server. Close some pages, or come back later.", retry_after=5)
        self._watchers[who] += 1
        try:
            yield
        finally:
            self._watchers[who] -= 1
            if not self._watchers[who]:
                del self._watchers[who]
            if not self._watchers:
                self._stop()

    def _begin(self) -> None:
        if self._closed or (self._task is not None and not self._wake.is_set()):  # which has seen all there is
            return
        self._look()
        if self._task is None:
            for source in self._sources:
                source.listen(self._wake.set)
            self._task = asyncio.create_task(self._run(), name="live")

    def _stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None
            for source in self._sources:
                source.leave(self._wake.set)

    @property
    def _sources(self) -> tuple[News, ...]:
        loader = self._service.loader
        return loader.news, loader.monitor.news, loader.catalog.news, self._service.pulls.news, self.running.news

    # --- looking ---

    async def _run(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(BUSY_SECONDS if self.running else IDLE_SECONDS):
                    await self._wake.wait()
            await asyncio.sleep(SETTLE_SECONDS)
            self._wake.clear()
            try:
                self._look()
            except Exception:  # what is wrong with one look must not end all of them
                log.exception("what has changed could not be looked at")
            await asyncio.sleep(REST_SECONDS)

    def _look(self) -> None:
        snapshot, loader, now = self._snapshot, self._service.loader, time.monotonic()
        rows = loader.statuses()
        snapshot.see_models(rows)
        snapshot.see_samples(_by_row(rows, loader.monitor.newest()))
        if now - self._memory_seen >= MEMORY_SECONDS:
            self._memory_seen = now
            snapshot.see_memory(Memory(total_memory(), available_memory()))
        self._tell()

    def _tell(self) -> None:
        looked, self._looked = self._looked, asyncio.Event()
        looked.set()


def _by_row(rows: Sequence[ModelStatus], newest: Mapping[str, Sample]) -> dict[str, Sample]:
    """Figures of all rows that are up: a profile has those of its model, and one that is a copy those of the other."""
    up = (row for row in rows if row.memory_bytes is not None)
    names = {row.id: (row.id, row.base or row.id, *row.aliases) for row in up}
    found = {row: [newest[name] for name in known if name in newest] for row, known in names.items()}
    return {row: samples[0] for row, samples in found.items() if samples}
