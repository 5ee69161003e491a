"""What a model is: its file, its settings, its state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal, Self

ModelState = Literal["available", "queued", "loading", "loaded", "unloading", "restarting", "failed"]
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
    n_batch: int | None = None  # tokens of a prompt that are computed in one go
    n_threads_batch: int | None = None  # threads that compute prompts; decoding takes `n_threads`

    def asked(self) -> dict[str, Any]:
        """Only the fields that were given, as JSON has them."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def given(self) -> dict[str, Any]:
        """The same as they are here; every request asks for it."""
        return {name: value for name in _LOAD_SETTINGS if (value := getattr(self, name)) is not None}

    def over(self, below: LoadSettings | None) -> LoadSettings:
        """These, and what they leave open from `below`."""
        return replace(below or LoadSettings(), **self.given())


_LOAD_SETTINGS = tuple(field.name for field in fields(LoadSettings))


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
    # Bytes of private memory, far more than it should take, at which the worker is refused more; None: no such limit.
    memory_limit: int | None = None
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
    n_batch: int = 0  # 0: as the engine finds best
    n_threads_batch: int = 0  # 0: as many as `n_threads`


@dataclass(frozen=True, slots=True)
class Hold:
    """How long a model stays loaded for those who use it.

    `keep_alive`: seconds without a request after which it is unloaded; 0: at once, -1: never, None: as configured.
    `kernel`: the id of the notebook kernel that uses it, for which it stays loaded while that kernel lives.
    """

    keep_alive: float | None = None
    kernel: str | None = None


@dataclass(frozen=True, slots=True)
class MemoryPart:
    """Bytes of what a model takes, by what it is for: `weights`, `kv_cache`, `compute`, …"""

    name: str
    ram: int
    gpu: int = 0
    needed: bool = True  # False: in what is left over, such as computed prompts, the `cache`


@dataclass(frozen=True, slots=True)
class MemoryEstimate:
    """Whether a model would fit, and how. It is a forecast for now: nothing is reserved.

    `settings`: with which it would be loaded; where `fits` is false, the least that was tried. `as_wished`: they are
    what was asked for. `needed_bytes` and `available_bytes` are of what was asked for and of what is short, RAM or GPU
    memory. `largest_context`: tokens for each sequence, with the other settings as they are; 0: none fits. `parts`: of
    `settings`; those that are `needed` sum up to `needed_bytes` where it fits as wished. `wished_parts`: of what was
    asked for, also where that does not fit. `unloads`: idle models that would have to make room.
    """

    model: str
    verdict: str  # in words, with figures
    fits: bool
    as_wished: bool
    settings: EffectiveSettings
    needed_bytes: int
    available_bytes: int
    largest_context: int
    parts: tuple[MemoryPart, ...] = ()
    unloads: tuple[str, ...] = ()
    wished_parts: tuple[MemoryPart, ...] = ()

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> Self:
        """The inverse of `dataclasses.asdict`; fields of a newer server are passed over."""
        known = {f.name: row[f.name] for f in fields(cls) if f.name in row}
        known["settings"] = _settings(known["settings"])
        for name in ("parts", "wished_parts"):
            known[name] = tuple(MemoryPart(**part) for part in known.get(name, ()))
        known["unloads"] = tuple(known.get("unloads", ()))
        return cls(**known)


