"""Muse."""

from __future__ import annotations

from jupyter_uml.engine.formats.muse import MUSE
from tests.engine.formats.answers import allows, allows_answer, check, seconds_for

OPENING = "<|start|>assistant"
THOUGHT = f" to=self<|message|>Hm.<|eom|>{OPENING}"
CALL = (
    ' to=get_weather<|message|><atem:function_calls>\n<atem:invoke name="get_weather">\n'
    '<atem:parameter name="city">Paris</atem:parameter>\n<atem:parameter name="days">3</atem:parameter>\n'
    "</atem:invoke>\n</atem:function_calls>"
)
PARIS = ("get_weather", {"city": "Paris", "days": 3})


def test_messages() -> None:
    check(MUSE, f"{THOUGHT} to=user<|message|>Sunny.<|eot|>", opening=OPENING, reasoning="Hm.", content="Sunny.")
    check(MUSE, f"{THOUGHT}{CALL}<|eom|>{OPENING}{CALL}<|eot|>", opening=OPENING, reasoning="Hm.", calls=[PARIS] * 2)
    check(MUSE, "Sunny.", opening=OPENING, content="Sunny.")
    check(MUSE, "ny.<|eot|>", opening=f"{OPENING} to=user<|message|>Sun", content="ny.")
    check(MUSE, CALL[: CALL.index("ris")], opening=OPENING, calls=[("get_weather", '{"city": "Pa')], ended=0)


def test_hostile_answers_take_linear_time() -> None:
    for text in ("<|start|>", " to=a<|message|>", "<|message|>", f"{CALL}<|eom|>"):
        assert seconds_for(MUSE, text, 1 << 17, OPENING) < 4


def test_the_grammar() -> None:
    twice = f"{CALL}<|eom|>{OPENING}{CALL}"
    for tokens in (False, True):
        assert allows(MUSE, twice, opening=OPENING, tokens=tokens)
        assert not allows(MUSE, twice, opening=OPENING, many=False, tokens=tokens)
        assert not allows(MUSE, CALL.replace(">3<", ">x<"), opening=OPENING, tokens=tokens)
    assert allows(MUSE, f"{THOUGHT}{CALL}", opening=OPENING, free=True, tokens=True)
    assert allows(MUSE, f"{THOUGHT} to=user<|message|>Sunny.", opening=OPENING, free=True, tokens=True)
    assert allows_answer(MUSE, "/[0-9]+/", f"{THOUGHT} to=user<|message|>7", opening=OPENING, tokens=True)
