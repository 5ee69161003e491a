"""Kimi K2 and K3."""

from __future__ import annotations

import pytest

from jupyter_uml.engine.formats.chat_format import ChatFormat
from jupyter_uml.engine.formats.kimi import KIMI_K2, KIMI_K2_THINKING, KIMI_K3
from tests.engine.formats.answers import allows, allows_answer, check, seconds_for

K2 = (
    "<|tool_calls_section_begin|><|tool_call_begin|>functions.get_weather:0<|tool_call_argument_begin|>"
    '{"city": "Paris"}'
    "<|tool_call_end|><|tool_call_begin|>functions.get_time:1<|tool_call_argument_begin|>{}<|tool_call_end|>"
    "<|tool_calls_section_end|>"
)
K2_CALLS = [("get_weather", {"city": "Paris"}), ("get_time", {})]
K3_CALL = (
    '<|open|>call tool="get_weather" index="1"<|sep|><|open|>argument key="city" type="string"<|sep|>Paris'
    '<|close|>argument<|sep|><|open|>argument key="days" type="number"<|sep|>3<|close|>argument<|sep|>'
    "<|close|>call<|sep|>"
)
K3 = f"<|open|>tools<|sep|>{K3_CALL}{K3_CALL}<|close|>tools<|sep|>"
K3_OPENING = '<|open|>message role="assistant"<|sep|><|open|>think<|sep|>'
RESPONSE = "<|close|>think<|sep|><|open|>response<|sep|>Ok.<|close|>response<|sep|>"
PARIS = ("get_weather", {"city": "Paris", "days": 3})


def test_k2() -> None:
    check(KIMI_K2, f"Ok. {K2}", content="Ok.", calls=K2_CALLS)
    check(KIMI_K2_THINKING, f"<think>Hm.</think>Ok.{K2}", reasoning="Hm.", content="Ok.", calls=K2_CALLS)
    check(KIMI_K2_THINKING, f"<think>Hm.{K2}", reasoning="Hm.", calls=K2_CALLS)


def test_k3() -> None:
    check(KIMI_K3, f"Hm.{RESPONSE}{K3}", opening=K3_OPENING, reasoning="Hm.", content="Ok.", calls=[PARIS] * 2)
    check(KIMI_K3, f"Hm.{RESPONSE}<|close|>message<|sep|>", opening=K3_OPENING, reasoning="Hm.", content="Ok.")


def test_cut_calls() -> None:
    check(KIMI_K2, K2[: K2.index("ris")], calls=[("get_weather", '{"city": "Pa')], ended=0)
    check(KIMI_K3, K3[: K3.index("ris")], calls=[("get_weather", '{"city": "Pa')], ended=0)


@pytest.mark.parametrize("text", ["<|tool_calls_section_begin|> no", "<|tool_call_begin|>functions. x y", "<|tool"])
def test_what_only_looks_like_a_call_is_content(text: str) -> None:
    check(KIMI_K2, text, content=text)


@pytest.mark.parametrize(
    ("format", "text"),
    [
        (KIMI_K2, "<|tool_call_begin|>"),
        (KIMI_K2, K2),
        (KIMI_K3, "<|open|>"),
        (KIMI_K3, "<|open|>tools<|sep|>"),
        (KIMI_K3, K3),
    ],
)
def test_hostile_answers_take_linear_time(format: ChatFormat, text: str) -> None:
    assert seconds_for(format, text, 1 << 18) < 4


@pytest.mark.parametrize("tokens", [False, True])
def test_the_grammar_of_k2(tokens: bool) -> None:
    assert allows(KIMI_K2, K2, tokens=tokens)
    assert not allows(KIMI_K2, K2, many=False, tokens=tokens)
    assert not allows(KIMI_K2, K2.replace('"Paris"', "1"), tokens=tokens)
    assert allows(KIMI_K2_THINKING, f"<think>Hm.</think>Ok.{K2}", free=True, tokens=tokens)


def test_the_grammar_of_k3() -> None:
    assert allows(KIMI_K3, K3, opening=K3_OPENING + "<|close|>think<|sep|>", tokens=True)
    assert not allows(KIMI_K3, K3.replace("3<", "x<"), opening=K3_OPENING + "<|close|>think<|sep|>", tokens=True)
    assert allows(KIMI_K3, f"Hm.{RESPONSE}{K3}", opening=K3_OPENING, free=True, tokens=True)
    assert allows(KIMI_K3, f"Hm.{RESPONSE}", opening=K3_OPENING, free=True, tokens=True)
    assert allows_answer(KIMI_K3, "/Ok./", f"Hm.{RESPONSE}", opening=K3_OPENING, tokens=True)
