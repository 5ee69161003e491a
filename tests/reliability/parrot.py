"""A model that answers every question with one text, word for word: what a model that was talked round might write.

Its only layer computes nothing. Each token's embedding is a direction of its own, and the output has that of a token's
predecessor, so that each token is followed by the next one of the text; the end of the prompt is followed by the first.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf
import numpy as np

from tests.engine.tiny_models import demo_fields, finish

PIECE = 8  # characters of the text in a token, or some more
_CONTROL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
_END = _CONTROL.index("<|im_end|>")
_INFILL = ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>")  # llama.cpp knows these
_BLOCK = 64  # embeddings are a multiple of it long
_SURE, _DEFAULT = 4.0, 2.0  # so much more likely is what follows than the end, and the end than anything else


def parrot(path: Path, text: str, *, name: str = "parrot", template: str | None = None, infill: bool = False) -> Path:
    """Write the model's file. `name`: what its metadata call it; `template`: instead of the demo model's. One for
    `infill` answers so to the end of a prompt with a gap to be filled, and to no other."""
    letters, control = _letters(), (*_CONTROL, *(_INFILL if infill else ()))
    tokens = [*control, *letters, *("".join(letters[byte] for byte in piece.encode()) for piece in _pieces(text))]
    first = len(control) + len(letters)
    prompt_end = len(control) - 1 if infill else len(control) + ord("\n")
    followers = {token: token + 1 for token in range(first, len(tokens) - 1)} | {prompt_end: first}
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name(name)
    width = -(-len(tokens) // _BLOCK) * _BLOCK
    _describe(writer, width)
    _add_vocabulary(writer, tokens, len(control), template)
    return finish(writer, _weights(len(tokens), width, followers), path)


def _pieces(text: str) -> list[str]:
    """No two are the same: tokens must not be. What is left at the end belongs to the last one."""
    pieces: list[str] = []
    start = 0
    while start + PIECE <= len(text):
        size = next(size for size in range(PIECE, len(text)) if text[start : start + size] not in pieces)
        pieces.append(text[start : start + size])
        start += size
    return [*pieces[:-1], pieces[-1] + text[start:]]


def _letters() -> list[str]:
    """For each byte the letter that stands for it in vocabularies of this kind (as GPT-2 has it)."""
    plain = {*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)}
    others = iter(range(256, 512))
    return [chr(byte if byte in plain else next(others)) for byte in range(256)]


def _describe(writer: gguf.GGUFWriter, width: int) -> None:
    writer.add_context_length(2048)
    writer.add_embedding_length(width)
    writer.add_feed_forward_length(_BLOCK)
    writer.add_block_count(1)
    writer.add_head_count(width // _BLOCK)
    writer.add_head_count_kv(width // _BLOCK)
    writer.add_layer_norm_rms_eps(1e-5)


def _add_vocabulary(writer: gguf.GGUFWriter, tokens: list[str], controls: int, template: str | None) -> None:
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    kinds = [gguf.TokenType.CONTROL] * controls + [gguf.TokenType.NORMAL] * (len(tokens) - controls)
    writer.add_token_types(kinds)
    writer.add_token_merges(["Ġ Ġ"])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(_END)
    writer.add_add_bos_token(False)
    writer.add_chat_template(demo_fields()["tokenizer.chat_template"] if template is None else template)


def _weights(count: int, width: int, followers: dict[int, int]) -> dict[str, np.ndarray[Any, Any]]:
    embeddings = np.eye(count, width, dtype=np.float16)
    output = np.zeros((count, width), np.float16)
    output[_END] = _DEFAULT
    for token, follower in followers.items():
        output[follower, token] = _SURE
    weights: dict[str, np.ndarray[Any, Any]] = {"token_embd.weight": embeddings, "output.weight": output}
    for norm in ("output_norm", "blk.0.attn_norm", "blk.0.ffn_norm"):
        weights[f"{norm}.weight"] = np.ones(width, np.float32)
    for matrix in ("attn_q", "attn_k", "attn_v", "attn_output"):
        weights[f"blk.0.{matrix}.weight"] = np.zeros((width, width), np.float16)
    for matrix, shape in {"gate": (_BLOCK, width), "up": (_BLOCK, width), "down": (width, _BLOCK)}.items():
        weights[f"blk.0.ffn_{matrix}.weight"] = np.zeros(shape, np.float16)
    return weights
