"""What one model takes in a worker, apart from the worker itself and what is loaded beside the model."""

from __future__ import annotations

from collections.abc import Iterator

from jupyter_uml.loader.catalog.gguf_file import GgufFile
from jupyter_uml.loader.memory.compute import (
    batch_tokens,
    compute_bytes,
    graph_bytes,
    input_bytes,
    output_bytes,
    work_bytes,
)
from jupyter_uml.loader.memory.kv import layer_bytes, offloaded
from jupyter_uml.loader.memory.machine import Machine
from jupyter_uml.loader.memory.part import Part
from jupyter_uml.loader.memory.shape import shape_of
from jupyter_uml.loader.memory.weights import WeightBytes, weight_bytes
from jupyter_uml.types import EffectiveSettings

WINDOWS_WHOLE = True  # `swa_full`, as `engine/context.py` leaves it
# Tables of the tokenizer in llama.cpp, and what the engine makes of them: found by measuring.
_TABLES, _TOKEN, _MERGE = 7 << 20, 118, 170  # bytes in all, for each token, for each merge


class ModelMemory:
    """Answers for any settings; the file's tensors are gone through once for each number of layers on the GPU."""

    def __init__(self, gguf: GgufFile, machine: Machine) -> None:
        self.shape = shape_of(gguf)
        self._gguf, self._machine = gguf, machine
        self._weights: dict[int, WeightBytes] = {}

    def weights(self, n_gpu_layers: int) -> WeightBytes:
        if n_gpu_layers not in self._weights:
            machine, n_layers = self._machine, len(self.shape.layers)
            found = weight_bytes(self._gguf, n_layers, n_gpu_layers, machine.repacking, bool(machine.gpus))
            self._weights[n_gpu_layers] = found
        return self._weights[n_gpu_layers]

    def parts(self, settings: EffectiveSettings, n_ahead: int) -> Iterator[Part]:
        """`n_ahead`: rows beside one for each sequence that may be sampled from in a batch."""
        weights = self.weights(settings.n_gpu_layers)
        yield Part("weights", weights.mapped, weights.gpu, weights.idle)
        yield Part("repacked", weights.repacked)
        yield from self._context(settings, n_ahead)
        yield Part("tokenizer", _TABLES + _TOKEN * self.shape.vocabulary + _MERGE * self.shape.merges)

    def _context(self, settings: EffectiveSettings, n_ahead: int) -> Iterator[Part]:
        flash = uses_flash(settings)
        batch = batch_tokens(self.shape, settings, flash)
        sizes = layer_bytes(self.shape, settings, batch, flash, WINDOWS_WHOLE)
        moved = offloaded(sizes, settings.n_gpu_layers) if uses_gpu(settings, self._machine) else 0
        yield Part("kv_cache", sum(sizes) - moved, moved)
        yield self._compute(settings, n_ahead, batch, flash)
        yield Part("outputs", output_bytes(self.shape, settings.n_parallel), later=output_bytes(self.shape, n_ahead))

    def _compute(self, settings: EffectiveSettings, n_ahead: int, batch: int, flash: bool) -> Part:
        """RAM is taken when it is written to, and a request writes one row of logits; a GPU's memory at once."""
        shape, n_ctx, now = self.shape, settings.n_ctx, settings.n_parallel
        used, reserved = (compute_bytes(shape, n_ctx, batch, rows, flash) for rows in (now, now + n_ahead))
        on_gpu = reserved * len(self._machine.gpus) if uses_gpu(settings, self._machine) else 0
        graph = graph_bytes(shape, batch)
        if on_gpu and not 0 <= settings.n_gpu_layers <= len(shape.layers):
            return Part("compute", graph + input_bytes(shape, n_ctx, batch, flash), on_gpu)
        return Part("compute", graph + used + work_bytes(shape, n_ctx, batch, flash), on_gpu, later=reserved - used)


def uses_flash(settings: EffectiveSettings) -> bool:
    """Whether attention is computed without keeping all scores, as `engine/context.py` chooses."""
    return settings.n_gpu_layers != 0 or settings.kv_type != "f16"


def uses_gpu(settings: EffectiveSettings, machine: Machine) -> bool:
    return bool(machine.gpus) and settings.n_gpu_layers != 0
