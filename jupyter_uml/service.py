"""What the product does, without any transport: HTTP handlers, sockets and a kernel without a server all call this."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial
from typing import Any, TypeVar

from jupyter_uml import __version__
from jupyter_uml.loader.catalog.catalog import Catalog, default_model_dir
from jupyter_uml.loader.hub.hub import Hub
from jupyter_uml.loader.hub.pull import Pulls
from jupyter_uml.loader.loader import UniversalLoader
from jupyter_uml.loader.memory.fit import available_memory, total_memory
from jupyter_uml.loader.prompt_cache import default_cache_dir, prompt_cache
from jupyter_uml.types import (
    Chunk,
    GenerateRequest,
    LoadSettings,
    ModelStatus,
    SideRequest,
)

R = TypeVar("R")


class Service:
    """The verbs of the product over one loader."""

    def __init__(self, loader: UniversalLoader, pulls: Pulls | None = None) -> None:
        self.loader = loader
        self.pulls = pulls or Pulls(Hub())

    @classmethod
    def create(cls) -> Service:
        """A service of its own, for a process without a server: the demo model and the default folder."""
        cache = partial(prompt_cache, default_cache_dir())
        return cls(UniversalLoader(Catalog([default_model_dir()]), cache))

    async def health(self) -> dict[str, Any]:
        return {
            "status": "ok",
            "version": __version__,
            "loaded": [status.id for status in self.loader.statuses() if status.state == "loaded"],
            "memory": {"total_bytes": total_memory(), "available_bytes": available_memory()},
        }

    async def models(self) -> list[ModelStatus]:
        return self.loader.statuses()

    async def model(self, model_id: str) -> ModelStatus:
        return self.loader.status(model_id)

    async def load(self, model: str, settings: LoadSettings | None = None, *, wait: bool = True) -> ModelStatus:
        return await self.loader.load(model, settings, wait=wait)

    async def unload(self, model: str, *, force: bool = False) -> ModelStatus:
        return await self.loader.unload(model, force=force)

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Chunk, None]:
        """The answer, chunk by chunk; the model is loaded first where it is not. Closing the generator cancels.

        Raises:
            UmlError: the request failed. Every request ends with exactly one final chunk or one error.
        """
        engine = await self.loader.engine(request.model)
        async with aclosing(engine.submit(request)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def compute(self, request: SideRequest[R]) -> R:
        """What is asked for beside answers; the model is loaded first where it is not. Cancelling the task cancels.

        Raises:
            UmlError: the request failed.
        """
        engine = await self.loader.engine(request.model)
        return await engine.compute(request)

    async def aclose(self) -> None:
        await self.pulls.close()
        await self.loader.close()
