"""Brings workers up, one load of a model at a time, and back after a crash."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from jupyter_uml.errors import EngineError, ModelLoadFailed, ModelRestarting, Overloaded, UmlError
from jupyter_uml.loader.catalog.entry import CatalogEntry
from jupyter_uml.loader.handle import WorkerEngine
from jupyter_uml.loader.health import HealthMonitor
from jupyter_uml.loader.lifecycle import crashes
from jupyter_uml.loader.lifecycle.departures import Departures
from jupyter_uml.loader.lifecycle.instance import Instance
from jupyter_uml.loader.lifecycle.line import Line
from jupyter_uml.loader.lifecycle.managed import Load, Managed
from jupyter_uml.loader.news import News
from jupyter_uml.types import LoadSettings

log = logging.getLogger(__name__)


class Launcher:
    """`changed` is called whenever a load or a worker has ended. Once `closed`, no worker is brought back."""

    def __init__(
        self,
        line: Line,
        departures: Departures,
        monitor: HealthMonitor,
        queue_seconds: float,
        changed: Callable[[], None],
        news: News,
    ) -> None:
        """`queue_seconds`: for which a load waits for memory."""
        self._line, self._departures, self._monitor = line, departures, monitor
        self._queue_seconds, self._changed, self._news = queue_seconds, changed, news
        self.closed = False

    def begin(self, managed: Managed, wishes: LoadSettings, *, delay: float = 0.0, restart: bool = False) -> Load:
        """`delay`: seconds until then. How it ends stands in the load, and in the model where it failed."""
        load = managed.load = Load(wishes, restart=restart, delay=delay)
        managed.error = None
        load.task = asyncio.create_task(self._load(managed, load), name=f"load {managed.entry.id}")
        # Before any waiter's callback, and also when the task is cancelled before it begins.
        load.task.add_done_callback(lambda task: self._ended(managed, load, task))
        self._news.tell()
        return load

    def check_known_failure(self, managed: Managed) -> None:
        """Don't start a worker for every request of a client that keeps asking for a model that cannot load."""
        if managed.current is not None or managed.load is not None or managed.error is None:
            return
        if left := managed.crashes.remaining(time.monotonic()):
            raise managed.error.copy() if isinstance(managed.error, ModelLoadFailed) else self._given_up(managed, left)
        if managed.bad_file is not None and managed.bad_file == _identity(managed.entry):
            raise managed.error.copy()

    def _ended(self, managed: Managed, load: Load, task: asyncio.Task[None]) -> None:
        """A load has ended, in whatever way."""
        managed.load = None
        self._changed()
        if task.cancelled() or (error := task.exception()) is None:
            return
        if isinstance(error, UmlError):
            load.error = error.copy()
            log.warning("%s", error)
        else:
            load.error = EngineError(f"{managed.entry.id} could not be started. The server's log says why.")
            log.error("loading %s failed", managed.entry.id, exc_info=error)
        if managed.current is None:
            managed.error = load.error

    async def _load(self, managed: Managed, load: Load) -> None:
        await asyncio.sleep(load.delay)
        await self._alone(managed)
        identity = _identity(managed.entry)
        try:
            await self._start(managed, load)
        except ModelLoadFailed as error:
            if error.retry_after is None and not (load.wishes.lora or load.wishes.draft_model):
                managed.bad_file = identity
            raise

    async def _alone(self, managed: Managed) -> None:
        """Returns when at most one worker of the model is left.

        Raises:
            Overloaded: one that was replaced answers for too long.
        """
        try:
            async with asyncio.timeout(self._queue_seconds if managed.current is not None else None):
                while ends := managed.in_the_way():
                    await asyncio.wait(ends)
        except TimeoutError:
            raise Overloaded(
                f"{managed.entry.id} still ends answers with the settings that it had before its last change. "
                "Try again when they have ended.",
                retry_after=10,
            ) from None

    async def _start(self, managed: Managed, load: Load) -> None:
        room = await self._line.room(managed, load, self._queue_seconds)
        if room is None:
            return
        plan, promise = room
        started = time.monotonic()

        def on_progress(fraction: float) -> None:
            load.progress = fraction
            self._news.tell()

        def on_death(log_tail: str) -> None:
            self._on_death(managed, instance, log_tail)

        try:
            engine = await WorkerEngine.start(plan.spec, on_progress, on_death, on_spawn=promise.started)
        except BaseException as error:
            promise.release()
            if isinstance(error, ModelLoadFailed) and error.retry_after is not None:  # the worker did not survive it
                self._monitor.count_crash(managed.entry.id)
                managed.crashes.add(error.message, time.monotonic())
            raise
        promise.loaded()
        instance = Instance(load.wishes, plan, engine, promise)
        if managed.current is not None:
            self._departures.let_go(managed, draining=True)
        managed.current, managed.wishes, managed.bad_file = instance, load.wishes, None
        managed.loaded_at = time.monotonic()
        managed.holds.loaded(managed.loaded_at)
        self._monitor.watch(managed.entry.id, engine)
        self._monitor.count_load(managed.entry.id, time.monotonic() - started)
        log.info("loaded %s in %.1f s (pid %s)", managed.entry.id, time.monotonic() - started, engine.pid)

    def _on_death(self, managed: Managed, instance: Instance, log_tail: str) -> None:
        """A worker ended by itself: bring it back, unless it keeps dying."""
        pid = instance.engine.pid
        log.warning("the worker of %s (pid %s) died. Its log:\n%s", managed.entry.id, pid, log_tail)
        self._monitor.count_crash(managed.entry.id)
        self._monitor.forget(managed.entry.id, instance.engine)
        instance.promise.release()
        if managed.current is not instance:
            return
        managed.current = None
        self._changed()
        if self.closed or managed.unloading or (managed.load and managed.load.task and not managed.load.task.done()):
            return
        delay = managed.crashes.add(log_tail, time.monotonic())
        if delay is None:
            managed.error = self._given_up(managed, crashes.WINDOW)
        else:
            self.begin(managed, managed.wishes, delay=delay, restart=True)

    @staticmethod
    def _given_up(managed: Managed, seconds: float) -> ModelRestarting:
        return ModelRestarting(
            f"{managed.entry.id} crashed {crashes.MOST} times within {crashes.WINDOW:.0f} s and is left alone now. "
            f"Load it again to try at once. The last time: {managed.crashes.log}",
            retry_after=round(seconds, 1),
        )


def _identity(entry: CatalogEntry) -> tuple[int, int] | None:
    try:
        stat = entry.path.stat()
    except OSError:
        return None
    return stat.st_size, stat.st_mtime_ns
