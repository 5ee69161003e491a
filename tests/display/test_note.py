"""The line under an answer, and the output it stands in."""

from __future__ import annotations

from jupyter_uml.client import Answer
from jupyter_uml.display.bundle import answer_bundle
from jupyter_uml.display.colours import DOUBTFUL
from jupyter_uml.display.note import answer_note, ending, is_cut
from jupyter_uml.types import Timings, ToolCall, Usage


def answer(reason: str, stop_reason: str | int | None = None, tokens: int = 5) -> Answer:
    return Answer("x", "demo", reason, stop_reason, Usage(3, tokens), Timings(0.0, 0.1, 0.5))  # type: ignore[arg-type]


def test_the_note_under_an_answer() -> None:
    assert answer_note(answer("stop", 7)) == "demo · 5 tokens · 10 tokens/s · first token 100 ms · complete"
    assert answer_note(Answer("x", "demo", "aborted")) == "demo · stopped"
    thought = Answer("x", "demo", "stop", usage=Usage(3, 9, reasoning_tokens=7))
    assert answer_note(thought) == "demo · 9 tokens, 7 of them reasoning · complete"


def test_an_answer_that_calls_says_what_it_waits_for() -> None:
    calls = (ToolCall("1", "get_weather", "{}"), ToolCall("2", "get_time", "{}"))
    assert ending(Answer("", "demo", "tool_calls", tool_calls=calls)) == "waits for get_weather, get_time"


def test_a_cut_says_why() -> None:
    assert ending(answer("length", "max_tokens")) == "cut off after 5 tokens: raise max_tokens for the rest"
    full = "cut off: the context is full; ask for less, or load the model with a longer context"
    assert ending(answer("length", "context")) == full
    assert ending(answer("length")) == "cut off after 5 tokens"  # by a server that does not tell
    assert ending(answer("stop", "END")) == "ended by 'END'"


def test_what_was_cached_and_what_was_left_out_is_told() -> None:
    usage = Usage(200, 1, cached_tokens=174, truncated_tokens=30)
    note = answer_note(Answer("x", "demo", "stop", usage=usage))
    assert note == "demo · 1 token · 30 tokens of the prompt left out · 87% of the prompt cached · complete"


def test_only_a_cut_is_seen_at_once() -> None:
    assert [is_cut(answer(reason)) for reason in ("length", "stop", "aborted", "tool_calls")] == [True] + [False] * 3
    quiet, seen = (answer_bundle(answer("length"), "a < b", warn)["text/html"] for warn in (False, True))
    assert "a &lt; b" in quiet
    assert (DOUBTFUL in quiet, DOUBTFUL in seen) == (False, True)


def test_the_plain_form_is_the_answer_alone() -> None:
    assert answer_bundle(answer("stop"), "note")["text/plain"] == "x"
