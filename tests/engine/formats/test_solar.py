"""Solar Open."""

from __future__ import annotations

from jupyter_uml.engine.formats.solar import SOLAR
from tests.engine.formats.answers import allows, allows_answer, check, seconds_for

CALL = '<|tool_call:begin|>a1b2c3d4e5<|tool_call:name|>get_weather<|tool_call:args|>{"city": "Paris"}<|tool_call:end|>'
CALLS = f"<|tool_calls|>{CALL}{CALL}<|calls|>"
THOUGHT = "<|think|>Hm.<|end|><|begin|>assistant"
OPENING = "<|begin|>assistant"
PARIS = ("get_weather", {"city": "Paris"})


def test_messages() -> None:
    check(SOLAR, f"{THOUGHT}{CALLS}", opening=OPENING, reasoning="Hm.", calls=[PARIS] * 2)
    check(SOLAR, f"{THOUGHT}<|content|>Sunny.<|end|>", opening=OPENING, reasoning="Hm.", content="Sunny.")
    check(SOLAR, CALLS[: CALLS.index("ris")], opening=OPENING, calls=[("get_weather", '{"city": "Pa')], ended=0)
    check(SOLAR, "<|tool_calls|>no", opening=OPENING, content="<|tool_calls|>no")


def test_hostile_answers_take_linear_time() -> None:
    for text in ("<|tool_calls|>", "<|tool_call:begin|>", "<|begin|>assistant", "<|think|>", CALLS):
        assert seconds_for(SOLAR, text, 1 << 17, OPENING) < 4


def test_the_grammar() -> None:
    assert allows(SOLAR, f"{THOUGHT}{CALLS}", opening=OPENING, tokens=True)
    assert not allows(SOLAR, f"{THOUGHT}{CALLS}", opening=OPENING, many=False, tokens=True)
    assert allows(SOLAR, f"{THOUGHT}<|content|>Sunny.<|end|>", opening=OPENING, free=True, tokens=True)
    answer = f"{THOUGHT}<|content|>7<|end|>"
    assert allows_answer(SOLAR, "/[0-9]+/", answer, opening=OPENING, tokens=True)
