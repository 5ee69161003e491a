"""Models of several architectures and any size whose weights are holes in their files: they take no disk.

llama.cpp maps a hole as it maps any weight, and computes with its zeros; so what such a model takes in memory is what
a trained one of the same shape would take. The tokenizer is the demo model's, made as large as is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import gguf
import numpy as np

from tests.engine.tiny_models import demo_fields

N_CTX = 32768
_MATRICES = {2, 3}  # dimensions of the tensors that are quantised


@dataclass(frozen=True)
class Shape:
    """`kv_heads` of each layer, where they differ. `hidden`: of one expert, where there are any."""

    architecture: str
    width: int
    layers: int
    heads: int
    kv_heads: int | tuple[int, ...]
    hidden: int
    vocabulary: int = 8192
    head_size: int = 64
    experts: int = 0
    experts_used: int = 0
    window: int = 0
    tied: bool = False


def make(path: Path, shape: Shape, quantisation: str = "F16") -> Path:
    """Write a model; matrices are of the given type, the rest is float32."""
    return _hollow(path, shape.architecture, _keys(shape), dict(_tensors(shape)), shape.vocabulary, quantisation)


def latent(path: Path, quantisation: str = "F16") -> Path:
    """Deepseek's attention: one latent vector for each token stands for the keys and values of all heads."""
    width, heads, rank, rope, head, layers = 512, 8, 128, 32, 64, 2
    keys = {
        **_common(width, layers, heads, 1, 1024, key=rank + rope, value=rank, rope=rope),
        **{"attention.key_length_mla": head + rope, "attention.value_length_mla": head, "attention.q_lora_rank": 96},
        **{"attention.kv_lora_rank": rank, "leading_dense_block_count": layers, "expert_shared_count": 1},
        **{"expert_count": 4, "expert_used_count": 2, "expert_feed_forward_length": 128},
    }
    tensors: Tensors = {"token_embd": (4096, width), "output_norm": (width,)}
    for layer in range(layers):
        tensors |= _named(
            layer,
            {
                **{"attn_norm": (width,), "attn_q_a_norm": (96,), "attn_kv_a_norm": (rank,), "ffn_norm": (width,)},
                **{"attn_q_a": (96, width), "attn_q_b": (heads * (head + rope), 96)},
                **{"attn_kv_a_mqa": (rank + rope, width), "attn_k_b": (heads, rank, head)},
                **{"attn_v_b": (heads, head, rank), "attn_output": (width, heads * head)},
                **{"ffn_gate": (1024, width), "ffn_up": (1024, width), "ffn_down": (width, 1024)},
            },
        )
    return _hollow(path, "deepseek2", keys, tensors, 4096, quantisation)


def hybrid(path: Path, quantisation: str = "F16") -> Path:
    """Qwen3-Next: a recurrent state in three layers of four, attention in the fourth, experts in each."""
    width, heads, layers, state, groups, rank = 512, 4, 4, 64, 4, 8
    values, keys_size, experts, hidden = state * rank, state * groups, 8, 256
    keys = {
        **_common(width, layers, heads, 2, 1024, key=128, value=128, rope=32),
        **{"expert_count": experts, "expert_used_count": 2, "expert_feed_forward_length": hidden},
        **{"expert_shared_feed_forward_length": hidden, "ssm.conv_kernel": 4, "ssm.inner_size": values},
        **{"ssm.state_size": state, "ssm.time_step_rank": rank, "ssm.group_count": groups},
    }
    tensors: Tensors = {"token_embd": (4096, width), "output_norm": (width,)}
    attention: Tensors = {
        **{"attn_q": (heads * 256, width), "attn_k": (256, width), "attn_v": (256, width)},
        **{"attn_output": (width, heads * 128), "attn_q_norm": (128,), "attn_k_norm": (128,)},
    }
    recurrent: Tensors = {
        **{"attn_qkv": (2 * keys_size + values, width), "attn_gate": (values, width)},
        **{"ssm_conv1d": (2 * keys_size + values, 4), "ssm_dt.bias": (rank,), "ssm_a.": (rank,)},
        **{"ssm_ba": (2 * rank, width), "ssm_norm": (state,), "ssm_out": (width, values)},
    }
    both: Tensors = {
        **{"attn_norm": (width,), "post_attention_norm": (width,), "ffn_gate_inp": (experts, width)},
        **{"ffn_gate_exps": (experts, hidden, width), "ffn_up_exps": (experts, hidden, width)},
        **{"ffn_down_exps": (experts, width, hidden), "ffn_gate_inp_shexp": (width,)},
        **{"ffn_gate_shexp": (hidden, width), "ffn_up_shexp": (hidden, width), "ffn_down_shexp": (width, hidden)},
    }
    for layer in range(layers):
        tensors |= _named(layer, both | (attention if layer == 3 else recurrent))
    return _hollow(path, "qwen3next", keys, tensors, 4096, quantisation)


Tensors = dict[str, tuple[int, ...]]


def _common(
    width: int, layers: int, heads: int, kv_heads: object, hidden: int, *, key: int, value: int, rope: int
) -> dict[str, Any]:
    return {
        "context_length": N_CTX,
        "embedding_length": width,
        "feed_forward_length": hidden,
        "block_count": layers,
        "attention.head_count": heads,
        "attention.head_count_kv": kv_heads,
        "attention.key_length": key,
        "attention.value_length": value,
        "attention.layer_norm_rms_epsilon": 1e-5,
        "rope.dimension_count": rope,
    }


