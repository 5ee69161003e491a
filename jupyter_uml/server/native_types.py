"""Bodies of the native routes."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from jupyter_uml.types import KvType, LoadSettings

ModelId = Annotated[str, Field(min_length=1, max_length=256)]  # looked up among the catalog's, never a path


class StrictBody(BaseModel):
    """No field is passed over, none is of another type than it says."""

    model_config = ConfigDict(extra="forbid", strict=True, protected_namespaces=())


class LoadModelRequest(StrictBody):
    model: ModelId
    n_ctx: Annotated[int, Field(ge=16, le=1 << 24)] | None = None
    n_parallel: Annotated[int, Field(ge=1, le=64)] | None = None
    n_threads: Annotated[int, Field(ge=1, le=512)] | None = None
    n_gpu_layers: Annotated[int, Field(ge=-1, le=1000)] | None = None
    kv_type: KvType | None = None
    wait: bool = True

    def settings(self) -> LoadSettings:
        return LoadSettings(self.n_ctx, self.n_parallel, self.n_threads, self.n_gpu_layers, self.kv_type)


class UnloadModelRequest(StrictBody):
    model: ModelId
    force: bool = False
