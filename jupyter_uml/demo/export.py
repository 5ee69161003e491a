"""Checkpoint → GGUF file (F16, norms F32) that llama.cpp loads as architecture `llama`."""

import json
from pathlib import Path

import gguf
import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from .corpus import CHAT_TEMPLATE
from .model import Block, Transformer
from .tokenizer import CONTROL, VISIBLE

NAME = "jupyter_uml demo"
DESCRIPTION = (
    "A demo model of three million parameters, trained from scratch on text written for jupyter_uml. "
    "It answers questions about this tool, knows nothing else and makes mistakes."
)


def write_gguf(model: Transformer, tokenizer: Tokenizer, path: Path) -> None:
    """Writes weights, tokenizer and chat template into one file."""
    writer = gguf.GGUFWriter(str(path), "llama")
    _write_shape(writer, model)
    _write_tokenizer(writer, tokenizer)
    for name, tensor in _tensors(model):
        writer.add_tensor(name, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _write_shape(writer: gguf.GGUFWriter, model: Transformer) -> None:
    shape = model.shape
    writer.add_name(NAME)
    writer.add_description(DESCRIPTION)
    writer.add_author("The jupyter_uml authors")
    writer.add_license("BSD-3-Clause")
    writer.add_size_label(f"{sum(p.numel() for p in model.parameters()) / 1e6:.1f}M")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    writer.add_float32("general.sampling.temp", 0.0)  # it knows one answer to each question
    writer.add_vocab_size(shape.vocab)
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.hidden)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.heads)
    writer.add_rope_dimension_count(shape.head_width)
    writer.add_rope_freq_base(shape.rope_base)
    writer.add_layer_norm_rms_eps(shape.norm_eps)


def _write_tokenizer(writer: gguf.GGUFWriter, tokenizer: Tokenizer) -> None:
    by_id = {number: text for text, number in tokenizer.get_vocab().items()}
    tokens = [by_id[number] for number in range(len(by_id))]
    kinds = [
        gguf.TokenType.CONTROL
        if token in CONTROL
        else gguf.TokenType.USER_DEFINED
        if token in VISIBLE
        else gguf.TokenType.NORMAL
        for token in tokens
    ]
    merges = [" ".join(pair) for pair in json.loads(tokenizer.to_str())["model"]["merges"]]
    end, pad = tokenizer.token_to_id("<|im_end|>"), tokenizer.token_to_id("<|endoftext|>")
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges(merges)
    writer.add_bos_token_id(pad)
    writer.add_eos_token_id(end)
    writer.add_eot_token_id(end)
    writer.add_pad_token_id(pad)
    writer.add_add_bos_token(False)
    writer.add_add_eos_token(False)
    writer.add_chat_template(CHAT_TEMPLATE)


def _tensors(model: Transformer) -> list[tuple[str, NDArray[np.generic]]]:
    tensors = [("token_embd.weight", _half(model.embedding)), ("output_norm.weight", _full(model.norm))]
    for number, block in enumerate(model.blocks):
        assert isinstance(block, Block)
        query, key, value = block.qkv.weight.chunk(3)
        gate, up = block.gate_up.weight.chunk(2)
        matrices = {"attn_q": query, "attn_k": key, "attn_v": value, "attn_output": block.out.weight}
        matrices |= {"ffn_gate": gate, "ffn_up": up, "ffn_down": block.down.weight}
        prefix = f"blk.{number}"
        tensors += [(f"{prefix}.{name}.weight", _half(matrix)) for name, matrix in matrices.items()]
        tensors.append((f"{prefix}.attn_norm.weight", _full(block.attn_norm)))
        tensors.append((f"{prefix}.ffn_norm.weight", _full(block.ffn_norm)))
    return tensors


def _half(tensor: torch.Tensor) -> NDArray[np.generic]:
    return np.ascontiguousarray(tensor.detach().numpy().astype(np.float16))


def _full(tensor: torch.Tensor) -> NDArray[np.generic]:
    return np.ascontiguousarray(tensor.detach().numpy().astype(np.float32))
