"""Where the weights of a model end up: mapped from the file, copied in another order for the CPU, or on the GPU."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from jupyter_uml.loader.catalog.gguf_file import GgufFile, GgufTensor

_BLOCK = re.compile(r"blk\.(\d+)\.")
_INPUTS = ("token_embd.", "token_embd_norm.", "position_embd.", "token_types.", "per_layer_token_embd.")
_LAZY_BYTES = 4 << 30  # a table of embeddings for each layer that is larger is read as it is needed
_TABLE = "per_layer_token_embd."


@dataclass(frozen=True, slots=True)
class WeightBytes:
    """`mapped`: pages of the file, of which `idle` hold what was copied elsewhere. `repacked`: copies for the CPU.

    `dropped`: further pages, which are resident only until all weights are in place.
    """

    mapped: int
    idle: int
    dropped: int
    repacked: int
    gpu: int


def weight_bytes(
    gguf: GgufFile, n_layers: int, n_gpu_layers: int, repacking: Mapping[str, int], has_gpu: bool
) -> WeightBytes:
    """`repacking`: types that this CPU computes faster in another order → rows that are interleaved.

    llama.cpp maps the whole file. Weights for the GPU are copied there, others are repacked where there is no GPU at
    all. Then it gives up what lies before the first and after the last weight that stays where it is; the kernel drops
    the pages between when memory is short.
    """
    tied = not any(tensor.name == "output.weight" for tensor in gguf.tensors)
    first_on_gpu = _first_on_gpu(n_layers, n_gpu_layers) if has_gpu else sys.maxsize
    used, repacked, gpu = list[GgufTensor](), 0, 0
    resident = [tensor for tensor in gguf.tensors if not _is_read_lazily(tensor)]
    for tensor in resident:
        again = tied and tensor.name == "token_embd.weight"  # a copy of it is the output
        if _layer(tensor, n_layers) >= first_on_gpu:
            gpu += tensor.n_bytes
        elif has_gpu or not _is_repacked(tensor, repacking):
            used.append(tensor)
            gpu += tensor.n_bytes if again and n_layers >= first_on_gpu else 0
            repacked += tensor.n_bytes if again and not has_gpu and _fits(tensor, repacking) else 0
        else:
            repacked += tensor.n_bytes
    mapped, total = _spanned(used), sum(tensor.n_bytes for tensor in resident)
    kept = sum(tensor.n_bytes for tensor in used)
    return WeightBytes(mapped, max(0, mapped - kept), max(0, total - mapped), repacked, gpu)


def _spanned(tensors: Iterable[GgufTensor]) -> int:
    """Bytes from the first to the last of them. Where offsets begin anew there begins another file of a split model."""
    total, start, end = 0, 0, 0
    for tensor in tensors:
        if tensor.offset < end or not total + end:
            total, start = total + end - start, tensor.offset
        end = tensor.offset + tensor.n_bytes
    return total + end - start


def _first_on_gpu(n_layers: int, n_gpu_layers: int) -> int:
    return 0 if n_gpu_layers < 0 else max(0, n_layers + 1 - n_gpu_layers)


def _layer(tensor: GgufTensor, n_layers: int) -> int:
    """Which layer a tensor belongs to: −1 for the input, the one after the last for the output."""
    if tensor.name.startswith(_INPUTS):
        return -1
    block = _BLOCK.match(tensor.name)
    return int(block[1]) if block else n_layers


def _is_read_lazily(tensor: GgufTensor) -> bool:
    return tensor.name.startswith(_TABLE) and tensor.n_bytes > _LAZY_BYTES


def _is_repacked(tensor: GgufTensor, repacking: Mapping[str, int]) -> bool:
    return not tensor.name.startswith(_INPUTS) and _fits(tensor, repacking)


def _fits(tensor: GgufTensor, repacking: Mapping[str, int]) -> bool:
    """Whether it could be repacked: a matrix, or one for each expert, with whole groups of rows."""
    rows = repacking.get(tensor.type, 0)
    dimensions = sum(1 for length in tensor.shape if length > 1)
    return bool(rows) and dimensions == (3 if "_exps." in tensor.name else 2) and tensor.shape[1] % rows == 0
