"""Texts that begin alike: their tokens are those of the whole text, and only what is new is tokenized."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import llama_cpp
import pytest

from jupyter_uml.engine import llama_log
from jupyter_uml.engine.model import Model
from jupyter_uml.engine.shared_beginnings import SharedBeginnings, common_length
from tests.engine.llama_sources import vocabulary_path

WORDS = "the of naïve 42 x,y isn't  (a) über\n\n\t — 日本語 🙂 FooBar http://a.b/?d=e ... aaa\r\n <b> ΑΒΓ".split(" ")
LINES = "You sort letters of customers. Say in one word what each of them is about.\n"


class Counting:
    """A tokenizer, and the characters that it was given."""

    def __init__(self, tokenize: Callable[[str, bool], list[int]]) -> None:
        self._tokenize, self.characters = tokenize, 0

    def __call__(self, text: str, begins: bool) -> list[int]:
        self.characters += len(text)
        return self._tokenize(text, begins)


@pytest.fixture(params=["qwen2", "llama-bpe", "llama-spm", "bert-bge", "deepseek-llm", "gpt-2"])
def tokenize(request: pytest.FixtureRequest) -> Iterator[Callable[[str, bool], list[int]]]:
    """Of another family's vocabulary."""
    llama_log.capture()
    params = llama_cpp.llama_model_default_params()
    params.vocab_only = True
    model = Model.__new__(Model)
    model.handle = llama_cpp.llama_model_load_from_file(str(vocabulary_path(request.param)).encode(), params)
    model.vocab = llama_cpp.llama_model_get_vocab(model.handle)
    yield lambda text, begins: model.tokenize(text, add_special=begins, parse_special=True)
    model.close()


def test_tokens_are_those_of_the_whole_text(tokenize: Callable[[str, bool], list[int]]) -> None:
    rng = random.Random(5)
    texts = SharedBeginnings(tokenize)
    for _ in range(6):
        beginning = LINES * rng.randrange(8, 20) + " ".join(rng.choices(WORDS, k=200))
        for _ in range(8):
            text = beginning[: len(beginning) - rng.randrange(200)] + "".join(rng.choices([*WORDS, " "], k=20))
            assert texts.tokenize(text, True, "ann") == tokenize(text, True)


def test_what_is_shared_is_tokenized_once(model: Model) -> None:
    counting = Counting(lambda text, begins: model.tokenize(text, add_special=begins, parse_special=True))
    texts = SharedBeginnings(counting)
    for number in range(10):
        texts.tokenize(f"{LINES * 40}Letter {number}: where is my parcel?", True, "ann")
    assert counting.characters < 2 * len(LINES) * 40
    texts.tokenize(f"{LINES * 40}Letter 1: where is my parcel?", True, "ben")
    assert counting.characters > 2 * len(LINES) * 40, "ben could find out by the clock what ann asks"


def test_a_tokenizer_that_looks_further_is_given_whole_texts() -> None:
    """One that counts the words: wherever a text is cut, the numbers behind it are others."""
    texts = SharedBeginnings(lambda text, _: list(range(len(text.split()))))
    for number in range(3):
        text = f"{LINES * 40}{'and so on ' * number}"
        assert texts.tokenize(text, True, "ann") == list(range(len(text.split())))


@pytest.mark.parametrize(
    ("first", "second", "length"), [("", "a", 0), ("abc", "abd", 2), ("ab", "abc", 2), ("x", "y", 0)]
)
def test_common_length(first: str, second: str, length: int) -> None:
    assert common_length(first, second) == common_length(second, first) == length
    assert common_length("é" * 1000 + first, "é" * 1000 + second) == 1000 + length
