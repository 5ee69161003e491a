"""The seam between the client and whatever runs the models: HTTP to a server, or the loader in this process."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Any, Protocol

from jupyter_uml.client.health import Health
from jupyter_uml.client.keys import ApiKey, NewKey, UsageTotal
from jupyter_uml.client.pulls import PullProgress
from jupyter_uml.types import (
    Chunk,
    GenerateRequest,
    GenerationStatus,
    Hold,
    LoadSettings,
    MemoryEstimate,
    ModelProfile,
    ModelStatus,
    RunningAnswer,
    Sample,
    Speed,
)

HOLD = Hold()  # as configured
GENERATION_HEADER, LABEL_HEADER = "X-Generation-Id", "X-Generation-Label"  # of answers that are kept
LAST_EVENT_HEADER = "Last-Event-ID"
KERNEL_HEADER = "X-Jupyter-Kernel"  # whose notebook asks: models that it uses stay loaded while it lives


class Transport(Protocol):
    """Every method raises UmlErrors only."""

    async def health(self) -> Health: ...

    async def models(self, refresh: bool = False) -> list[ModelStatus]: ...

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
        """The answer in pieces; closing the generator stops the engine. Where the request has a label, the answer is
        kept under the request's id: closing ends nothing then, `stop` does."""
        ...

    async def generations(self, kernel: str | None = None) -> list[GenerationStatus]:
        """Answers that run or are kept, the newest first: all of this user's, or those that one kernel asked for."""
        ...

    async def generation(self, generation_id: str) -> GenerationStatus: ...

    def follow(self, generation_id: str, after: int = 0) -> AsyncGenerator[Chunk, None]:
        """An answer that is kept, in pieces, as it was and as it goes on; closing the generator ends nothing.

        `after`: the number of the piece to go on after.
        """
        ...

    async def stop(self, generation_id: str) -> GenerationStatus:
        """Ends it; what has come is kept. One that has ended is forgotten."""
        ...

    def events(self) -> AsyncGenerator[Mapping[str, Any], None]:
        """What the server says of itself, as `GET events` has it: everything, then what changes. It does not end by
        itself, only by an error."""
        ...

    async def running(self) -> list[RunningAnswer]: ...

    async def stop_running(self, running_id: str) -> RunningAnswer: ...

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

    # --- what is asked of models beside answers -------------------------------------------------

    async def whole(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """What the endpoint of this path, such as `v1/embeddings`, answers to `body` as a whole."""
        ...
