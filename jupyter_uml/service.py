"""What the product does, without any transport: HTTP handlers, sockets and a kernel without a server all call this."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, aclosing
from functools import partial
from importlib.metadata import version
from typing import Any, Self, TypeVar

from jupyter_uml import __version__
from jupyter_uml.access import Slot, Turns, expected_tokens
from jupyter_uml.access.turns import Lane
from jupyter_uml.defaults import KEEP_ALIVE, QUEUE_SECONDS, default_cache_dir, default_model_dir
from jupyter_uml.loader.catalog.catalog import Catalog
from jupyter_uml.loader.catalog.defaults import with_defaults
from jupyter_uml.loader.handle import EngineHandle
from jupyter_uml.loader.hub.hub import Hub
from jupyter_uml.loader.hub.pull import Pulls, id_in
from jupyter_uml.loader.loader import UniversalLoader
from jupyter_uml.loader.memory.machine import available_memory, total_memory
from jupyter_uml.loader.memory.model_sizes import fits_this_machine
from jupyter_uml.loader.memory.planner import Planner
from jupyter_uml.loader.memory.record import MemoryRecords, default_records_path
from jupyter_uml.loader.profiles import Profiles
from jupyter_uml.loader.prompt_cache import prompt_cache
from jupyter_uml.loader.speed import SpeedRecords, default_speeds_path, threads_to_try
from jupyter_uml.types import (
    CacheSettings,
    Chunk,
    GenerateRequest,
    Hold,
    LoadSettings,
    MeasureRequest,
    MemoryEstimate,
    ModelProfile,
    ModelStatus,
    Priority,
    Sample,
    SideRequest,
    Speed,
)

R = TypeVar("R")


class Service:
    """The verbs of the product over one loader."""

    def __init__(
        self,
        loader: UniversalLoader,
        pulls: Pulls | None = None,
        speeds: SpeedRecords | None = None,
        turns: Turns | None = None,
    ) -> None:
        """`speeds`: where measurements are noted; the loader's planner should read there."""
        self.loader, self._speeds = loader, speeds
        self.turns = turns or Turns()
        self.pulls = pulls or Pulls(Hub())
        self._profiles = Profiles(loader.catalog)

    @classmethod
    def over(
        cls,
        catalog: Catalog,
        cache: Callable[[], CacheSettings],
        *,
        hub: Hub | None = None,
        limit: int | None = None,
        keep_alive: float = KEEP_ALIVE,
        queue_seconds: float = QUEUE_SECONDS,
        turns: Turns | None = None,
    ) -> Self:
        """With what this user's servers have learned about memory and speed. `limit`: bytes of RAM that all models
        together may take, None: as much as there is; `turns`: who waits how; for the others see `UniversalLoader`."""
        speeds = SpeedRecords(default_speeds_path())
        records = MemoryRecords(default_records_path())
        planner = Planner(catalog, cache, records=records, speeds=speeds, limit=limit)
        loader = UniversalLoader(catalog, planner=planner, keep_alive=keep_alive, queue_seconds=queue_seconds)
        return cls(loader, Pulls(hub or Hub(), fits_this_machine, id_in(catalog)), speeds, turns)

    @classmethod
    def create(cls) -> Self:
        """A service of its own, for a process without a server: this user's models and profiles."""
        return cls.over(Catalog.of_user([default_model_dir()]), partial(prompt_cache, default_cache_dir()))

    @property
    def origin(self) -> Service:
        return self

    async def health(self) -> dict[str, Any]:
        return {
            "status": "ok",
            "version": __version__,
            "engine": f"llama-cpp-python {version('llama-cpp-python')}, jupyter_uml {__version__}",
            "loaded": [status.id for status in self.loader.statuses() if status.state == "loaded"],
            "memory": {"total_bytes": total_memory(), "available_bytes": available_memory()},
        }

    async def models(self, refresh: bool = False) -> list[ModelStatus]:
        """`refresh`: looks at the disks first; otherwise what came there is listed within two seconds."""
        await self.loader.start()
        if refresh:
            await self.loader.look()
        return self.loader.statuses()

    async def model(self, model_id: str) -> ModelStatus:
        return self.loader.status(model_id)

    async def history(self, model_id: str) -> list[Sample]:
        """The model's figures of the last hour, oldest first."""
        status = self.loader.status(model_id)
        return self.loader.monitor.history(status.base or status.id)

    async def estimate(self, model: str, settings: LoadSettings | None = None) -> MemoryEstimate:
        """Whether the model would fit, and how; nothing is loaded."""
        return await self.loader.estimate(model, settings)

    async def load(
        self,
        model: str,
        settings: LoadSettings | None = None,
        *,
        wait: bool = True,
        hold: Hold | None = None,
        pin: bool | None = None,
    ) -> ModelStatus:
        """`pin`: whether it is never unloaded to make room or for want of use; None: as it is."""
        return await self.loader.load(model, settings, wait=wait, hold=hold, pin=pin)

    async def unload(self, model: str, *, force: bool = False) -> ModelStatus:
        return await self.loader.unload(model, force=force)

    async def measure(self, model: str) -> Speed:
        """How fast the model computes here, in about 5 s; it is loaded first where it is not. Requests go first.

        Its next load makes use of what was found.

        Raises:
            InvalidRequest: it cannot write.
            ModelBusy: it has too much else to do, or is being measured already.
            UmlError: as a load.
        """
        async with self.loader.use(model) as engine:
            entry = self.loader.catalog.get(model)
            measured = await engine.compute(MeasureRequest("measurement", model, threads_to_try(entry)))
        if self._speeds is not None:
            await asyncio.to_thread(self._speeds.add, entry, measured.speed)
        return measured.speed

    async def profiles(self) -> list[ModelProfile]:
        """The named settings of this user."""
        await self.loader.start()
        return self._profiles.all()

    async def save_profile(self, name: str, table: Mapping[str, Any]) -> ModelProfile:
        """Write a profile, or replace it. `table`: what stands in its file."""
        return await self._profiles.save(name, table)

    async def delete_profile(self, name: str) -> ModelProfile:
        return await self._profiles.delete(name)

    def release(self, kernel: str) -> None:
        """A notebook's kernel has ended; what it held may go."""
        self.loader.release(kernel)

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Chunk, None]:
        """The answer, chunk by chunk; the model is loaded first where it is not. Closing the generator cancels.

        Raises:
            Overloaded: too many wait for this model.
            UmlError: the request failed. Every request ends with exactly one final chunk or one error.
        """
        async with (
            self.loader.use(request.model, request.hold) as engine,
            self._turn(engine, request, request.principal, request.priority) as turn,
            # The turn ends with the engine's work: a slow reader keeps nobody waiting.
            aclosing(engine.submit(with_defaults(self.loader.catalog, request), turn.end)) as chunks,
        ):
            async for chunk in chunks:
                if chunk.usage is not None:
                    turn.settle(chunk.usage.total_tokens)
                yield chunk

    async def compute(self, request: SideRequest[R], principal: str = "local") -> R:
        """What is asked for beside answers; the model is loaded first where it is not. Cancelling the task cancels.

        Raises:
            Overloaded: too many wait for this model.
            UmlError: the request failed.
        """
        async with self.loader.use(request.model, request.hold) as engine, self._turn(engine, request, principal):
            return await engine.compute(with_defaults(self.loader.catalog, request))

    def _turn(
        self,
        engine: EngineHandle,
        request: GenerateRequest | SideRequest[Any],
        principal: str,
        priority: Priority = "interactive",
    ) -> AbstractAsyncContextManager[Slot]:
        """In line with all others who want the same of this engine."""
        lane: Lane = "answers" if isinstance(request, GenerateRequest) else "side"
        cost, side_by_side = expected_tokens(request), engine.settings.n_parallel
        return self.turns.slot(engine, side_by_side, principal, cost, priority, lane)

    async def aclose(self) -> None:
        await self.pulls.close()
        await self.loader.close()
