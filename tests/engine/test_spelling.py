"""The pieces of a text's tokens are the text, whichever way a tokenizer writes spaces down."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import gguf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_uml.engine.model import Model
from jupyter_uml.engine.spelling import Spelling
from jupyter_uml.types import ModelSpec
from tests.engine.tiny_models import N_CTX, N_EMBD, N_FF, N_HEAD, Weights, feed_forward, finish

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
NAMED = st.lists(st.sampled_from(["<|im_start|>", "<|im_end|>", "<s>", "</s>", " ", "  x", "é", "a b"]), max_size=8)


@pytest.fixture(scope="module")
def sentencepiece(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Model]:
    model = Model(ModelSpec("spm", str(write_sentencepiece(tmp_path_factory.mktemp("spm") / "spm.gguf"))))
    yield model
    model.close()


def write_sentencepiece(path: Path) -> Path:
    """A model with a vocabulary of bytes and a few words, as SentencePiece's are: a space comes before every text."""
    words = ["\u2581", "\u2581a", "\u2581b", "a", "b", "\u2581\u2581", "<tag>"]
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *words]
    writer = gguf.GGUFWriter(path, "llama")
    for add, value in (
        (writer.add_context_length, N_CTX),
        (writer.add_embedding_length, N_EMBD),
        (writer.add_feed_forward_length, N_FF),
        (writer.add_block_count, 1),
        (writer.add_head_count, N_HEAD),
        (writer.add_bos_token_id, 1),
        (writer.add_eos_token_id, 2),
    ):
        add(value)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([-float(number) for number in range(len(tokens))])
    writer.add_token_types([2, 3, 3, *([6] * 256), *([1] * (len(words) - 1)), 4])
    weights = Weights(seed=6)
    weights.matrix("token_embd.weight", len(tokens), N_EMBD)
    for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
        weights.matrix(f"blk.0.{name}.weight", N_EMBD, N_EMBD)
    weights.ones("output_norm.weight", "blk.0.attn_norm.weight", "blk.0.ffn_norm.weight")
    feed_forward(weights, 0, gated=True)
    return finish(writer, weights, path)


def written(model: Model, text: str, add_special: bool = False) -> str:
    tokens = model.tokenize(text, add_special=add_special, parse_special=True)
    return b"".join(Spelling(model).pieces(tokens)).decode()


@given(TEXTS)
def test_any_text_comes_back(model: Model, text: str) -> None:
    assert written(model, text) == text


@given(TEXTS | NAMED.map("".join))
def test_a_space_that_the_tokenizer_added_does_not(sentencepiece: Model, text: str) -> None:
    assert written(sentencepiece, text) == text
    assert written(sentencepiece, text, add_special=True) == "<s>" + text


@given(NAMED)
def test_control_tokens_are_written_out(model: Model, parts: list[str]) -> None:
    assert written(model, "".join(parts)) == "".join(parts)
