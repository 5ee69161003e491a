"""A model that somebody asked for, and where it stands."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Coroutine
from dataclasses import dataclass, field
from typing import Any

from jupyter_uml.errors import UmlError
from jupyter_uml.loader.catalog.entry import CatalogEntry
from jupyter_uml.loader.lifecycle.crashes import Crashes
from jupyter_uml.loader.lifecycle.holds import Holds
from jupyter_uml.loader.lifecycle.instance import Instance
from jupyter_uml.loader.memory.planner import Plan
from jupyter_uml.types import LoadSettings, ModelState


@dataclass(slots=True, eq=False)
class Load:
    """A load under way, shared by all who wait for it."""

    wishes: LoadSettings
    task: asyncio.Task[None] | None = None
    restart: bool = False  # after a crash
    queued: bool = False  # it waits for memory
    progress: float = 0.0
    delay: float = 0.0  # seconds before it begins
    error: UmlError | None = None  # why it failed
    plan: Plan | None = None  # how it would be loaded, as far as that is known


@dataclass(slots=True, eq=False)
class Leaving:
    """A worker that takes no new requests. `draining`: for others that run the model now, else its room is needed."""

    instance: Instance
    draining: bool
    task: asyncio.Task[None] | None = None


@dataclass(slots=True, eq=False)
class Managed:
    """`current` gets the requests. Beside it one may run that drains, or one may be loading, never both."""

    entry: CatalogEntry
    holds: Holds
    wishes: LoadSettings = field(default_factory=LoadSettings)  # with which it is loaded again
    current: Instance | None = None
    loaded_at: float = 0.0
    load: Load | None = None
    leaving: list[Leaving] = field(default_factory=list)
    yielding: bool = False  # takes no new requests until another model has had its turn
    unloading: int = 0  # callers that want it gone
    waiting: int = 0  # requests that wait for it
    crashes: Crashes = field(default_factory=Crashes)
    error: UmlError | None = None  # why the last load failed
    bad_file: tuple[int, int] | None = None  # identity of the file that llama.cpp found wanting

    @property
    def up(self) -> bool:
        """Whether there is a worker, or one to come."""
        return self.current is not None or self.load is not None or bool(self.leaving)

    @property
    def in_use(self) -> bool:
        return self.current is not None and self.current.busy

    @property
    def awaited(self) -> bool:
        """Whether requests are about to use it. While it yields they wait for its next turn."""
        return self.waiting > 0 and not self.yielding

    @property
    def idle(self) -> bool:
        """Whether it could make room for another model at once."""
        return self.current is not None and not (self.in_use or self.awaited or self.load or self.holds.pinned)

    @property
    def state(self) -> ModelState:
        if self.unloading:
            return "unloading"
        if self.current is not None:
            return "loaded"
        if self.load is not None:
            return "queued" if self.load.queued else "restarting" if self.load.restart else "loading"
        if self.error is not None:
            return "failed"
        return "unloading" if self.leaving else "available"

    @property
    def pids(self) -> Collection[int]:
        """Of all its workers that run."""
        instances = [self.current, *(leaving.instance for leaving in self.leaving)]
        return [each.engine.pid for each in instances if each is not None and each.engine.pid is not None]

    def let_go(self, ending: Coroutine[Any, Any, None], *, draining: bool) -> asyncio.Task[None]:
        """The current worker takes no new requests; `ending` sees it to its end."""
        assert self.current is not None
        leaving = Leaving(self.current, draining)
        self.current = None
        self.leaving.append(leaving)
        leaving.task = asyncio.create_task(ending, name=f"end {self.entry.id}")
        leaving.task.add_done_callback(lambda _: self.leaving.remove(leaving))
        return leaving.task

    def in_the_way(self) -> list[asyncio.Task[None]]:
        """Ends that have to be waited for before the model may be loaded."""
        return [each.task for each in self.leaving if each.task and (self.current is not None or not each.draining)]
