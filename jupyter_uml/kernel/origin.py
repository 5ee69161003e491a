"""What answers: a model as it is loaded, or as it was when it was loaded last."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol, Self

from jupyter_uml.client import AsyncUniversalClient
from jupyter_uml.kernel.digests import digest, plain
from jupyter_uml.types import ModelProfile, ModelStatus

# Of `EffectiveSettings`: how work is shared out changes no answer that is computed alone.
_ALL_THE_SAME = {"n_parallel", "n_threads", "n_threads_batch"}


@dataclass(frozen=True, slots=True)
class Origin:
    """Another origin may answer otherwise. None: not known. `settings`: the effective ones that change answers, and a
    digest of the profile if the model is asked for by one."""

    model: str
    model_sha256: str | None = None
    template_sha256: str | None = None
    engine: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, status: ModelStatus, profile: ModelProfile | None = None) -> Self:
        """`info` is of the file that was loaded, whatever is in its place by now."""
        info = status.info
        settings = asdict(status.settings) if status.settings else {}
        kept = {name: v for name, v in settings.items() if name not in _ALL_THE_SAME and v not in (None, ())}
        if profile is not None:
            kept["profile"] = digest([profile.model, dict(profile.sampling), profile.system_prompt])
        if info is None:
            return cls(status.id, status.sha256, settings=plain(kept))
        return cls(status.id, info.sha256 or status.sha256, info.template_sha256, info.engine, plain(kept))

    @property
    def whole(self) -> bool:
        """Whether enough is known to say that something else is the same."""
        return self.model_sha256 is not None and self.engine is not None


class Memory(Protocol):
    """Where it is noted how models were loaded last."""

    def last_origin(self, name: str) -> Origin | None: ...

    def note_origin(self, name: str, origin: Origin) -> None: ...


async def origin_of(client: AsyncUniversalClient, model: str, memory: Memory | None = None) -> Origin:
    """What answers where `model` is asked. Nothing is loaded for it: of a model that is not, what `memory` has.

    Raises:
        UmlError: there is no such model, no server that answers, …
    """
    status = await client.model(model)
    profiles = await client.profiles() if status.base else []
    origin = Origin.of(status, next((row for row in profiles if row.id == status.id), None))
    if memory is None or origin.model_sha256 is None:
        return origin
    name = digest([origin.model, origin.model_sha256, origin.settings.get("profile")])
    if origin.whole:
        memory.note_origin(name, origin)
        return origin
    last = memory.last_origin(name)
    if last is None or last.engine is None:
        return origin
    installed = (await client.health()).engine
    return last if installed and last.engine.startswith(f"{installed},") else origin