@dataclass(frozen=True, slots=True)
class SpeedPoint:
    """One way to compute, and how fast it was. `batch`: prompt tokens in one go, or sequences side by side."""

    threads: int
    batch: int
    tokens_per_second: float  # of all sequences together


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast a loaded model computes on this machine: at short contexts, without drawing tokens and guessing ahead.

    `settings`: with which it ran. `advice`: `n_threads`, `n_threads_batch` and `n_batch` for the next load, None where
    there is nothing better than what is usual. `prefill_gain`, `decode_gain`: how many times as fast as with `settings`
    that is expected to be.
    """

    model: str
    settings: EffectiveSettings
    prefill: tuple[SpeedPoint, ...]
    decode: tuple[SpeedPoint, ...]  # one sequence, then as many as run side by side
    advice: LoadSettings
    prefill_gain: float
    decode_gain: float
    seconds: float  # that computing took
    time: float  # seconds since 1970

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> Self:
        """The inverse of `dataclasses.asdict`; fields of a newer server are passed over."""
        known = {f.name: row[f.name] for f in fields(cls) if f.name in row}
        known["settings"] = _settings(known["settings"])
        known["advice"] = LoadSettings(**known["advice"])
        for name in ("prefill", "decode"):
            known[name] = tuple(SpeedPoint(**point) for point in known[name])
        return cls(**known)


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What is known of a model's file before it is loaded. `kind`: `model`, `adapter`, `projector` or `other`."""

    kind: str
    architecture: str
    parameters: int
    quantisation: str
    n_ctx_train: int = 0
    can_use_tools: bool = False
    can_reason: bool = False
    can_see: bool = False


@dataclass(frozen=True, slots=True)
class Sample:
    """Figures of one worker at one time."""

    time: float  # seconds since 1970
    memory_bytes: int = 0
    gpu_memory_bytes: int | None = None  # None: not known
    cpu_percent: float = 0.0  # of one core
    tokens_per_second: float = 0.0  # of all answers together, since the sample before
    active: int = 0  # requests that are answered
    waiting: int = 0  # requests that wait for their first token
    first_token: float | None = None  # seconds to it, the median of those that had theirs since the sample before

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> Self:
        """The inverse of `dataclasses.asdict`; fields of a newer server are passed over."""
        return cls(**{f.name: row[f.name] for f in fields(cls) if f.name in row})


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What a model's file says about it."""

    architecture: str
    description: str
    parameters: int
    n_ctx_train: int
    size_bytes: int
    has_chat_template: bool
    sha256: str | None = None  # of the file that was loaded, where it is known without reading much
    chat_format: str = "plain"  # how the model writes tool calls and reasoning, by name
    can_reason: bool = False
    can_see: bool = False  # a projector for images is there
    can_infill: bool = False  # it has tokens for filling in the middle
    pooling: Pooling | None = None  # what the file says about embeddings; None: nothing
    template_sha256: str | None = None  # of the chat template in use, with the one for tools behind it if there are two
    engine: str | None = None  # what computes: builds, backends, instructions of the CPU; others may round otherwise

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> Self:
        """The inverse of `dataclasses.asdict`; fields of a newer server are passed over."""
        return cls(**{f.name: row[f.name] for f in fields(cls) if f.name in row})


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
    tokens_per_second: float | None = None  # all answers under way together, over the last seconds; None: idle
    settings: EffectiveSettings | None = None
    info: ModelInfo | None = None
    aliases: tuple[str, ...] = ()  # other names by which it can be asked for
    base: str | None = None  # of a profile: the model that is loaded for it
    facts: ModelFacts | None = None  # None: not read yet
    reason: str | None = None  # why it can never be loaded
    pinned: bool = False  # never unloaded to make room or for want of use
    kernels: int = 0  # notebooks that hold it
    expires_in: float | None = None  # seconds after which it is unloaded, if nobody asks; None: not at all
    estimated_bytes: int | None = None  # what it was expected to take, in RAM
    gpu_memory_bytes: int | None = None
    waiting: int = 0  # requests that wait for the model to be loaded
    sha256: str | None = None  # of its file, as far as it is known; of a model of one file only

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> Self:
        """The inverse of `dataclasses.asdict`; fields of a newer server are passed over."""
        known = {f.name: row[f.name] for f in fields(cls) if f.name in row}
        known["aliases"] = tuple(known.get("aliases", ()))
        if known.get("settings"):
            known["settings"] = _settings(known["settings"])
        if known.get("info"):
            known["info"] = ModelInfo.from_dict(known["info"])
        if known.get("facts"):
            known["facts"] = ModelFacts(**known["facts"])
        return cls(**known)


def _settings(row: Mapping[str, Any]) -> EffectiveSettings:
    return EffectiveSettings(**{**row, "lora": tuple(Lora(**lora) for lora in row.get("lora", ()))})
