"""LFM2."""

from __future__ import annotations

import pytest

from jupyter_uml.engine.formats.pythonic import LFM2, LFM2_THINKING
from jupyter_uml.types import ToolCall
from tests.engine.formats.answers import allows, check, seconds_for

CALL = (
    """<|tool_call_start|>[get_weather(city='It\\'s "x"', days=3, hourly=True, tags=['a', "b"], """
    "place={'lat': 1.5, 'name': None}), get_time()]<|tool_call_end|>"
)
CALLS = [
    (
        "get_weather",
        {"city": 'It\'s "x"', "days": 3, "hourly": True, "tags": ["a", "b"], "place": {"lat": 1.5, "name": None}},
    ),
    ("get_time", {}),
]


def test_calls() -> None:
    check(LFM2, f"Ok. {CALL}", content="Ok.", calls=CALLS)
    check(LFM2_THINKING, f"<think>Hm.</think>{CALL}Done.", reasoning="Hm.", content="Done.", calls=CALLS)


def test_strings() -> None:
    written = r"""<|tool_call_start|>[get_weather(city='It's\n\\n, ' "Ö" (x)')]<|tool_call_end|>"""
    check(LFM2, written, calls=[("get_weather", {"city": "It's\n\\n, ' \"Ö\" (x)"})])


def test_a_cut_call() -> None:
    cut = "<|tool_call_start|>[get_weather(days=3, city='Pa"
    check(LFM2, cut, calls=[("get_weather", '{"days": 3, "city": "Pa')], ended=0)


@pytest.mark.parametrize("text", ["<|tool_call_start|> x", "<|tool_call_start|>[a b(", "<|tool_call_start|>[get_w"])
def test_what_only_looks_like_a_call_is_content(text: str) -> None:
    check(LFM2, text, content=text)


@pytest.mark.parametrize("text", ["<|tool_call_start|>", "<|tool_call_start|>[", "<|tool_call_start|>[a(", "([{", CALL])
def test_hostile_answers_take_linear_time(text: str) -> None:
    assert seconds_for(LFM2, text, 1 << 18) < 4


@pytest.mark.parametrize("tokens", [False, True])
def test_the_grammar(tokens: bool) -> None:
    simple = "<|tool_call_start|>[get_weather(city='Paris', days=3), get_time()]<|tool_call_end|>"
    assert allows(LFM2, simple, tokens=tokens)
    assert not allows(LFM2, simple, many=False, tokens=tokens)
    assert not allows(LFM2, simple.replace("days=3", "days=x"), tokens=tokens)
    assert allows(LFM2, f"Ok. {simple}", free=True, tokens=tokens)


def test_calls_are_written_as_they_are_read() -> None:
    calls = [ToolCall("1", "get_weather", '{"city": "Paris", "days": 3}'), ToolCall("2", "get_time", "")]
    assert LFM2.written(calls) == "<|tool_call_start|>[get_weather(city='Paris', days=3), get_time()]<|tool_call_end|>"
