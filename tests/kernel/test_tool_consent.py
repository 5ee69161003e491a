"""Nobody's function is called before the person has said so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from jupyter_uml.kernel.quiet_error import UmlMagicError
from jupyter_uml.kernel.tool_consent import ToolConsent
from jupyter_uml.types import ToolCall

CALL = ToolCall("1", "f", '{"a": 1}')


def make(code: str = "return 1") -> Callable[[], object]:
    names: dict[str, Callable[[], object]] = {}
    exec(f"def f():\n    {code}", names)
    return names["f"]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What is asked; an `answers` of the test is what is typed."""
    questions: list[str] = []
    answers: list[str] = []

    def ask(question: str) -> str:
        questions.append(question)
        return answers.pop(0)

    monkeypatch.setattr("builtins.input", ask)
    monkeypatch.setattr(ToolConsent, "answers", answers, raising=False)
    yield questions
    assert not answers


def test_the_call_is_seen_before_it_is_allowed(asked: list[str]) -> None:
    consent = ToolConsent()
    consent.answers.extend(["y", "N", "", "maybe", " Yes "])  # type: ignore[attr-defined]
    assert [consent.given(CALL, make()) for _ in range(4)] == [True, False, False, True]
    assert 'The model wants to call f {"a": 1}' in asked[0]
    assert "[y]es once / [a]lways / [n]o" in asked[0]
    assert len(asked) == 5


def test_always_holds_until_the_function_is_another(asked: list[str]) -> None:
    consent = ToolConsent()
    consent.answers.extend(["a", "n", "n"])  # type: ignore[attr-defined]
    assert [consent.given(CALL, make()) for _ in range(3)] == [True] * 3  # defined again, with the same code
    assert len(asked) == 1
    assert not consent.given(CALL, make("return 2"))
    assert not consent.given(ToolCall("2", "g", "{}"), make())


def test_an_object_that_can_be_called_is_remembered_though_it_has_no_hash(asked: list[str]) -> None:
    @dataclass
    class Lamp:
        room: str = "hall"

        def __call__(self) -> str:
            return self.room

    consent = ToolConsent()
    consent.answers.append("a")  # type: ignore[attr-defined]
    assert consent.given(CALL, Lamp())
    assert consent.given(CALL, Lamp())


def test_a_long_call_is_cut_and_what_acts_on_a_terminal_is_shown(asked: list[str]) -> None:
    consent = ToolConsent()
    consent.answers.append("n")  # type: ignore[attr-defined]
    consent.given(ToolCall("1", "f", "\x1b[2J" + "x" * 5000), make())
    assert "\x1b" not in asked[0]
    assert "more characters)" in asked[0]
    assert len(asked[0]) < 500


@pytest.mark.parametrize("trouble", [EOFError, OSError])
def test_where_nobody_can_be_asked_it_says_how_to_allow(monkeypatch: pytest.MonkeyPatch, trouble: type) -> None:
    def ask(_: str) -> str:
        raise trouble

    monkeypatch.setattr("builtins.input", ask)
    with pytest.raises(UmlMagicError, match=r"Allow it with `--yes`, or .* `%uml set allow_tools True`"):
        ToolConsent().given(CALL, make())
