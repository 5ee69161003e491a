"""The KV cache and the recurrent state, layer by layer, as llama.cpp allocates them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from jupyter_uml.loader.memory.shape import ModelShape
from jupyter_uml.types import EffectiveSettings, KvType

KV_BYTES: dict[KvType, float] = {"f16": 2.0, "q8_0": 34 / 32, "q4_0": 18 / 32}  # for each number
_PADDING = 256  # cells of a windowed layer come in multiples of it


def layer_bytes(shape: ModelShape, settings: EffectiveSettings, batch: int, flash: bool, whole: bool) -> list[int]:
    """Bytes for each layer. `whole`: windowed layers keep all tokens too, so that any prefix can be gone on from."""
    number = KV_BYTES[settings.kv_type]
    # Transposed values, which attention without flash needs, take the width of the widest layer.
    widest = 0 if flash else max((layer.values for layer in shape.layers), default=0)
    sizes = []
    for layer in shape.layers:
        values = max(layer.values, widest) if layer.values else 0
        cells = settings.n_ctx
        if layer.windowed and not whole:
            cells = min(cells, _padded(shape.window + batch))
        sizes.append(settings.n_parallel * (int((layer.keys + values) * number * cells) + layer.state))
    return sizes


def offloaded(sizes: Sequence[int], n_gpu_layers: int) -> int:
    """Of the layers' bytes those on the GPU: llama.cpp takes the output first, then layers from the last one on."""
    count = min(len(sizes), n_gpu_layers - 1 if n_gpu_layers >= 0 else len(sizes))
    return list(accumulate(reversed(sizes), initial=0))[max(0, count)]


def _padded(cells: int) -> int:
    return -(-cells // _PADDING) * _PADDING
