"""Cohere's models."""

from __future__ import annotations

import pytest

from jupyter_uml.engine.formats.command_r import COHERE_2, COMMAND_R7B, COMMAND_R_PLUS
from tests.engine.formats.answers import allows, allows_answer, check, seconds_for

R7B = (
    '<|START_ACTION|>[\n    {"tool_call_id": "0", "tool_name": "get_weather", "parameters": {"city": "Paris"}},\n'
    '    {"tool_call_id": "1", "tool_name": "get_time", "parameters": {}}\n]<|END_ACTION|>'
)
PLUS = (
    'Action:\n```json\n[\n    {\n        "tool_name": "get_weather",\n        "parameters": {\n'
    '            "city": "Paris"\n        }\n    }\n]```\n'
)
THOUGHT = "<|START_THINKING|>Hm.<|END_THINKING|>"
CLOSED = "<|CHATBOT_TOKEN|><|START_THINKING|><|END_THINKING|>"
CALLS = [("get_weather", {"city": "Paris"}), ("get_time", {})]


def test_actions() -> None:
    check(COMMAND_R7B, f"{THOUGHT}{R7B}", reasoning="Hm.", calls=CALLS)
    check(COHERE_2, f"Hm.<|END_THINKING|>{R7B}", opening="<|START_THINKING|>", reasoning="Hm.", calls=CALLS)
    check(COMMAND_R_PLUS, f"I will look.\n{PLUS}", content="I will look.", calls=CALLS[:1])


def test_responses() -> None:
    check(COMMAND_R7B, f"{THOUGHT}<|START_RESPONSE|>Sunny.<|END_RESPONSE|>", reasoning="Hm.", content="Sunny.")
    check(COHERE_2, "<|START_TEXT|>Sunny.<|END_TEXT|>", opening=CLOSED, content="Sunny.")


def test_a_cut_call() -> None:
    check(COMMAND_R7B, R7B[: R7B.index("ris")], calls=[("get_weather", '{"city": "Pa')], ended=0)


@pytest.mark.parametrize("text", ["<|START_ACTION|> no", "<|START_ACTION|>[1]", "Action:\n```json\nno"])
def test_what_only_looks_like_a_call_is_content(text: str) -> None:
    check(COMMAND_R7B, text, content=text)
    check(COMMAND_R_PLUS, text, content=text)


@pytest.mark.parametrize("text", ["<|START_ACTION|>", "<|START_ACTION|>[", "Action:\n```json", THOUGHT, R7B])
def test_hostile_answers_take_linear_time(text: str) -> None:
    assert seconds_for(COMMAND_R_PLUS if "Action" in text else COMMAND_R7B, text, 1 << 18) < 4


@pytest.mark.parametrize("tokens", [False, True])
def test_the_grammar(tokens: bool) -> None:
    assert allows(COMMAND_R7B, R7B, opening=CLOSED, tokens=tokens)
    assert not allows(COMMAND_R7B, R7B, opening=CLOSED, many=False, tokens=tokens)
    assert not allows(COMMAND_R7B, R7B.replace("city", "town"), opening=CLOSED, tokens=tokens)
    assert allows(COMMAND_R7B, f"{THOUGHT}{R7B}", tokens=tokens)
    if tokens:
        assert allows(COMMAND_R7B, f"{THOUGHT}<|START_RESPONSE|>Sunny.<|END_RESPONSE|>", free=True, tokens=True)
        assert allows(COMMAND_R7B, f"{THOUGHT}{R7B}", free=True, tokens=True)
    answer = "<|START_RESPONSE|>7<|END_RESPONSE|>"
    assert allows_answer(COMMAND_R7B, "/[0-9]+/", answer, opening=CLOSED, tokens=tokens)


def test_the_grammar_of_command_r_plus() -> None:
    assert allows(COMMAND_R_PLUS, PLUS.strip())
    assert allows(COMMAND_R_PLUS, f"I will look. {PLUS.strip()}", free=True)
    assert not allows(COMMAND_R_PLUS, f"I will look. {PLUS.replace('Paris', '')}x", free=True)
