"""Which sizes of models this machine could run, before there is a file.

Estimated as for a file, with the shapes of models that people run. Others of the same size differ by their KV cache.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jupyter_uml.loader.catalog.gguf_file import GgufFile, GgufTensor, Value
from jupyter_uml.loader.catalog.tensor_types import TENSOR_TYPES
from jupyter_uml.loader.memory.fit import DEFAULT_CONTEXT, fit
from jupyter_uml.loader.memory.gpus import find_gpus
from jupyter_uml.loader.memory.kv import KV_BYTES
from jupyter_uml.loader.memory.machine import PROCESS_BYTES, Machine, total_memory
from jupyter_uml.types import LoadSettings

CONTEXT = 8192  # tokens
QUANTISATIONS = ("Q4_K_M", "Q8_0", "F16")
_HEAD = 128  # numbers of an attention head; that many for keys and values are shared by groups of heads
_KV_HEADS = 8
_ALL_LAYERS = -1
_FOUR_BITS = 600_000_000  # bytes of a billion parameters
_FOR_OTHERS = 2 << 30  # bytes that a system and its programs take, at most an eighth of the memory
_TYPES = {kind.name: kind for kind in TENSOR_TYPES.values()}


@dataclass(frozen=True, slots=True)
class RunnableSize:
    """The largest model of a quantisation that fits, in billions of parameters; 0: not even the smallest.

    `weights`: bytes of its file. `on_gpu`: the largest that fits into GPU memory as a whole.
    """

    quantisation: str
    n_ctx: int
    billions: float
    weights: int
    on_gpu: float = 0


@dataclass(frozen=True, slots=True)
class _Shape:
    billions: float
    layers: int
    width: int
    heads: int
    hidden: int
    vocabulary: int
    tied: bool = False


_SHAPES = (
    _Shape(0.6, 28, 1024, 16, 3072, 151_936, tied=True),
    _Shape(1.7, 28, 2048, 16, 6144, 151_936, tied=True),
    _Shape(4, 36, 2560, 32, 9728, 151_936, tied=True),
    _Shape(8, 36, 4096, 32, 12_288, 151_936),
    _Shape(14, 40, 5120, 40, 17_408, 151_936),
    _Shape(24, 40, 5120, 32, 32_768, 131_072),
    _Shape(32, 64, 5120, 64, 25_600, 151_936),
    _Shape(70, 80, 8192, 64, 28_672, 128_256),
    _Shape(120, 88, 12_288, 96, 28_672, 32_768),
    _Shape(400, 126, 16_384, 128, 53_248, 128_256),
)


def fits_this_machine(size_bytes: int) -> bool:
    """Whether a model with files of that size could run here, with a usual context, if no other was loaded.

    Blocks at first: GPUs take half a second or more to be found.
    """
    total = total_memory()
    room = total - min(total // 8, _FOR_OTHERS) + _gpu_bytes()
    return size_bytes + _cache_bytes(size_bytes) + PROCESS_BYTES <= room


def _cache_bytes(size_bytes: int) -> int:
    """Of a usual context, in a model of so many bytes: guessed from the layers that such models have with four bits."""
    shapes = (shape for shape in _SHAPES if shape.billions * _FOUR_BITS >= size_bytes)
    layers = next(shapes, _SHAPES[-1]).layers
    return int(2 * KV_BYTES["f16"] * _KV_HEADS * _HEAD * layers * DEFAULT_CONTEXT)


@cache
def _gpu_bytes() -> int:
    return sum(gpu.total for gpu in find_gpus()) * 15 // 16


def runnable_sizes(machine: Machine, n_ctx: int = CONTEXT) -> tuple[RunnableSize, ...]:
    """One for each of `QUANTISATIONS`, for one conversation of so many tokens. Pure; takes some 10 ms."""
    return tuple(_largest(machine, quantisation, n_ctx) for quantisation in QUANTISATIONS)


def _largest(machine: Machine, quantisation: str, n_ctx: int) -> RunnableSize:
    billions, weights, on_gpu = 0.0, 0, 0.0
    for shape in _SHAPES:
        gguf = _file(shape, quantisation)
        if machine.gpus and _fits(gguf, machine, LoadSettings(n_ctx, 1, n_gpu_layers=_ALL_LAYERS)):
            on_gpu = shape.billions
        if not _fits(gguf, machine, LoadSettings(n_ctx, 1)):
            break
        billions, weights = shape.billions, gguf.size
    return RunnableSize(quantisation, n_ctx, billions, weights, on_gpu)


def _fits(gguf: GgufFile, machine: Machine, wishes: LoadSettings) -> bool:
    found = fit(gguf, machine, wishes)
    return found.fits and found.as_wished


def _file(shape: _Shape, quantisation: str) -> GgufFile:
    tensors = tuple(_placed(_tensors(shape, quantisation)))
    metadata: dict[str, Value] = {
        "general.architecture": "llama",
        "llama.block_count": shape.layers,
        "llama.embedding_length": shape.width,
        "llama.feed_forward_length": shape.hidden,
        "llama.attention.head_count": shape.heads,
        "llama.attention.head_count_kv": _KV_HEADS,
        "llama.attention.key_length": _HEAD,
        "llama.attention.value_length": _HEAD,
        "llama.context_length": 1 << 17,
        "tokenizer.ggml.tokens": shape.vocabulary,
        "tokenizer.ggml.merges": shape.vocabulary,
    }
    return GgufFile(Path(), sum(tensor.n_bytes for tensor in tensors), metadata, tensors)


def _tensors(shape: _Shape, quantisation: str) -> Iterator[tuple[str, tuple[int, int], str]]:
    """Name, shape and type. Q4_K_M keeps what matters most in six bits: the output, and half of some matrices."""
    usual, fine = ("Q4_K", "Q6_K") if quantisation == "Q4_K_M" else (quantisation, quantisation)
    width, keys = shape.width, _KV_HEADS * _HEAD
    yield "token_embd.weight", (width, shape.vocabulary), fine if shape.tied else usual
    for layer in range(shape.layers):
        better = fine if layer % 2 else usual
        block = f"blk.{layer}."
        yield f"{block}attn_q.weight", (width, shape.heads * _HEAD), usual
        yield f"{block}attn_k.weight", (width, keys), usual
        yield f"{block}attn_v.weight", (width, keys), better
        yield f"{block}attn_output.weight", (shape.heads * _HEAD, width), usual
        yield f"{block}ffn_gate.weight", (width, shape.hidden), usual
        yield f"{block}ffn_up.weight", (width, shape.hidden), usual
        yield f"{block}ffn_down.weight", (shape.hidden, width), better
    if not shape.tied:
        yield "output.weight", (width, shape.vocabulary), fine


def _placed(tensors: Iterator[tuple[str, tuple[int, int], str]]) -> Iterator[GgufTensor]:
    offset = 0
    for name, shape, type_name in tensors:
        kind = _TYPES[type_name]
        n_bytes = shape[0] * shape[1] // kind.block * kind.n_bytes
        yield GgufTensor(name, shape, type_name, n_bytes, offset)
        offset += n_bytes
