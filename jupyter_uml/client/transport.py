"""The seam between the client and whatever runs the models: HTTP to a server, or the loader in this process."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any, Protocol

from jupyter_uml.types import Chunk, GenerateRequest, LoadSettings, ModelStatus


class Transport(Protocol):
    """Every method raises UmlErrors only."""

    async def health(self) -> dict[str, Any]:
        """`{"status", "version", "loaded": [ids], "memory": {"total_bytes", "available_bytes"}}`."""
        ...

    async def models(self) -> list[ModelStatus]: ...

    async def model(self, model: str) -> ModelStatus: ...

    async def load(self, model: str, settings: LoadSettings, wait: bool = True) -> ModelStatus: ...

    async def unload(self, model: str, force: bool = False) -> ModelStatus: ...

    def generate(self, request: GenerateRequest) -> AsyncGenerator[Chunk, None]:
        """The answer in pieces; closing the generator stops the engine."""
        ...

    async def aclose(self) -> None: ...
