"""The seam between the client and whatever runs the models: HTTP to a server, or the loader in this process."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any, Protocol

from jupyter_uml.client.keys import ApiKey, NewKey, UsageTotal
from jupyter_uml.client.pulls import PullProgress
from jupyter_uml.types import (
    Chunk,
    GenerateRequest,
    Hold,
    LoadSettings,
    MemoryEstimate,
    ModelProfile,
    ModelStatus,
    Sample,
    Speed,
)

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

    async def profiles(self) -> list[ModelProfile]: ...

    async def save_profile(self, name: str, table: dict[str, Any]) -> ModelProfile:
        """`table`: as `PUT profiles/{name}` takes it."""
        ...

    async def delete_profile(self, name: str) -> ModelProfile: ...

    async def keys(self) -> list[ApiKey]: ...

    async def create_key(self, asked: dict[str, Any]) -> NewKey:
        """`asked`: as `POST keys` takes it."""
        ...

    async def expire_key(self, key_id: str, expires_in: float | str | None) -> ApiKey: ...

    async def revoke_key(self, key_id: str) -> ApiKey: ...

    async def usage(self, query: dict[str, str]) -> list[UsageTotal]:
        """`query`: as `GET usage` takes it."""
        ...

    async def aclose(self) -> None: ...
