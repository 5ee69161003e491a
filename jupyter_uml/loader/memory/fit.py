"""Does a model fit into this machine's memory, and if not as it was wished for, then how?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import product

from jupyter_uml.loader.catalog.gguf_file import GgufFile
from jupyter_uml.loader.memory.estimate import NOTHING, Companions, Estimate, Estimator
from jupyter_uml.loader.memory.machine import Machine, available_memory, default_threads, total_memory
from jupyter_uml.loader.memory.record import Experience
from jupyter_uml.loader.memory.shape import ModelShape
from jupyter_uml.types import EffectiveSettings, KvType, LoadSettings

__all__ = ["Fit", "available_memory", "default_threads", "fit", "readable", "total_memory"]

DEFAULT_CONTEXT, DEFAULT_PARALLEL = 4096, 4  # as `engine/model.py` has them
SMALLEST_CONTEXT = 256  # tokens
USEFUL_CONTEXT = 2048  # before the context gets shorter than this, the KV cache gets coarser
_UNIT = 256  # llama.cpp rounds contexts up to multiples of it
_SPARE_SHARE, _SPARE_BYTES = 1 / 32, 256 << 20  # of what is free, at most so much is left to everybody else
_GPU_SPARE = 1 / 16  # of a GPU's free memory: its driver takes some too
_COARSER: tuple[KvType, ...] = ("f16", "q8_0")


@dataclass(frozen=True, slots=True)
class Fit:
    """`settings`: with them the model fits; where `fits` is false, the least that was tried, and it does not.

    `as_wished`: they are what was asked for. `needed`, `available`: bytes of what is short, RAM or GPU memory, for what
    was asked for; where nothing fits, for the least that was tried. `largest_context`: tokens for each sequence, with
    the other settings as they are. `wished`: what that which was asked for takes, whether it fits or not.
    `cache_bytes`: for computed prompts, of what is left; nothing gives way for them.
    """

    verdict: str
    fits: bool
    as_wished: bool
    settings: EffectiveSettings
    estimate: Estimate
    needed: int
    available: int
    largest_context: int
    wished: Estimate
    cache_bytes: int = 0


def fit(
    gguf: GgufFile,
    machine: Machine,
    wishes: LoadSettings | None = None,
    companions: Companions = NOTHING,
    known: Experience | None = None,
) -> Fit:
    """The best way to load a model here. What was asked for is changed only where it does not fit.

    Then there are fewer sequences and a coarser KV cache, if neither was asked for, and at last a shorter context.
    """
    wishes, known = wishes or LoadSettings(), known or Experience()
    room, estimator = _Room(machine), Estimator(gguf, machine, replace(companions, cache_bytes=0))
    shape = estimator.shape

    def measure(settings: EffectiveSettings) -> Estimate:
        return known.corrected(estimator.of(settings))

    wanted = _wanted(wishes, shape)
    choices = [_layered(choice, wishes, shape, machine, measure) for choice in _choices(wanted, wishes)]
    chosen = _first_that_fits(choices, shape, room, measure)
    result = chosen or replace(choices[-1], n_ctx=min(SMALLEST_CONTEXT, wanted.n_ctx))
    wished = measure(choices[0])
    short = room.shortage(wished if chosen else measure(result))
    largest = _largest(result, shape, room, measure) if chosen else 0
    verdict = _verdict(chosen, choices[0], *short)
    as_wished = chosen == choices[0] and result.n_ctx >= (wishes.n_ctx or 0)
    taken = measure(result)
    cache = min(companions.cache_bytes, max(0, room.ram - taken.ram)) if chosen else 0
    return Fit(verdict, chosen is not None, as_wished, result, taken.with_cache(cache), *short, largest, wished, cache)


@dataclass(frozen=True, slots=True)
class _Room:
    machine: Machine

    @property
    def ram(self) -> int:
        free = self.machine.ram_available
        return free - min(_SPARE_BYTES, int(free * _SPARE_SHARE))

    @property
    def gpu(self) -> int:
        return int(self.machine.gpu_free * (1 - _GPU_SPARE))

    def holds(self, needed: Estimate) -> bool:
        return needed.ram <= self.ram and needed.gpu <= self.gpu

    def shortage(self, needed: Estimate) -> tuple[int, int]:
        """Needed and available: of GPU memory where that alone is short, else of RAM."""
        if needed.gpu > self.gpu and needed.ram <= self.ram:
            return needed.gpu, self.gpu
        return needed.ram, self.ram


Measure = Callable[[EffectiveSettings], Estimate]


def _wanted(wishes: LoadSettings, shape: ModelShape) -> EffectiveSettings:
    most = shape.n_ctx_train or DEFAULT_CONTEXT
    return EffectiveSettings(
        n_ctx=min(_rounded(wishes.n_ctx or min(most, DEFAULT_CONTEXT)), most),
        n_parallel=wishes.n_parallel or DEFAULT_PARALLEL,
        n_threads=wishes.n_threads or 1,
        n_gpu_layers=wishes.n_gpu_layers or 0,
        kv_type=wishes.kv_type or "f16",
        draft_model=wishes.draft_model,
        lora=wishes.lora or (),
        n_batch=wishes.n_batch or 0,
        n_threads_batch=wishes.n_threads_batch or 0,
    )


def _choices(wanted: EffectiveSettings, wishes: LoadSettings) -> Iterator[EffectiveSettings]:
    """Ways to load it, the wanted one first."""
    kinds = (wishes.kv_type,) if wishes.kv_type else _COARSER
    counts = (wishes.n_parallel,) if wishes.n_parallel else (DEFAULT_PARALLEL, 1)
    for kind, count in product(kinds, counts):
        yield replace(wanted, kv_type=kind, n_parallel=count)


def _layered(
    settings: EffectiveSettings, wishes: LoadSettings, shape: ModelShape, machine: Machine, measure: Measure
) -> EffectiveSettings:
    """As many layers on the GPUs as they hold, where it was not said how many."""
    if wishes.n_gpu_layers is not None or not machine.gpus:
        return settings
    room = _Room(machine)

    def fits(count: int) -> bool:
        return measure(replace(settings, n_gpu_layers=count)).gpu <= room.gpu

    return replace(settings, n_gpu_layers=_most(0, len(shape.layers) + 1, fits))


def _first_that_fits(
    choices: list[EffectiveSettings], shape: ModelShape, room: _Room, measure: Measure
) -> EffectiveSettings | None:
    for choice in choices:
        if room.holds(measure(choice)):
            return choice
    shorter = [replace(choice, n_ctx=_shorter(choice, shape, room, measure)) for choice in choices]
    useful = [choice for choice in shorter if choice.n_ctx >= USEFUL_CONTEXT]
    best = useful[0] if useful else max(shorter, key=lambda choice: choice.n_ctx)
    return best if best.n_ctx else None


def _shorter(settings: EffectiveSettings, shape: ModelShape, room: _Room, measure: Measure) -> int:
    return min(settings.n_ctx, _largest(settings, shape, room, measure))


def _largest(settings: EffectiveSettings, shape: ModelShape, room: _Room, measure: Measure) -> int:
    """Tokens of the longest context that fits; 0 where not even the shortest does."""
    most = shape.n_ctx_train or settings.n_ctx

    def fits(units: int) -> bool:
        return room.holds(measure(replace(settings, n_ctx=min(most, units * _UNIT))))

    units = _most(0, -(-most // _UNIT), fits)
    return min(most, units * _UNIT)


def _most(low: int, high: int, fits: Callable[[int], bool]) -> int:
    """The largest number up to `high` that fits, if each smaller one does; `low` is not asked about."""
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


def _verdict(chosen: EffectiveSettings | None, wanted: EffectiveSettings, needed: int, available: int) -> str:
    figures = f"needs {readable(needed)}, has {readable(available)}"
    if chosen is None:
        return f"does not fit: {figures}"
    if chosen == wanted:
        return f"fits: {figures}"
    changes = []
    if chosen.n_ctx < wanted.n_ctx:
        changes.append(f"{_tokens(chosen.n_ctx)} context")
    if chosen.n_parallel < wanted.n_parallel:
        changes.append("one sequence at a time")
    if chosen.kv_type == wanted.kv_type:
        return f"fits with {' and '.join(changes)}: else it {figures}"
    needs = f"needs {chosen.kv_type.split('_')[0]} KV"
    return f"{' and '.join([needs, *changes])}: else it {figures}"


def readable(n_bytes: int) -> str:
    """`812 MiB`, `7.9 GiB`."""
    if n_bytes < 1 << 30:
        return f"{max(0, n_bytes) / (1 << 20):.0f} MiB"
    return f"{n_bytes / (1 << 30):.1f} GiB"


def _tokens(count: int) -> str:
    return f"{count / 1024:.3g}k" if count >= 1024 else f"{count}-token"


def _rounded(n_ctx: int) -> int:
    return -(-n_ctx // _UNIT) * _UNIT
