"""The native types: what a request, a piece of an answer and a model are, in every layer and on both sides of the pipe.

They are plain frozen dataclasses, without defaults that depend on a machine and without behaviour that needs a library.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, Self

Role = Literal["system", "developer", "user", "assistant", "tool"]
FinishReason = Literal["stop", "length", "aborted"]
ModelState = Literal["available", "loading", "loaded", "unloading", "restarting", "failed"]
KvType = Literal["f16", "q8_0", "q4_0"]

MAX_STOP_STRINGS = 16


@dataclass(frozen=True, slots=True)
class Message:
    role: Role
    content: str
    name: str | None = None


@dataclass(frozen=True, slots=True)
class SamplingParams:
    """How the next token is chosen. None means: as the model's file recommends, else llama.cpp's own default."""

    max_tokens: int | None = None  # None: until the context is full
    temperature: float | None = None  # 0 takes the likeliest token
    top_k: int | None = None  # 0 switches it off
    top_p: float | None = None
    min_p: float | None = None
    seed: int | None = None  # None: a new one for each request
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    repeat_penalty: float = 1.0
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GenerateRequest:
    """One sequence to be generated: either `messages`, rendered by the model's chat template, or a raw `prompt`."""

    id: str
    model: str
    messages: tuple[Message, ...] = ()
    prompt: str | tuple[int, ...] | None = None
    params: SamplingParams = field(default_factory=SamplingParams)
    principal: str = "local"  # whose prefix cache is used


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one request. `cached_tokens` of the prompt's tokens were found in the KV cache."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds, measured in the engine."""

    queue: float = 0.0  # from arrival to the first prompt token
    first_token: float = 0.0  # from arrival to the first token of the answer
    total: float = 0.0

    def tokens_per_second(self, completion_tokens: int) -> float | None:
        """Decode rate: tokens after the first, over the time after the first."""
        span = self.total - self.first_token
        return (completion_tokens - 1) / span if completion_tokens > 1 and span > 0 else None


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of one answer. The last chunk of a request has `finish_reason`; no chunk follows it.

    `finish_reason` says why it ended, `stop_reason` which string or token did it.
    """

    request_id: str
    text: str = ""
    tokens: int = 0
    finish_reason: FinishReason | None = None
    stop_reason: str | int | None = None
    usage: Usage | None = None
    timings: Timings | None = None


@dataclass(frozen=True, slots=True)
class LoadSettings:
    """What a caller may ask for when a model is loaded. None: the loader or the model's file decides."""

    n_ctx: int | None = None  # tokens for each sequence, prompt and answer together
    n_parallel: int | None = None  # sequences that run side by side
    n_threads: int | None = None
    n_gpu_layers: int | None = None
    kv_type: KvType | None = None

    def asked(self) -> dict[str, Any]:
        """Only the fields that were given."""
        return {k: v for k, v in asdict(self).items() if v is not None}


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """All that a worker is told: it reads no environment, no argument and no configuration of its own."""

    id: str
    path: str
    settings: LoadSettings = field(default_factory=LoadSettings)
    memory_limit: int | None = None  # bytes that the load may take; None: not limited


@dataclass(frozen=True, slots=True)
class EffectiveSettings:
    """What a loaded model really runs with."""

    n_ctx: int
    n_parallel: int
    n_threads: int
    n_gpu_layers: int
    kv_type: KvType


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What a model's file says about it."""

    architecture: str
    description: str
    parameters: int
    n_ctx_train: int
    size_bytes: int
    has_chat_template: bool


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
            known["settings"] = EffectiveSettings(**known["settings"])
        if known.get("info"):
            known["info"] = ModelInfo(**known["info"])
        return cls(**known)
