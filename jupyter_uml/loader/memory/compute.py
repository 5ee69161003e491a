"""The buffers in which a batch is computed, as the engine asks llama.cpp for them.

llama.cpp plans its graph before it allocates, and gives memory that one node has done with to a later one. What is
left is the widest place of a layer, and what lives as long as the graph. The factors were found by comparing with what
llama.cpp logs (`compute buffer size`) for models of 40 shapes: within 5 % for attention and experts, up to a quarter
too much for recurrent layers.
"""

from __future__ import annotations

from jupyter_uml.loader.memory.shape import ModelShape
from jupyter_uml.types import EffectiveSettings

BATCH = 512  # tokens in one `llama_decode`, at most: as `engine/context.py` has it, like the next two
SMALLEST_BATCH = 64
SCORES_BYTES = 64 << 20
MAX_AHEAD = 48  # rows beside one for each sequence that may be sampled from, `engine/sequence.py`

_FLOAT, _HALF, _INDEX = 4, 2, 8  # bytes
_NODE = 1400  # of a node of the graph, in all places that keep it
_NODES_PER_TENSOR, _LEAST_NODES = 8, 1024  # as llama.cpp has them for most architectures
# For these the graph grows with the batch: nodes for each token, and for each tensor.
_LONG_GRAPHS = {
    **dict.fromkeys("qwen3next qwen35 qwen35moe qwen4exp kimi-linear bailingmoe3 deepseek4".split(), (40, 32)),
    **dict.fromkeys("nanbeige minimax-01 minimax-m3 hy_v4".split(), (40, 32)),
    **dict.fromkeys(("kimi-k3", "glm5-next"), (160, 64)),
}
_ATTENTION, _FEED_FORWARD, _RECURRENT = 5, 3, 5  # how many buffers of that width live at once at the widest place


def batch_tokens(shape: ModelShape, settings: EffectiveSettings, flash: bool) -> int:
    """Tokens that are computed together. Unless it was said how many, a long context without flash makes them fewer."""
    room = SCORES_BYTES // (_FLOAT * max(1, shape.first_heads) * max(1, settings.n_ctx))
    usual = BATCH if flash else max(SMALLEST_BATCH, min(BATCH, room // 64 * 64))
    return min(settings.n_ctx * settings.n_parallel, settings.n_batch or usual)


def compute_bytes(shape: ModelShape, n_ctx: int, batch: int, n_outputs: int, flash: bool) -> int:
    """Bytes on each device that computes layers."""
    cells = n_ctx if shape.has_cache else batch
    widest = max(_attention(shape, cells, flash), _feed_forward(shape, flash), _recurrent(shape))
    during = batch * (_inputs(shape, n_ctx, flash) + widest)
    return max(during, _FLOAT * (min(batch, n_outputs) * shape.vocabulary + batch * shape.width))


def graph_bytes(shape: ModelShape, batch: int) -> int:
    """Bytes in RAM for the graph itself, as large as the largest that may come."""
    per_token, per_tensor = _LONG_GRAPHS.get(shape.architecture, (0, _NODES_PER_TENSOR))
    return _NODE * max(_LEAST_NODES, per_token * batch, per_tensor * shape.tensors)


def work_bytes(shape: ModelShape, n_ctx: int, batch: int, flash: bool) -> int:
    """Bytes in which the CPU keeps one operand of a product, in half precision, beside the graph's buffers."""
    scores = 0 if flash else shape.heads * (n_ctx if shape.has_cache else batch)
    return _HALF * batch * max(scores, shape.hidden, shape.width)


def input_bytes(shape: ModelShape, n_ctx: int, batch: int, flash: bool) -> int:
    """Bytes in RAM where all layers are computed elsewhere."""
    return batch * (_inputs(shape, n_ctx, flash) + 2 * _FLOAT * shape.width)


def output_bytes(shape: ModelShape, n_outputs: int) -> int:
    """Bytes of the logits that are handed over."""
    return _FLOAT * shape.vocabulary * n_outputs


# For each token of a batch:


def _inputs(shape: ModelShape, n_ctx: int, flash: bool) -> int:
    """Masks, and the cells that values are written to, one by one where they are stored transposed."""
    if not any(layer.keys for layer in shape.layers):
        return 0
    kinds = 2 if any(layer.windowed for layer in shape.layers) else 1
    if flash:
        return kinds * _HALF * n_ctx
    return kinds * (_FLOAT * n_ctx + _INDEX * max(layer.values for layer in shape.layers))


def _attention(shape: ModelShape, cells: int, flash: bool) -> int:
    width = max(shape.width, shape.heads * shape.head_size)
    scores = 0 if flash else shape.heads * cells
    return _FLOAT * (scores + _ATTENTION * width)


def _feed_forward(shape: ModelShape, flash: bool) -> int:
    beside = _FEED_FORWARD + 1 if flash else _FEED_FORWARD
    return _FLOAT * (_FEED_FORWARD * shape.hidden + beside * shape.width)


def _recurrent(shape: ModelShape) -> int:
    return _FLOAT * (_RECURRENT * shape.inner + _FEED_FORWARD * shape.width) if shape.inner else 0
