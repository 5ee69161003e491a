"""Models with random weights, under 1 MB each: real architectures of every kind of memory, with the demo's tokenizer.

What they say is noise, but llama.cpp computes it as it does for their large siblings.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import gguf
import numpy as np

from jupyter_uml.demo import demo_model_path

N_EMBD, N_FF, N_HEAD, N_CTX = 64, 128, 4, 512
Tensors = Mapping[str, np.ndarray[Any, Any]]


class Weights(dict[str, np.ndarray[Any, Any]]):
    """Tensors by name; shapes are numpy's, rows first."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._random = np.random.default_rng(seed)

    def matrix(self, name: str, *shape: int, scale: float | None = None) -> None:
        spread = scale if scale is not None else shape[-1] ** -0.5
        self[name] = (self._random.standard_normal(shape) * spread).astype(np.float16)

    def ones(self, *names: str, size: int = N_EMBD) -> None:
        self.update({name: np.ones(size, np.float32) for name in names})

    def vector(self, *names: str, size: int = N_EMBD) -> None:
        self.update({name: (0.1 * self._random.standard_normal(size)).astype(np.float32) for name in names})


def bert(path: Path, *, pooling: gguf.PoolingType = gguf.PoolingType.MEAN, labels: int = 0, seed: int = 1) -> Path:
    """An encoder without a KV cache. `labels`: outputs of a classification head, for reranking; 0: it has none."""
    weights = Weights(seed)
    weights.matrix("token_embd.weight", n_vocab(), N_EMBD, scale=1)
    weights.matrix("position_embd.weight", N_CTX, N_EMBD, scale=0.3)
    weights.matrix("token_types.weight", 2, N_EMBD, scale=0.1)
    for name in (
        "token_embd_norm",
        *(f"blk.{i}.{norm}" for i in (0, 1) for norm in ("attn_output_norm", "layer_output_norm")),
    ):
        weights.ones(f"{name}.weight")
        weights.vector(f"{name}.bias")
    for i in (0, 1):
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            weights.matrix(f"blk.{i}.{name}.weight", N_EMBD, N_EMBD)
            weights.vector(f"blk.{i}.{name}.bias")
        feed_forward(weights, i, gated=False)
    for name in ("position_embd", "token_types"):
        weights[f"{name}.weight"] = weights[f"{name}.weight"].astype(np.float32)
    keys: dict[str, Any] = {
        "attention.causal": False,
        "attention.layer_norm_epsilon": 1e-5,
        "attention.head_count": N_HEAD,
        "pooling_type": int(pooling),
        "tokenizer.ggml.token_type_count": 2,
    }
    if labels:
        weights.matrix("cls.weight", N_EMBD, N_EMBD)
        weights.vector("cls.bias")
        weights.matrix("cls.output.weight", labels, N_EMBD)
        weights.vector("cls.output.bias", size=labels)
        keys["classifier.output_labels"] = [f"label {n}" for n in range(labels)]
    return write(path, "bert", 2, keys, weights)


def mamba(path: Path, *, seed: int = 2) -> Path:
    """Recurrent: a state of fixed size instead of a KV cache, which can be copied but not cut."""
    weights, inner, state, rank, conv = Weights(seed), 2 * N_EMBD, 16, 4, 4
    weights.matrix("token_embd.weight", n_vocab(), N_EMBD, scale=1)
    weights.ones("output_norm.weight")
    weights.matrix("output.weight", n_vocab(), N_EMBD, scale=0.5)
    for i in (0, 1):
        block = f"blk.{i}"
        weights.ones(f"{block}.attn_norm.weight")
        weights.matrix(f"{block}.ssm_in.weight", 2 * inner, N_EMBD)
        weights.matrix(f"{block}.ssm_conv1d.weight", inner, conv)
        weights[f"{block}.ssm_conv1d.weight"] = weights[f"{block}.ssm_conv1d.weight"].astype(np.float32)
        weights.vector(f"{block}.ssm_conv1d.bias", f"{block}.ssm_dt.bias", size=inner)
        weights.matrix(f"{block}.ssm_x.weight", rank + 2 * state, inner)
        weights.matrix(f"{block}.ssm_dt.weight", inner, rank)
        weights[f"{block}.ssm_a"] = -np.tile(np.arange(1, state + 1, dtype=np.float32), (inner, 1))
        weights.ones(f"{block}.ssm_d", size=inner)
        weights.matrix(f"{block}.ssm_out.weight", N_EMBD, inner)
    keys = {
        "attention.layer_norm_rms_epsilon": 1e-5,
        "attention.head_count": 0,
        "ssm.conv_kernel": conv,
        "ssm.inner_size": inner,
        "ssm.state_size": state,
        "ssm.time_step_rank": rank,
    }
    return write(path, "mamba", 2, keys, weights)


