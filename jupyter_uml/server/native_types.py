"""Bodies of the native routes."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from jupyter_uml.protocol.body import ModelBody, ModelId, StrictBody
from jupyter_uml.types import KvType, LoadSettings, Lora


class LoraBody(StrictBody):
    id: ModelId
    scale: Annotated[float, Field(ge=-100, le=100, allow_inf_nan=False)] = 1.0


class SettingsBody(ModelBody):
    """How a model is loaded."""

    n_ctx: Annotated[int, Field(ge=16, le=1 << 24)] | None = None
    n_parallel: Annotated[int, Field(ge=1, le=64)] | None = None
    n_threads: Annotated[int, Field(ge=1, le=512)] | None = None
    n_gpu_layers: Annotated[int, Field(ge=-1, le=1000)] | None = None
    kv_type: KvType | None = None
    draft_model: ModelId | None = None
    lora: Annotated[list[LoraBody], Field(max_length=16)] | None = None
    n_batch: Annotated[int, Field(ge=1, le=1 << 20)] | None = None
    n_threads_batch: Annotated[int, Field(ge=1, le=512)] | None = None

    @property
    def models(self) -> list[str]:
        """All that it names."""
        return [*filter(None, (self.model, self.draft_model)), *(lora.id for lora in self.lora or ())]

    def settings(self) -> LoadSettings:
        return LoadSettings(
            self.n_ctx,
            self.n_parallel,
            self.n_threads,
            self.n_gpu_layers,
            self.kv_type,
            self.draft_model,
            None if self.lora is None else tuple(Lora(lora.id, lora.scale) for lora in self.lora),
            self.n_batch,
            self.n_threads_batch,
        )


class LoadModelRequest(SettingsBody):
    """`pin`: never unload it by itself; false ends that. `wait`: answer when it is loaded."""

    pin: bool | None = None
    wait: bool = True


class UnloadModelRequest(StrictBody):
    model: ModelId
    force: bool = False
