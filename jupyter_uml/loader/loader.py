"""The one place that decides which models are up. Every caller, in whatever notebook, shares what is loaded here."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

from jupyter_uml.defaults import KEEP_ALIVE, QUEUE_SECONDS
from jupyter_uml.errors import (
    GenerationAborted,
    ModelBusy,
    ModelRestarting,
    Overloaded,
)
from jupyter_uml.loader.catalog.catalog import Catalog
from jupyter_uml.loader.catalog.entry import CatalogEntry
from jupyter_uml.loader.checksums import Checksums
from jupyter_uml.loader.handle import EngineHandle
from jupyter_uml.loader.health import HealthMonitor
from jupyter_uml.loader.lifecycle.departures import Departures
from jupyter_uml.loader.lifecycle.housekeeper import Housekeeper
from jupyter_uml.loader.lifecycle.instance import Instance
from jupyter_uml.loader.lifecycle.launcher import Launcher
from jupyter_uml.loader.lifecycle.line import Line
from jupyter_uml.loader.lifecycle.managed import Load, Managed
from jupyter_uml.loader.lifecycle.room import find_room
from jupyter_uml.loader.lifecycle.roster import Roster
from jupyter_uml.loader.lifecycle.status import status_of
from jupyter_uml.loader.lifecycle.wishes import covered, together, wishes_for
from jupyter_uml.loader.memory.planner import Planner
from jupyter_uml.loader.news import News
from jupyter_uml.types import CacheSettings, Hold, LoadSettings, MemoryEstimate, ModelStatus

RESTART_WAIT = 20.0  # how long a request waits for a model that is coming back
MAX_WAITING = 1024  # requests that wait for one model
LOOK_SECONDS = 1.0

log = logging.getLogger(__name__)


class UniversalLoader:
    """Loads each model once for any number of callers. Lives on one event loop.

    Loading and ending run in tasks of their own: a caller that is cancelled while it waits changes nothing.
    """

    def __init__(
        self,
        catalog: Catalog | None = None,
        cache: Callable[[], CacheSettings] = CacheSettings,
        *,
        planner: Planner | None = None,
        monitor: HealthMonitor | None = None,
        checksums: Checksums | None = None,
        keep_alive: float = KEEP_ALIVE,
        queue_seconds: float = QUEUE_SECONDS,
    ) -> None:
        """`cache`: asked at each load where and how much a worker may cache. `keep_alive`, `queue_seconds`: where
        nobody says otherwise, seconds after which an unused model is unloaded (-1: never), and for which a load waits
        for memory."""
        self.catalog = catalog or Catalog()
        self.planner = planner or Planner(self.catalog, cache)
        self.monitor = monitor or HealthMonitor()
        self.news = News()  # a model's state, its settings or who uses it; not its figures
        self._checksums = checksums or Checksums(self.catalog)
        self._models = Roster(self.catalog, keep_alive)
        self._departures = Departures(self.monitor, self._changed, self.news)
        self._line = Line(self.planner, self._models, self._departures.evict, self.news)
        self._launcher = Launcher(self._line, self._departures, self.monitor, queue_seconds, self._changed, self.news)
        self._housekeeper = Housekeeper(self._models, self._departures.expire)
        self._begun: set[asyncio.Task[ModelStatus]] = set()  # loads that nobody waits for
        self._learning: set[asyncio.Task[None]] = set()
        self._unasked: dict[str, tuple[CatalogEntry, ModelStatus]] = {}  # rows of models that nobody has asked for
        self._starting: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Look for models, and keep looking. Returns when all places have been looked at once, whoever began that."""
        if self._starting is None:
            self._starting = asyncio.create_task(self._start(), name="look for models")
            await asyncio.shield(self._starting)
        else:  # what may go wrong is told to whoever began it
            await asyncio.wait([self._starting])

    async def _start(self) -> None:
        await asyncio.gather(self.catalog.start(), self.planner.start())

    # --- looking ---

    async def look(self) -> None:
        """At the disks now, for no longer than a person likes to wait."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_SECONDS):
                await self.catalog.refresh()

    def statuses(self) -> list[ModelStatus]:
        """Every model of the catalog, and those that are up though their file is gone."""
        entries = self._models.rows()
        if len(self._unasked) > 2 * len(entries):
            self._unasked.clear()
        return [self._status(entry) for entry in entries]

    def status(self, model: str) -> ModelStatus:
        """
        Raises:
            ModelNotFound
        """
        return self._status(self._models.row(model))

    def latest(self) -> list[ModelStatus]:
        """The models that are loaded, what was used last first."""
        up = [managed for managed in self._models if managed.state == "loaded"]
        return [self._status(each.entry) for each in sorted(up, key=lambda each: -each.holds.last_used)]

    async def estimate(self, model: str, settings: LoadSettings | None = None) -> MemoryEstimate:
        """What a load would take and give, now, idle models making room for it.

        Raises:
            ModelNotFound, ModelLoadFailed, InvalidRequest: why it cannot be loaded.
        """
        entry, managed = await self._models.find(model)
        wishes = wishes_for(entry, settings)
        room = await find_room(self.planner, managed, wishes, self._models.others(managed))
        unloads = tuple(victim.entry.id for victim in room.victims if victim is not managed)
        return replace(self.planner.estimate(room.plan), model=entry.id, unloads=unloads)

    def kernels(self) -> frozenset[str]:
        """Ids of those that hold a model."""
        return frozenset(kernel for managed in self._models for kernel in managed.holds.kernels)

    # --- loading ---

    async def load(
        self,
        model: str,
        settings: LoadSettings | None = None,
        *,
        wait: bool = True,
        hold: Hold | None = None,
        pin: bool | None = None,
    ) -> ModelStatus:
        """Load a model, or find it loaded. One load serves all callers; with `wait` false it only begins.

        A loaded model that runs with other settings than those asked for is loaded anew with what serves both, beside
        the old worker where memory allows, which ends when its answers are whole.

        Raises:
            ModelNotFound, ModelLoadFailed, InsufficientMemory, InvalidRequest: why it cannot be.
            ModelBusy: it is being unloaded.
        """
        entry, managed = await self._models.find(model)
        wishes = wishes_for(entry, settings)
        if not wait:
            return await self._begin_unwatched(entry, managed, wishes, hold or Hold(), pin)
        if managed.crashes.remaining(time.monotonic()):
            managed.crashes.forgive()
        managed.holds.used(hold or Hold(), time.monotonic())
        await self._running(managed, wishes)
        if pin is not None:
            managed.holds.pinned = pin
        managed.holds.stand(hold or Hold())
        self._ended_use(managed, hold or Hold())
        return self._status(entry)

    @asynccontextmanager
    async def use(self, model: str, hold: Hold | None = None) -> AsyncGenerator[EngineHandle, None]:
        """The engine of a model, loaded just in time. It is not taken away while the block lasts.

        Raises:
            ModelRestarting: it crashed and is not back in time, or crashes again and again.
            UmlError: as `load`.
        """
        entry, managed = await self._models.find(model)
        wishes = wishes_for(entry)
        self._launcher.check_known_failure(managed)
        managed.holds.used(hold or Hold(), time.monotonic())
        instance = await self._running(managed, wishes)
        try:
            with instance.using() as engine:
                self.news.tell()
                yield engine
        finally:
            self._ended_use(managed, hold or Hold())
            if instance.filled and not instance.learned:
                self._learn(instance)

    def release(self, kernel: str) -> None:
        """A kernel has ended: what it alone held is unloaded soon."""
        for managed in self._models:
            managed.holds.release(kernel, time.monotonic())
        self._changed()

    async def unload(self, model: str, *, force: bool = False) -> ModelStatus:
        """Unload a model; its worker is gone and its memory free on return. Answers under way may finish first.

        With `force`, or where that takes too long, they end with `GenerationAborted`.
        """
        entry, managed = await self._models.find(model)
        managed.unloading += 1
        self.news.tell()
        try:
            await self._departures.end_all(managed, GenerationAborted(f"{entry.id} was unloaded.") if force else None)
        finally:
            managed.unloading -= 1
        if not managed.up:  # else somebody has begun to load it again
            self._models.forget(managed)
        self.news.tell()
        return self._status(entry)

    async def close(self) -> None:
        """End every worker at once; nothing can be loaded any more."""
        self._launcher.closed = True
        await self._housekeeper.close()
        begun = (*self._begun, *filter(None, (self._starting,)))
        for task in begun:
            task.cancel()
        await asyncio.gather(*begun, *self._learning, return_exceptions=True)
        stopping = GenerationAborted("The server is stopping.")
        ends = (self._departures.end_all(managed, stopping) for managed in self._models)
        await asyncio.gather(*ends, return_exceptions=True)
        await self._checksums.close()
        await self.monitor.close()
        await self.planner.close()
        await self.catalog.close()

    def _status(self, entry: CatalogEntry) -> ModelStatus:
        if (managed := self._models.get(entry)) is not None:
            return status_of(entry, managed, self.monitor, time.monotonic())
        known = self._unasked.get(entry.id)
        if known is None or known[0] is not entry:
            known = self._unasked[entry.id] = entry, status_of(entry, None, self.monitor, 0.0)
        return known[1]

    # --- loading, inside ---

    async def _begin_unwatched(
        self, entry: CatalogEntry, managed: Managed, wishes: LoadSettings, hold: Hold, pin: bool | None
    ) -> ModelStatus:
        """Begin a load that nobody waits for; how it ends stands in the model's status."""
        task = asyncio.create_task(self.load(entry.id, wishes, hold=hold, pin=pin), name=f"begin {entry.id}")
        self._begun.add(task)
        task.add_done_callback(self._begun.discard)
        task.add_done_callback(lambda task: task.cancelled() or task.exception())
        while not task.done() and managed.load is None:  # until it has begun
            await asyncio.sleep(0)
        if task.done() and (error := task.exception()) is not None:
            raise error
        return self._status(entry)

    async def _running(self, managed: Managed, wishes: LoadSettings) -> Instance:
        """The worker that does what is wished for, loaded or loaded anew where there is none."""
        if managed.waiting >= MAX_WAITING:
            raise Overloaded(f"{MAX_WAITING} requests wait for {managed.entry.id}.", retry_after=5)
        managed.waiting += 1
        try:
            while True:
                if self._launcher.closed:
                    raise GenerationAborted("The server is stopping.")
                if managed.unloading:
                    raise ModelBusy(f"{managed.entry.id} is being unloaded. Try again when it is done.", retry_after=2)
                current = managed.current
                if current is not None and not managed.yielding and current.satisfies(wishes):
                    return current
                load = managed.load or self._launcher.begin(managed, together(managed.wishes, wishes))
                await self._loaded(managed, load, wishes)
        finally:
            managed.waiting -= 1

    async def _loaded(self, managed: Managed, load: Load, wishes: LoadSettings) -> None:
        """Wait for a load that others wait for, too. If it fails, all hear why; those with other wishes try theirs."""
        assert load.task is not None
        _, pending = await asyncio.wait([load.task], timeout=RESTART_WAIT if load.restart else None)
        if pending:
            raise ModelRestarting(f"{managed.entry.id} is being started again.", retry_after=2)
        if load.task.cancelled():
            raise GenerationAborted(f"{managed.entry.id} was unloaded while it was loading.")
        if load.error is not None and covered(load.wishes, wishes):
            raise load.error.copy()

    # --- news ---

    def _learn(self, instance: Instance) -> None:
        """Note what the worker really takes, now that its context has been full."""
        instance.learned = True
        if instance.engine.pid is not None:
            task = asyncio.create_task(self.planner.learn(instance.plan, instance.engine.pid, filled=True))
            self._learning.add(task)
            task.add_done_callback(self._learning.discard)

    def _ended_use(self, managed: Managed, hold: Hold) -> None:
        managed.holds.ended(hold, time.monotonic())
        self._checksums.want(managed.entry)
        self.news.tell()
        if not managed.in_use:
            self._changed()

    def _changed(self) -> None:
        """Something that others may wait for: a model is idle, gone, up, or held by fewer."""
        self._line.changed()
        self._housekeeper.look()
        self.news.tell()
