"""Reasoning: told apart from the answer, counted, and ended in time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from jupyter_uml.demo import demo_model_path
from jupyter_uml.engine.engine import Engine
from jupyter_uml.types import Chunk, Grammar, SamplingParams, Usage
from tests.conftest import endless_model
from tests.engine.engines import GREEDY, answer, chat, make_engine, text
from tests.engine.thinking import thinking


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """It never ends its reasoning by itself."""
    path = tmp_path_factory.mktemp("models") / "thinking.gguf"
    path.write_bytes(thinking(endless_model()))
    engine = make_engine(path)
    yield engine
    engine.close()


def reasoning(chunks: list[Chunk]) -> str:
    return "".join(chunk.reasoning for chunk in chunks)


def usage(chunks: list[Chunk]) -> Usage:
    assert chunks[-1].usage is not None
    return chunks[-1].usage


def test_a_model_that_reasons_says_so(engine: Engine) -> None:
    assert engine.info.can_reason


def test_reasoning_is_no_text(engine: Engine) -> None:
    chunks = answer(engine, chat("How do I load a model?"))
    assert reasoning(chunks)
    assert text(chunks) == ""
    assert usage(chunks).reasoning_tokens == usage(chunks).completion_tokens == GREEDY.max_tokens


def test_it_ends_with_its_budget_and_the_answer_follows(engine: Engine) -> None:
    chunks = answer(engine, chat("How do I load a model?", reasoning_budget=10))
    assert reasoning(chunks)
    assert text(chunks).strip()
    assert "think>" not in reasoning(chunks) + text(chunks)
    assert 10 <= usage(chunks).reasoning_tokens < 10 + len("</think>")


def test_without_reasoning_the_answer_comes_at_once(engine: Engine) -> None:
    for fields in ({"reasoning_effort": "none"}, {"reasoning_budget": 0}):
        chunks = answer(engine, chat("How do I load a model?", **fields))
        assert reasoning(chunks) == ""
        assert text(chunks).strip()
        assert usage(chunks).reasoning_tokens == 0


def test_a_stop_string_is_looked_for_in_the_answer_only(engine: Engine) -> None:
    plain = answer(engine, chat("How do I load a model?", reasoning_budget=10))
    word = reasoning(plain).split()[0]
    chunks = answer(engine, chat("How do I load a model?", replace(GREEDY, stop=(word,)), reasoning_budget=10))
    assert reasoning(chunks) == reasoning(plain)


def test_a_form_is_for_the_answer_and_not_for_the_reasoning(engine: Engine) -> None:
    params = SamplingParams(temperature=0, max_tokens=60, grammar=Grammar("regex", "(yes|no)"))
    chunks = answer(engine, chat("Is it so?", params, reasoning_budget=10))
    assert reasoning(chunks).strip()
    assert text(chunks).strip() in ("yes", "no")


def test_a_template_without_the_option_is_closed_by_hand(tmp_path: Path) -> None:
    path = tmp_path / "always.gguf"
    template = (
        "{%- for message in messages %}{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}"
        "{%- endfor %}{{- '<|im_start|>assistant\\n<think>\\n' }}"
    )
    path.write_bytes(thinking(demo_model_path().read_bytes(), template))
    engine = make_engine(path)
    try:
        chunks = answer(engine, chat("Hello!", reasoning_effort="none"))
        assert reasoning(chunks) == ""
        assert text(chunks)
    finally:
        engine.close()
