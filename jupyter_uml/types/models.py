"""What a model is: its file, its settings, its state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, Self

ModelState = Literal["available", "loading", "loaded", "unloading", "restarting", "failed"]
KvType = Literal["f16", "q8_0", "q4_0"]
Pooling = Literal["mean", "cls", "last", "rank"]


@dataclass(frozen=True, slots=True)
class Lora:
    """A LoRA adapter of the catalog, and how strongly it is applied."""

    id: str
    scale: float = 1.0


@dataclass(frozen=True, slots=True)
class LoadSettings:
    """What a caller may ask for when a model is loaded. None: the loader or the model's file decides."""

    n_ctx: int | None = None  # tokens for each sequence, prompt and answer together
    n_parallel: int | None = None  # sequences that run side by side
    n_threads: int | None = None
    n_gpu_layers: int | None = None
    kv_type: KvType | None = None
    draft_model: str | None = None  # id of a smaller model of the same family, which guesses ahead
    lora: tuple[Lora, ...] | None = None

    def asked(self) -> dict[str, Any]:
        """Only the fields that were given."""
        return {k: v for k, v in asdict(self).items() if v is not None}


@dataclass(frozen=True, slots=True)
class CacheSettings:
    """Where a worker keeps the computed states of prompts beside its KV cache, and how many bytes of them."""

    ram_bytes: int = 0
    folder: str | None = None  # None: nothing is written to disk
    disk_bytes: int = 0
    worth_seconds: float = 0.5  # a prompt that takes longer to compute is written to disk


@dataclass(frozen=True, slots=True)
class LoraFile:
    """A LoRA adapter to be applied to a model, and how strongly."""

    id: str
    path: str
    scale: float = 1.0


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """All that a worker is told: it reads no environment, no argument and no configuration of its own."""

    id: str
    path: str
    settings: LoadSettings = field(default_factory=LoadSettings)
    memory_limit: int | None = None  # bytes that the load may take; None: not limited
    cache: CacheSettings = field(default_factory=CacheSettings)
    lora: tuple[LoraFile, ...] = ()
    draft_path: str | None = None  # the draft model's file
    projector_path: str | None = None  # the file by which the model sees images


@dataclass(frozen=True, slots=True)
class EffectiveSettings:
    """What a loaded model really runs with."""

    n_ctx: int
    n_parallel: int
    n_threads: int
    n_gpu_layers: int
    kv_type: KvType
    draft_model: str | None = None
    lora: tuple[Lora, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What a model's file says about it."""

    architecture: str
    description: str
    parameters: int
    n_ctx_train: int
    size_bytes: int
    has_chat_template: bool
    sha256: str | None = None  # of the file, where it is known without reading all of it
    chat_format: str = "plain"  # how the model writes tool calls and reasoning, by name
    can_reason: bool = False
    can_see: bool = False  # a projector for images is there
    can_infill: bool = False  # it has tokens for filling in the middle
    pooling: Pooling | None = None  # what the file says about embeddings; None: nothing


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """A row of `GET models`."""

    id: str
    state: ModelState
    size_bytes: int
    source: str
    progress: float | None = None  # 0 to 1 while loading
    error: Mapping[str, Any] | None = None  # why the state is `failed`
    pid: int | None = None
    memory_bytes: int | None = None  # private and shared pages in use by the worker
    active: int = 0  # requests running or queued
    tokens_per_second: float | None = None  # all answers together, over the last seconds
    settings: EffectiveSettings | None = None
    info: ModelInfo | None = None

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> Self:
        """The inverse of `dataclasses.asdict`; fields of a newer server are passed over."""
        known = {f.name: row[f.name] for f in fields(cls) if f.name in row}
        if known.get("settings"):
            settings = dict(known["settings"])
            settings["lora"] = tuple(Lora(**lora) for lora in settings.get("lora", ()))
            known["settings"] = EffectiveSettings(**settings)
        if known.get("info"):
            known["info"] = ModelInfo(**known["info"])
        return cls(**known)
