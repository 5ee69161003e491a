"""The seam between the client and whatever runs the models: HTTP to a server, or the loader in this process."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any, Protocol

from jupyter_uml.client.pulls import PullProgress
from jupyter_uml.types import Chunk, GenerateRequest, Hold, LoadSettings, MemoryEstimate, ModelStatus, Sample, Speed

HOLD = Hold()  # as configured
KERNEL_HEADER = "X-Jupyter-Kernel"  # whose notebook asks: models that it uses stay loaded while it lives


class Transport(Protocol):
    """Every method raises UmlErrors only."""

    async def health(self) -> dict[str, Any]:
        """`{"status", "version", "loaded": [ids], "memory": {"total_bytes", "available_bytes"}}`."""
        ...

    async def models(self) -> list[ModelStatus]: ...

    async def model(self, model: str) -> ModelStatus: ...

    async def estimate(self, model: str, settings: LoadSettings) -> MemoryEstimate: ...

    async def load(
        self, model: str, settings: LoadSettings, wait: bool = True, hold: Hold = HOLD, pin: bool | None = None
    ) -> ModelStatus:
        """`pin`: None leaves it as it is."""
        ...

    async def unload(self, model: str, force: bool = False) -> ModelStatus: ...

    async def history(self, model: str) -> list[Sample]:
        """Oldest first."""
        ...

    async def measure(self, model: str) -> Speed: ...

    def pull(self, name: str) -> AsyncGenerator[PullProgress, None]:
        """Begins a pull, or joins the one of this name; closing the generator ends nothing."""
        ...

    async def pulls(self) -> list[PullProgress]:
        """Those that run."""
        ...

    async def cancel_pull(self, pull_id: str) -> PullProgress: ...

    def generate(self, request: GenerateRequest) -> AsyncGenerator[Chunk, None]:
        """The answer in pieces; closing the generator stops the engine."""
        ...

    async def aclose(self) -> None: ...
