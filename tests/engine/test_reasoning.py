"""Reasoning: told apart from the answer, counted, and ended in time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from jupyter_uml.demo import demo_model_path
from jupyter_uml.engine.engine import Engine
from jupyter_uml.errors import InvalidRequest
from jupyter_uml.types import Chunk, Grammar, ReasoningEffort, SamplingParams, Tool, Usage
from tests.conftest import endless_model
from tests.engine.engines import GREEDY, answer, chat, make_engine, text
from tests.engine.thinking import TURNS, thinking


@contextmanager
def thinker(folder: Path, content: bytes, **settings: int) -> Iterator[Engine]:
    """An engine on a model file of this content."""
    path = folder / "thinking.gguf"
    path.write_bytes(content)
    engine = make_engine(path, **settings)
    try:
        yield engine
    finally:
        engine.close()


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """It never ends its reasoning by itself."""
    with thinker(tmp_path_factory.mktemp("models"), thinking(endless_model())) as engine:
        yield engine


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
    template = TURNS + "{{- '<|im_start|>assistant\\n<think>\\n' }}"
    with thinker(tmp_path, thinking(demo_model_path().read_bytes(), template)) as engine:
        chunks = answer(engine, chat("Hello!", reasoning_effort="none"))
        assert reasoning(chunks) == ""
        assert text(chunks)


@pytest.mark.parametrize(("pattern", "meant"), [(r"a\/b", "a/b"), ("a/b", "a/b"), (r"\\/", "\\/")])
def test_a_slash_in_a_pattern_is_a_slash(engine: Engine, pattern: str, meant: str) -> None:
    params = SamplingParams(temperature=0, max_tokens=60, grammar=Grammar("regex", pattern))
    assert text(answer(engine, chat("Is it so?", params, reasoning_budget=5))).strip() == meant


@pytest.mark.parametrize("schema", ["true", "[]", '{"x-guidance": 5}'])
def test_a_schema_that_is_no_object_is_refused(engine: Engine, schema: str) -> None:
    params = SamplingParams(grammar=Grammar("json_schema", schema))
    with pytest.raises(InvalidRequest):
        engine.add(chat("Is it so?", params))


@pytest.mark.parametrize("effort", [None, "high"])
def test_a_call_that_is_required_comes_before_the_context_is_full(tmp_path: Path, effort: ReasoningEffort) -> None:
    with thinker(tmp_path, thinking(endless_model()), n_ctx=512) as engine:
        params, tool = SamplingParams(temperature=0), Tool("f")
        request = chat("Is it so?", params, tools=(tool,), tool_choice="required", reasoning_effort=effort)
        chunks = answer(engine, request)
        assert [delta.name for chunk in chunks for delta in chunk.calls if delta.name][:1] == ["f"]


def test_guesses_do_not_overrun_the_budget(tmp_path: Path) -> None:
    template = TURNS + "{{- '<|im_start|>assistant\\n' }}{#</think>#}"
    with thinker(tmp_path, thinking(demo_model_path().read_bytes(), template)) as engine:
        grammar = Grammar("lark", 'start: "<think>" /(?s:.{200})/ "</think>" /(?s:.*)/')
        params = SamplingParams(temperature=0, max_tokens=130, grammar=grammar)
        answer(engine, chat("How do I load a model?", params))  # is what the next ones guess
        usages = [usage(answer(engine, chat("How do I load a model?", params, reasoning_budget=8))) for _ in range(5)]
        assert sum(each.accepted_tokens for each in usages) > 0
        assert len({each.reasoning_tokens for each in usages}) == 1
        assert 8 <= usages[0].reasoning_tokens < 8 + len("</think>")
