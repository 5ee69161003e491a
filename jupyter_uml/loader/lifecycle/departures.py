"""Workers on their way out: they take no new requests, end the answers under way, and are gone."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from jupyter_uml.errors import GenerationAborted
from jupyter_uml.loader.health import HealthMonitor
from jupyter_uml.loader.lifecycle.instance import Instance
from jupyter_uml.loader.lifecycle.managed import Managed
from jupyter_uml.loader.news import News

DRAIN_SECONDS = 30.0

log = logging.getLogger(__name__)


class Departures:
    """`changed` is called when a worker has gone."""

    def __init__(self, monitor: HealthMonitor, changed: Callable[[], None], news: News) -> None:
        self._monitor, self._changed, self._news = monitor, changed, news

    async def end_all(self, managed: Managed, reason: GenerationAborted | None) -> None:
        """Call off the load and end the workers; answers under way end with a `reason` now, else when they take too
        long."""
        load = managed.load
        if load is not None and load.task is not None:
            if not load.task.cancelling():  # a second time would interrupt its clean-up
                load.task.cancel()
            await asyncio.wait([load.task])
        if managed.current is not None:
            self.let_go(managed, draining=False)
        ends = {leaving.task for leaving in managed.leaving if leaving.task is not None}
        if ends and reason is None:  # also of a worker that was replaced, and has all the time else
            _, ends = await asyncio.wait(ends, timeout=DRAIN_SECONDS)
        for leaving in managed.leaving:
            leaving.instance.fail_all(reason or _unloaded(managed))
        if ends:
            await asyncio.wait(ends)

    async def evict(self, managed: Managed) -> None:
        """End the worker of an idle model to make room for another."""
        log.info("unloading %s to make room", managed.entry.id)
        self._monitor.count_eviction(managed.entry.id)
        await asyncio.shield(self.let_go(managed, draining=False))

    def expire(self, managed: Managed) -> None:
        """End the worker of a model that nobody wants any more."""
        log.info("unloading %s: nobody has used it for a while", managed.entry.id)
        self.let_go(managed, draining=False)

    def let_go(self, managed: Managed, *, draining: bool) -> asyncio.Task[None]:
        """The worker takes no new requests; the task ends when it is gone. `draining`: see `Leaving`."""
        assert managed.current is not None
        self._news.tell()
        return managed.let_go(self._end(managed, managed.current, draining), draining=draining)

    async def _end(self, managed: Managed, instance: Instance, draining: bool) -> None:
        """See a worker to its end: its answers first, for those of a model that goes not longer than some time."""
        try:
            async with asyncio.timeout(None if draining else DRAIN_SECONDS):
                await instance.drained()
        except TimeoutError:
            instance.fail_all(_unloaded(managed))
        self._monitor.forget(managed.entry.id, instance.engine)
        try:
            await instance.close()
        finally:
            self._changed()


def _unloaded(managed: Managed) -> GenerationAborted:
    return GenerationAborted(f"{managed.entry.id} was unloaded.")
