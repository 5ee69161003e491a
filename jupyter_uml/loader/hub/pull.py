"""Pulls that run: one for all who ask for the same, going on whether or not anybody watches."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

from jupyter_uml.errors import Overloaded, PullCancelled, PullNotFound, UmlError
from jupyter_uml.loader.catalog.catalog import Catalog
from jupyter_uml.loader.hub.choice import Choice, Fits, choose
from jupyter_uml.loader.hub.hub import Hub, Progress
from jupyter_uml.loader.hub.listing import Listing
from jupyter_uml.loader.hub.name import PullName
from jupyter_uml.loader.news import News

MAX_PULLS = 8  # at one time
MAX_LOOKS = 4  # at one time; others wait
MAX_ENDED = 16  # of which it is still known how they ended

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Found:
    """What the repository has, and what of it is coming."""

    listing: Listing
    choice: Choice


@dataclass(frozen=True, slots=True)
class Pulled:
    """All of it is there. `model`: its id in the catalog, None where the catalog does not look into this cache."""

    path: Path
    model: str | None
    commit: str
    size_bytes: int


PullEvent = Found | Progress | Pulled
ModelId = Callable[[Path], Awaitable[str | None]]  # the catalog's name for a file that has just come


async def look(hub: Hub, name: PullName, fits: Fits) -> Found:
    """
    Raises:
        UmlError: nothing is there, or the hub cannot be asked.
    """
    listing = await hub.listing(name.repo, name.revision)
    return Found(listing, await asyncio.to_thread(choose, listing, name, fits))  # `fits` may ask for GPUs


class Pull:
    """One of them. `found` and `progress`: the newest, None before the first."""

    def __init__(self, name: PullName, hub: Hub, fits: Fits, model_id: ModelId, told: News) -> None:
        """`told`: for all pulls."""
        self.id, self.name = f"pull_{secrets.token_hex(8)}", name
        self.found: Found | None = None
        self.progress: Progress | None = None
        self._hub, self._fits, self._model_id, self._told = hub, fits, model_id, told
        self._news = asyncio.Event()
        self._task = asyncio.create_task(self._run(), name=self.id)
        self._task.add_done_callback(self._ended)

    @property
    def is_over(self) -> bool:
        return self._task.done()

    async def events(self) -> AsyncGenerator[PullEvent, None]:
        """What was found, how far it is (whoever is slow misses some), and at last `Pulled`. Closing it ends nothing.

        Raises:
            UmlError: the pull failed or was cancelled.
        """
        told, last = False, None
        while True:
            news, over = self._news, self._task.done()
            if self.found and not told:
                told = True
                yield self.found
            if self.progress and self.progress is not last:
                last = self.progress
                yield last
            if over:
                yield self.outcome()
                return
            await news.wait()

    async def cancel(self) -> None:
        """End it. Returns when nothing of it runs any more; what has come is kept."""
        self._task.cancel()
        await asyncio.wait([self._task])

    def outcome(self) -> Pulled:
        """Of a pull that is over.

        Raises:
            UmlError: it failed or was cancelled.
        """
        if self._task.cancelled():
            raise PullCancelled("This pull was cancelled. What had come is kept: pull again to go on.")
        error = self._task.exception()
        if isinstance(error, UmlError):
            raise error.copy()
        return self._task.result()

    async def _run(self) -> Pulled:
        self.found = await look(self._hub, self.name, self._fits)
        listing, choice = self.found.listing, self.found.choice
        self._tell()
        async with aclosing(self._hub.fetch(listing, choice.files, self.name.revision)) as items:
            async for item in items:
                if isinstance(item, Path):
                    return Pulled(item, await self._model_id(item), listing.commit, choice.size_bytes)
                self.progress = item
                self._tell()
        raise AssertionError("a fetch ends with a path or an error")

    def _tell(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()
        self._told.tell()

    def _ended(self, task: asyncio.Task[Pulled]) -> None:
        self._tell()
        if task.cancelled():
            log.info("pull of %s cancelled", self.name)
        elif error := task.exception():
            foreseen = isinstance(error, UmlError)
            log.warning("pull of %s failed: %s", self.name, error, exc_info=None if foreseen else error)
        else:
            log.info("pulled %s", self.name)


class Pulls:
    """All that run in this process. Those of other processes are waited for, file by file (`download.py`)."""

    def __init__(self, hub: Hub, fits: Fits = lambda size_bytes: True, model_id: ModelId | None = None) -> None:
        self.hub = hub
        self.news = News()
        self._fits, self._model_id = fits, model_id or _unlisted
        self._pulls: dict[str, Pull] = {}
        self._looking = asyncio.Semaphore(MAX_LOOKS)

    def running(self) -> list[Pull]:
        return [pull for pull in self._pulls.values() if not pull.is_over]

    def start(self, name: PullName) -> Pull:
        """The pull of this name that runs already, or a new one.

        Raises:
            Overloaded: there are too many.
        """
        running = self.running()
        for pull in running:
            if pull.name == name:
                return pull
        if len(running) >= MAX_PULLS:
            raise Overloaded(f"{MAX_PULLS} pulls are running. Wait for one of them, or cancel it.", retry_after=30)
        pull = Pull(name, self.hub, self._fits, self._model_id, self.news)
        ended = [pull for pull in self._pulls.values() if pull.is_over][-MAX_ENDED:]
        self._pulls = {pull.id: pull for pull in (*ended, *running, pull)}
        self.news.tell()
        return pull

    async def look(self, name: PullName) -> Found:
        """What `start` would bring.

        Raises:
            UmlError: nothing, or the hub cannot be asked.
        """
        async with self._looking:
            return await look(self.hub, name, self._fits)

    def get(self, pull_id: str) -> Pull:
        """
        Raises:
            PullNotFound: no such pull runs.
        """
        pull = self._pulls.get(pull_id)
        if pull is None or pull.is_over:
            raise PullNotFound("No such pull is running. `GET pull` lists those that do.")
        return pull

    def known(self, pull_id: str) -> Pull:
        """One that runs, or has ended lately.

        Raises:
            PullNotFound: there is none.
        """
        if (pull := self._pulls.get(pull_id)) is None:
            raise PullNotFound("No such pull is known. `GET pull` lists those that run.")
        return pull

    async def cancel(self, pull_id: str) -> Pull:
        """
        Raises:
            PullNotFound: no such pull runs.
        """
        pull = self.get(pull_id)
        await pull.cancel()
        return pull

    async def close(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*(pull.cancel() for pull in self.running()))


def id_in(catalog: Catalog) -> ModelId:
    """What a model that has come is called in this catalog."""

    async def model_id(path: Path) -> str | None:
        entry = await catalog.holding(path)
        return entry.id if entry else None

    return model_id


async def _unlisted(path: Path) -> str | None:
    return None
