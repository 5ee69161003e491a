"""gpt-oss."""

from __future__ import annotations

import pytest

from jupyter_uml.engine.formats.harmony import HARMONY
from tests.engine.formats.answers import allows, allows_answer, check, seconds_for

OPENING = "<|start|>assistant"
THOUGHT = "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant"
CALL = '<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>{"city": "Paris"}<|call|>'
RENDERED = ' to=functions.get_weather<|channel|>commentary json<|message|>{"city": "Paris"}<|call|>'
PREAMBLE = "<|channel|>commentary<|message|>Let me see.<|end|><|start|>assistant"
FINAL = "<|channel|>final<|message|>Sunny.<|return|>"
PARIS = ("get_weather", {"city": "Paris"})


@pytest.mark.parametrize("call", [CALL, RENDERED, CALL.removesuffix("<|call|>")])
def test_a_call(call: str) -> None:
    check(HARMONY, f"{THOUGHT}{call}", opening=OPENING, reasoning="Hm.", calls=[PARIS])


def test_a_preamble_is_content() -> None:
    check(HARMONY, f"{THOUGHT}{PREAMBLE}{CALL}", opening=OPENING, reasoning="Hm.", content="Let me see.", calls=[PARIS])


def test_the_final_channel() -> None:
    check(HARMONY, f"{THOUGHT}{FINAL}", opening=OPENING, reasoning="Hm.", content="Sunny.")
    check(HARMONY, FINAL.removesuffix("<|return|>"), opening=OPENING, content="Sunny.")
    check(HARMONY, "Sunny.<|return|>", opening=f"{OPENING}<|channel|>final<|message|>", content="Sunny.")
    check(
        HARMONY,
        f"Hm.<|end|>{OPENING}{FINAL}",
        opening=f"{OPENING}<|channel|>analysis<|message|>",
        reasoning="Hm.",
        content="Sunny.",
    )
    check(HARMONY, "Sunny, without a header.", opening=OPENING, content="Sunny, without a header.")


def test_several_calls() -> None:
    check(HARMONY, f"{CALL}{OPENING}{CALL}", opening=OPENING, calls=[PARIS] * 2)


def test_a_cut_call() -> None:
    check(HARMONY, CALL[: CALL.index("ris")], opening=OPENING, calls=[("get_weather", '{"city": "Pa')], ended=0)


def test_reasoning_is_known_while_it_lasts() -> None:
    parser = HARMONY.parser((), OPENING)
    parser.push("<|channel|>analysis<|message|>Hm")
    assert parser.reasoning
    parser.push(".<|end|>")
    assert not parser.reasoning
    assert HARMONY.parser((), f"{OPENING}<|channel|>analysis<|message|>").reasoning


@pytest.mark.parametrize(
    "text", ["<|start|>", "<|channel|>", "<|message|>", "<|channel|>analysis<|message|>", "<|end|>", CALL]
)
def test_hostile_answers_take_linear_time(text: str) -> None:
    assert seconds_for(HARMONY, text, 1 << 18, OPENING) < 4


@pytest.mark.parametrize("tokens", [False, True])
def test_the_grammar(tokens: bool) -> None:
    assert allows(HARMONY, CALL, opening=OPENING, tokens=tokens)
    assert not allows(HARMONY, CALL.replace("city", "town"), opening=OPENING, tokens=tokens)
    assert not allows(HARMONY, FINAL.removesuffix("<|return|>"), opening=OPENING, tokens=tokens)
    if tokens:
        assert allows(HARMONY, f"{THOUGHT}{THOUGHT}{CALL}", opening=OPENING, tokens=True)
        assert allows(HARMONY, f"{THOUGHT}{PREAMBLE}{CALL}", opening=OPENING, free=True, tokens=True)
        assert allows(HARMONY, f"{THOUGHT}{FINAL}".removesuffix("<|return|>"), opening=OPENING, free=True, tokens=True)
        assert allows_answer(
            HARMONY, "/[0-9]+/", f"{THOUGHT}<|channel|>final<|message|>7", opening=OPENING, tokens=True
        )
        assert not allows_answer(
            HARMONY, "/[0-9]+/", f"{THOUGHT}<|channel|>final<|message|>x", opening=OPENING, tokens=True
        )
        started = f"{OPENING}<|channel|>final<|message|>"
        assert allows_answer(HARMONY, "/[0-9]+/", "7", opening=started, tokens=True)
