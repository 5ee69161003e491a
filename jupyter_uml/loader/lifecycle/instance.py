"""A worker that runs: with what it was planned, and how many use it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from jupyter_uml.errors import UmlError
from jupyter_uml.loader.handle import EngineHandle
from jupyter_uml.loader.lifecycle.wishes import covered, satisfied
from jupyter_uml.loader.memory.ledger import Promise
from jupyter_uml.loader.memory.planner import Plan
from jupyter_uml.types import LoadSettings

FILLED = 0.9  # of the context


class Instance:
    """Whoever sends requests to its engine does so inside `using`."""

    def __init__(self, wishes: LoadSettings, plan: Plan, engine: EngineHandle, promise: Promise) -> None:
        """`wishes`: what it was loaded for."""
        self.wishes, self.plan, self.engine, self.promise = wishes, plan, engine, promise
        self.learned = False  # what it takes has been noted
        self._users = 0
        self._hurried = False
        self._unused = asyncio.Event()
        self._unused.set()

    @property
    def busy(self) -> bool:
        return self._users > 0 or self.engine.active > 0

    @property
    def filled(self) -> bool:
        """Whether a prompt that nearly filled the context was computed, so that all buffers have been used."""
        return self.engine.longest >= FILLED * self.engine.settings.n_ctx

    def satisfies(self, wishes: LoadSettings) -> bool:
        return covered(self.wishes, wishes) or satisfied(self.engine.settings, wishes)

    @contextmanager
    def using(self) -> Iterator[EngineHandle]:
        self._users += 1
        self._unused.clear()
        try:
            yield self.engine
        finally:
            self._users -= 1
            if not self._users:
                self._unused.set()

    async def drained(self) -> None:
        """Returns when nobody uses it, or nobody is to be waited for."""
        while self.busy and not self._hurried:
            await self._unused.wait()
            await self.engine.drained()

    def fail_all(self, error: UmlError) -> None:
        """End every request now; who has begun one is not waited for."""
        self._hurried = True
        self.engine.fail_all(error)
        self._unused.set()

    async def close(self) -> None:
        """End the worker. What it was promised is free when this returns."""
        try:
            await self.engine.close()
        finally:
            self.promise.release()