def _named(layer: int, tensors: Tensors) -> Tensors:
    return {f"blk.{layer}.{name}": size for name, size in tensors.items()}


def _hollow(
    path: Path, architecture: str, keys: dict[str, Any], tensors: Tensors, vocabulary: int, quantisation: str
) -> Path:
    kind = gguf.GGMLQuantizationType[quantisation]
    writer = gguf.GGUFWriter(path, architecture)
    for key, value in keys.items():
        _add(writer, f"{architecture}.{key}", value)
    for key, value in _vocabulary(vocabulary).items():
        _add(writer, key, value)
    for name, size in tensors.items():
        quantised = kind if len(size) in _MATRICES and not _is_exact(name) else gguf.GGMLQuantizationType.F32
        full_name = name.rstrip(".") if name.endswith((".", ".bias")) else f"{name}.weight"
        writer.add_tensor_info(full_name, size, np.dtype(np.float32), _n_bytes(size, quantised), quantised)
    return _write_hollow(writer, path)


def _is_exact(name: str) -> bool:
    """Matrices that are never quantised."""
    return "gate_inp" in name or "conv1d" in name


def _keys(shape: Shape) -> dict[str, Any]:
    kv_heads = list(shape.kv_heads) if isinstance(shape.kv_heads, tuple) else shape.kv_heads
    size = shape.head_size
    keys = _common(shape.width, shape.layers, shape.heads, kv_heads, shape.hidden, key=size, value=size, rope=size)
    if shape.experts:
        keys |= {"expert_count": shape.experts, "expert_used_count": shape.experts_used}
        keys |= {"expert_feed_forward_length": shape.hidden}
    if shape.window:
        keys |= {"attention.sliding_window": shape.window, "attention.sliding_window_pattern": 6}
    return keys


def _tensors(shape: Shape) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Names and shapes, rows first as in numpy."""
    width = shape.width
    yield "token_embd", (shape.vocabulary, width)
    yield "output_norm", (width,)
    if not shape.tied:
        yield "output", (shape.vocabulary, width)
    for layer in range(shape.layers):
        for name, size in _layer(shape, layer):
            yield f"blk.{layer}.{name}", size


def _layer(shape: Shape, layer: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    width, hidden = shape.width, shape.hidden
    queries = shape.heads * shape.head_size
    kv_heads = shape.kv_heads[layer] if isinstance(shape.kv_heads, tuple) else shape.kv_heads
    yield from (("attn_norm", (width,)), ("ffn_norm", (width,)))
    yield from (("attn_q", (queries, width)), ("attn_output", (width, queries)))
    yield from ((name, (kv_heads * shape.head_size, width)) for name in ("attn_k", "attn_v"))
    if shape.architecture in {"gemma3", "qwen3moe"}:
        yield from ((name, (shape.head_size,)) for name in ("attn_q_norm", "attn_k_norm"))
    if shape.architecture == "gemma3":
        yield from ((name, (width,)) for name in ("post_attention_norm", "post_ffw_norm"))
    if shape.experts:
        yield "ffn_gate_inp", (shape.experts, width)
        yield from ((name, (shape.experts, hidden, width)) for name in ("ffn_gate_exps", "ffn_up_exps"))
        yield "ffn_down_exps", (shape.experts, width, hidden)
    else:
        yield from (("ffn_gate", (hidden, width)), ("ffn_up", (hidden, width)), ("ffn_down", (width, hidden)))


def _n_bytes(size: tuple[int, ...], kind: gguf.GGMLQuantizationType) -> int:
    block, n_bytes = gguf.GGML_QUANT_SIZES[kind]
    return int(np.prod(size)) // block * n_bytes


@cache
def _vocabulary(size: int) -> dict[str, Any]:
    """The demo model's tokenizer with further tokens, and with a merge for each token as large vocabularies have."""
    fields = dict(demo_fields())
    tokens, merges = (list(fields[f"tokenizer.ggml.{name}"]) for name in ("tokens", "merges"))
    further = [f"Ġtoken{number}" for number in range(size - len(tokens))]
    fields["tokenizer.ggml.tokens"] = (tokens + further)[:size]
    fields["tokenizer.ggml.merges"] = merges + [f"Ġtoken {text.removeprefix('Ġtoken')}" for text in further]
    fields["tokenizer.ggml.token_type"] = (
        list(fields["tokenizer.ggml.token_type"]) + [int(gguf.TokenType.NORMAL)] * len(further)
    )[:size]
    return fields


def _add(writer: gguf.GGUFWriter, key: str, value: Any) -> None:
    add = {bool: writer.add_bool, int: writer.add_uint32, float: writer.add_float32, str: writer.add_string}
    add.get(type(value), writer.add_array)(key, value)


def _write_hollow(writer: gguf.GGUFWriter, path: Path) -> Path:
    """The header, and after it a hole as long as all tensors."""
    data = sum(writer.ggml_pad(info.nbytes, writer.data_alignment) for info in writer.tensors[0].values())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.close()
    with path.open("r+b") as file:
        header = file.seek(0, 2)
        file.truncate(writer.ggml_pad(header, writer.data_alignment) + data)
    return path