def mamba2(path: Path, *, seed: int = 3) -> Path:
    """Recurrent, the second kind."""
    weights, inner, state, heads, conv = Weights(seed), 2 * N_EMBD, 16, 4, 4
    mixed = inner + 2 * state
    weights.matrix("token_embd.weight", n_vocab(), N_EMBD, scale=1)
    weights.ones("output_norm.weight")
    weights.matrix("output.weight", n_vocab(), N_EMBD, scale=0.5)
    for i in (0, 1):
        block = f"blk.{i}"
        weights.ones(f"{block}.attn_norm.weight")
        weights.matrix(f"{block}.ssm_in.weight", inner + mixed + heads, N_EMBD)
        weights.matrix(f"{block}.ssm_conv1d.weight", mixed, conv)
        weights[f"{block}.ssm_conv1d.weight"] = weights[f"{block}.ssm_conv1d.weight"].astype(np.float32)
        weights.vector(f"{block}.ssm_conv1d.bias", size=mixed)
        weights.vector(f"{block}.ssm_dt.bias", size=heads)
        weights[f"{block}.ssm_a"] = -np.arange(1, heads + 1, dtype=np.float32).reshape(heads, 1)
        weights[f"{block}.ssm_d"] = np.ones((heads, 1), np.float32)
        weights[f"{block}.ssm_norm.weight"] = np.ones((1, inner), np.float32)
        weights.matrix(f"{block}.ssm_out.weight", N_EMBD, inner)
    keys = {
        "attention.layer_norm_rms_epsilon": 1e-5,
        "attention.head_count": 0,
        "ssm.conv_kernel": conv,
        "ssm.inner_size": inner,
        "ssm.state_size": state,
        "ssm.time_step_rank": heads,
        "ssm.group_count": 1,
    }
    return write(path, "mamba2", 2, keys, weights)


def gemma3(path: Path, *, window: int = 32, seed: int = 4) -> Path:
    """Sliding windows of `window` tokens in every other layer, all tokens in the rest."""
    weights, size = Weights(seed), N_EMBD // N_HEAD
    weights.matrix("token_embd.weight", n_vocab(), N_EMBD, scale=N_EMBD**-0.5)
    weights.ones("output_norm.weight")
    weights.matrix("output.weight", n_vocab(), N_EMBD, scale=0.5)
    for i in range(4):
        block = f"blk.{i}"
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            weights.matrix(f"{block}.{name}.weight", N_EMBD, N_EMBD)
        norms = ("attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm")
        weights.ones(*(f"{block}.{name}.weight" for name in norms))
        weights.ones(f"{block}.attn_q_norm.weight", f"{block}.attn_k_norm.weight", size=size)
        feed_forward(weights, i, gated=True)
    keys = {
        "attention.layer_norm_rms_epsilon": 1e-5,
        "attention.head_count": N_HEAD,
        "attention.head_count_kv": N_HEAD,
        "attention.key_length": size,
        "attention.value_length": size,
        "attention.sliding_window": window,
        "attention.sliding_window_pattern": 2,
        "rope.freq_base": 10000.0,
    }
    return write(path, "gemma3", 4, keys, weights)


def lora(
    path: Path, *, scale: float, architecture: str = "llama", rank: int = 4, width: int = 192, seed: int = 5
) -> Path:
    """An adapter for two of the demo model's matrices. `scale` 0: its B are zeros, which change nothing."""
    weights = Weights(seed)
    for name in ("blk.0.attn_q.weight", "blk.3.attn_output.weight"):
        weights.matrix(f"{name}.lora_a", rank, width)
        weights.matrix(f"{name}.lora_b", width, rank, scale=scale)
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", float(rank))
    return finish(writer, {name: tensor.astype(np.float32) for name, tensor in weights.items()}, path)


def feed_forward(weights: Weights, block: int, *, gated: bool) -> None:
    weights.matrix(f"blk.{block}.ffn_up.weight", N_FF, N_EMBD)
    weights.matrix(f"blk.{block}.ffn_down.weight", N_EMBD, N_FF)
    if gated:
        weights.matrix(f"blk.{block}.ffn_gate.weight", N_FF, N_EMBD)
    else:
        weights.vector(f"blk.{block}.ffn_up.bias", size=N_FF)
        weights.vector(f"blk.{block}.ffn_down.bias")


@cache
def demo_fields() -> dict[str, Any]:
    """The demo model's tokenizer and chat template: metadata by key."""
    fields = gguf.GGUFReader(demo_model_path()).fields
    return {key: field.contents() for key, field in fields.items() if key.startswith("tokenizer.")}


def n_vocab() -> int:
    return len(demo_fields()["tokenizer.ggml.tokens"])


def write(path: Path, architecture: str, n_layer: int, keys: Mapping[str, Any], weights: Tensors) -> Path:
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_context_length(N_CTX)
    writer.add_embedding_length(N_EMBD)
    writer.add_feed_forward_length(N_FF)
    writer.add_block_count(n_layer)
    for key, value in {**keys, **demo_fields()}.items():
        name = key if key.startswith("tokenizer.") else f"{architecture}.{key}"
        add = {bool: writer.add_bool, int: writer.add_uint32, float: writer.add_float32, str: writer.add_string}
        add.get(type(value), writer.add_array)(name, value)
    return finish(writer, weights, path)


def finish(writer: gguf.GGUFWriter, weights: Tensors, path: Path) -> Path:
    for name, tensor in weights.items():
        writer.add_tensor(name, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
