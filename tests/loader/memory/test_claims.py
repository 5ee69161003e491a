"""What cannot be true of a model, and that nothing is said against models as they are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from jupyter_uml.demo import demo_model_path
from jupyter_uml.loader.catalog.gguf_file import GgufFile, Value, read_gguf
from jupyter_uml.loader.memory.claims import false_claim
from tests.loader.memory.estimate_models import Shape, hybrid, latent, make

PLAIN = Shape("llama", 512, 2, 8, 8, 1408)
SOUND: dict[str, Callable[[Path], Path]] = {
    "plain": lambda path: make(path, PLAIN),
    "grouped queries, other heads in each layer": lambda path: make(path, replace(PLAIN, kv_heads=(2, 4))),
    "a window": lambda path: make(path, replace(PLAIN, architecture="gemma3", window=512)),
    "experts": lambda path: make(path, replace(PLAIN, architecture="qwen3moe", hidden=96, experts=64, experts_used=8)),
    "latent attention": latent,
    "recurrent": hybrid,
}


def claiming(**claims: Value) -> GgufFile:
    """The demo model, saying something else of itself."""
    gguf = read_gguf(demo_model_path())
    said = {f"llama.{name.replace('__', '.')}": value for name, value in claims.items()}
    return replace(gguf, metadata={**gguf.metadata, **said})


@pytest.mark.parametrize("kind", SOUND)
def test_nothing_is_said_against_models_as_they_are(kind: str, tmp_path: Path) -> None:
    assert false_claim(read_gguf(SOUND[kind](tmp_path / "model.gguf"))) is None


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({"block_count": 0}, "it has no layers"),
        ({"block_count": 513}, "it has 513 layers, and llama.cpp loads 512 at most"),
        ({"block_count": 1 << 30}, "it has 1,073,741,824 layers"),
        ({"nextn_predict_layers": 7}, "7 of its 6 layers predict further tokens"),
        ({"expert_count": 1025}, "it has 1,025 experts"),
        ({"expert_count": 4, "expert_used_count": 5}, "5 of its 4 experts work on each token"),
        ({"attention__head_count_kv": 7}, "more heads for keys (7) than heads (6)"),
        ({"attention__head_count_kv": (6, 6, 9, 6, 6, 6)}, "more heads for keys"),
        ({"attention__head_count": 1 << 20}, "its number of heads is 1,048,576"),
        ({"embedding_length": 1 << 20}, "its embedding length is 1,048,576"),
        ({"attention__key_length": 1 << 20}, "the length of its keys is 6,291,456"),
        ({"attention__value_length": 1 << 20}, "the length of its values is 6,291,456"),
        ({"feed_forward_length": 1 << 20}, "its feed-forward length is 1,048,576"),
    ],
)
def test_what_cannot_be_is_told(claims: dict[str, Value], words: str) -> None:
    assert words in (false_claim(claiming(**claims)) or "")


def test_a_file_without_a_word_about_itself() -> None:
    assert false_claim(replace(claiming(), metadata={})) == "its file says that it has no layers."
