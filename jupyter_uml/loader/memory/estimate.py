"""How much memory a model will take with given settings, part by part, before it is loaded.

Weights and the KV cache are counted: llama.cpp allocates them as the file says. Buffers, tables and the process are
guessed by rules that were found by measuring; a machine's own measurements correct them (`record.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from jupyter_uml.loader.catalog.gguf_file import GgufFile
from jupyter_uml.loader.memory.compute import MAX_AHEAD
from jupyter_uml.loader.memory.machine import Machine
from jupyter_uml.loader.memory.model import ModelMemory, uses_gpu
from jupyter_uml.loader.memory.part import Part, PartName
from jupyter_uml.loader.memory.projector import EMBEDDINGS_BYTES, projector_bytes
from jupyter_uml.types import EffectiveSettings

__all__ = ["NOTHING", "Companions", "Estimate", "Estimator", "Part", "PartName", "estimate"]

_GUESSED = frozenset[PartName]({"compute", "outputs", "tokenizer", "process"})
_LOADED_FIRST = frozenset[PartName]({"weights", "repacked", "tokenizer", "process"})


@dataclass(frozen=True, slots=True)
class Estimate:
    """Bytes. `peak`: what a load and one request make resident; `ram`: what has to be there for all that may come."""

    parts: tuple[Part, ...]
    dropped: int = 0  # pages of the file that are resident only while the model is loaded
    correction: int = 0  # what this machine's measurements add or take away, in RAM

    @property
    def peak(self) -> int:
        working = sum(part.ram for part in self.parts)
        loading = sum(part.ram for part in self.parts if part.name in _LOADED_FIRST) + self.dropped
        return max(working, loading) + self.correction

    @property
    def ram(self) -> int:
        return sum(part.ram + part.later - part.idle for part in self.parts) + self.correction

    @property
    def gpu(self) -> int:
        return sum(part.gpu for part in self.parts)

    @property
    def guessed(self) -> int:
        """Bytes of the peak that no file says and that measuring can correct."""
        return sum(part.ram for part in self.parts if part.name in _GUESSED)

    def part(self, name: PartName) -> int:
        """Bytes, in RAM and on GPUs."""
        return sum(part.ram + part.gpu for part in self.parts if part.name == name)

    def with_cache(self, n_bytes: int) -> Estimate:
        """With room for computed prompts that will be kept."""
        return replace(self, parts=(*self.parts, Part("cache", 0, later=n_bytes))) if n_bytes else self


@dataclass(frozen=True, slots=True)
class Companions:
    """What is loaded with a model. `cache_bytes`: of computed prompts that are kept in RAM, at most."""

    draft: GgufFile | None = None
    projector: GgufFile | None = None
    adapters: tuple[GgufFile, ...] = ()
    cache_bytes: int = 0


NOTHING = Companions()


def estimate(
    gguf: GgufFile, settings: EffectiveSettings, machine: Machine, companions: Companions = NOTHING
) -> Estimate:
    """What a worker will take once it has computed a prompt that fills its context.

    A split model has to be `joined` first. Requests for embeddings or scores of a model that writes take a second
    context, which is not counted.
    """
    return Estimator(gguf, machine, companions).of(settings)


class Estimator:
    """Estimates for one model with many settings."""

    def __init__(self, gguf: GgufFile, machine: Machine, companions: Companions = NOTHING) -> None:
        self._machine, self._companions = machine, companions
        self._model = ModelMemory(gguf, machine)
        self._draft = ModelMemory(companions.draft, machine) if companions.draft is not None else None
        self.shape = self._model.shape

    def of(self, settings: EffectiveSettings) -> Estimate:
        parts = [
            *self._model.parts(settings, MAX_AHEAD),
            *self._beside(settings),
            Part("process", self._machine.process),
        ]
        dropped = self._model.weights(settings.n_gpu_layers).dropped
        found = Estimate(tuple(part for part in parts if part.ram or part.gpu or part.later), dropped)
        return found.with_cache(self._companions.cache_bytes)

    def _beside(self, settings: EffectiveSettings) -> Iterator[Part]:
        companions = self._companions
        if self._draft is not None:
            yield _drafting(self._draft, settings)
        if companions.projector is not None:
            own, on_gpu = projector_bytes(companions.projector), uses_gpu(settings, self._machine)
            yield Part("projector", 0 if on_gpu else own, own if on_gpu else 0, later=EMBEDDINGS_BYTES)
        yield Part("adapters", sum(tensor.n_bytes for adapter in companions.adapters for tensor in adapter.tensors))


def _drafting(draft: ModelMemory, settings: EffectiveSettings) -> Part:
    """A second model in the same process, with the settings of `engine/draft_model.py`."""
    n_ctx = min(settings.n_ctx, draft.shape.n_ctx_train or settings.n_ctx)
    parts = list(draft.parts(replace(settings, n_ctx=n_ctx, kv_type="f16"), 0))
    return Part(
        "draft",
        ram=sum(part.ram for part in parts),
        gpu=sum(part.gpu for part in parts),
        idle=sum(part.idle for part in parts),
        later=sum(part.later for part in parts),
    )
