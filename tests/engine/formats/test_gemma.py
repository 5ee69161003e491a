"""Gemma 4 and FunctionGemma."""

from __future__ import annotations

import pytest

from jupyter_uml.engine.formats.gemma import FUNCTION_GEMMA, GEMMA_4
from tests.engine.formats.answers import allows, allows_answer, check, seconds_for

CALL = (
    '<|tool_call>call:get_weather{city:<|"|>Pa{r},is<|"|>,days:3,hourly:true,'
    'place:{lat:1.5,name:<|"|>x<|"|>},tags:[<|"|>a<|"|>,<|"|>b<|"|>]}<tool_call|>'
)
MEANT = (
    "get_weather",
    {"city": "Pa{r},is", "days": 3, "hourly": True, "place": {"lat": 1.5, "name": "x"}, "tags": ["a", "b"]},
)
THOUGHT = "<|channel>thought\nHm.\n<channel|>"
CLOSED = "<|turn>model\n<|channel>thought\n<channel|>"


def test_a_call() -> None:
    check(GEMMA_4, f"{THOUGHT}Ok.{CALL}", opening="<|turn>model\n", reasoning="Hm.", content="Ok.", calls=[MEANT])
    check(GEMMA_4, f"{CALL}{CALL}", opening=CLOSED, calls=[MEANT] * 2)
    check(GEMMA_4, "<|tool_call>call:get_time{}<tool_call|>", calls=[("get_time", {})])


def test_reasoning_may_come_again() -> None:
    check(GEMMA_4, f"{THOUGHT}Ok.{THOUGHT}{CALL}", reasoning="Hm.Hm.", content="Ok.", calls=[MEANT])


def test_function_gemma() -> None:
    call = "<start_function_call>call:get_weather{city:<escape>Paris<escape>}<end_function_call>"
    check(FUNCTION_GEMMA, call, calls=[("get_weather", {"city": "Paris"})])
    assert allows(FUNCTION_GEMMA, call)


def test_a_cut_call() -> None:
    check(GEMMA_4, CALL[: CALL.index("{r}")], calls=[("get_weather", '{"city": "Pa')], ended=0)


@pytest.mark.parametrize("text", ["<|tool_call> x", "<|tool_call>call:a b{}", "<|tool_call>call:", "<|chan"])
def test_what_only_looks_like_a_call_is_content(text: str) -> None:
    check(GEMMA_4, text, content=text)


@pytest.mark.parametrize("text", ["<|tool_call>", "<|tool_call>call:", "<|tool_call>call:a{", '<|"|>', "{", CALL])
def test_hostile_answers_take_linear_time(text: str) -> None:
    assert seconds_for(GEMMA_4, text, 1 << 18) < 4


@pytest.mark.parametrize("tokens", [False, True])
def test_the_grammar(tokens: bool) -> None:
    assert allows(GEMMA_4, CALL, opening=CLOSED, tokens=tokens)
    assert allows(GEMMA_4, f"{CALL}{CALL}", opening=CLOSED, tokens=tokens)
    assert not allows(GEMMA_4, f"{CALL}{CALL}", opening=CLOSED, many=False, tokens=tokens)
    assert allows(GEMMA_4, '<|tool_call>call:get_weather{city:<|"|>x<|"|>}<tool_call|>', tokens=tokens)
    assert not allows(GEMMA_4, "<|tool_call>call:get_weather{days:3}<tool_call|>", tokens=tokens)
    assert not allows(GEMMA_4, CALL.replace("days:3", "days:x"), opening=CLOSED, tokens=tokens)
    assert allows(GEMMA_4, f"{THOUGHT}Ok. {CALL}", opening="<|turn>model\n", free=True, tokens=tokens)
    assert allows_answer(GEMMA_4, "/[0-9]+/", "7", opening=CLOSED, tokens=tokens)
