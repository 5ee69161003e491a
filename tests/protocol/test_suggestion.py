"""What is offered of a model's text: where it ends, what it repeats, what nobody should get to see."""

from __future__ import annotations

import random

import pytest

from jupyter_uml.protocol.native.suggestion import MAX_LENGTH, Suggestion

ARROWS = "\u202e\u2066\u200b\ufeff\u2028"  # they turn text around, or hide in it


def offered(text: str, prefix: str = "x = f", suffix: str = "", pieces: int = 1) -> str:
    """What comes of a model's text, that arrives in so many pieces."""
    suggestion, shown = Suggestion(prefix, suffix), ""
    cuts = sorted(random.Random(len(text)).choices(range(len(text) + 1), k=pieces - 1))
    for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
        shown += suggestion.add(text[start:end])
        if suggestion.over:
            break
    return shown + suggestion.finish()


CASES = [
    # text of the model, prefix, suffix, what is offered
    ("(1)", "x = f", "", "(1)"),
    ("(1)\ny = 2", "x = f", "", "(1)\ny = 2"),
    # it ends with a block
    ("(1)\n\ny = 2", "x = f", "", "(1)"),
    ("(1)\n  \t\n\ny = 2", "x = f", "", "(1)"),
    ("(1)\n```\nThis is", "x = f", "", "(1)"),
    ("```", "x = f\n", "", ""),
    # nothing is nothing
    ("  \n ", "x = f", "", ""),
    ("", "x = f", "", ""),
    ("(1)  \n", "x = f", "", "(1)"),
    # the space that is there already
    (" 1", "x = ", "", "1"),
    ("1", "x = ", "", "1"),
    ("ed", "return ", "", ""),  # it went on with the word
    ("  1", "if x:\n    ", "", "  1"),  # an indentation is not touched
    # in the middle of a line there is no second one, and its rest is not repeated
    ("a, b)", "print(", ")", "a, b"),
    ("a, b", "print(", ")", "a, b"),
    ("f(a)", "print(", ")", "f(a)"),
    ("f(a))", "print(", ")", "f(a)"),
    ('abc"', 'x = "', '"', "abc"),
    ('a")\nprint("b', 'print("', '")', "a"),
    ("a\nb", "print(", ")", "a"),
    ("a)  \nb", "print(", ")", "a"),
    ("a: int):", "def f(", "):", "a: int"),
    # what follows anyway
    (")", "print(a", ")", ""),
    ("\n    return x", "y = 1", "\n    return x\n", ""),
    (" + 1\n    return x\n", "y = 1", "\n    return x\n", " + 1"),
    (" + 1\n    return x", "y = 1", "\n    return x\n", " + 1"),
    (" + 1\n    return x + 1", "y = 1", "\n    return x\n", " + 1\n    return x + 1"),
    (" + 1\n    return x\n", "y = 1", "\n\n    return x\n", " + 1"),
    # nothing but text
    ("a\x00b\x1b[31mc\x07\r\n\td", "x = f", "", "ab[31mc\n\td"),
    (f"a{ARROWS}b é 中 🙂", "x = f", "", "ab é 中 🙂"),
    ("a" * 9000, "x = f", "", "a" * MAX_LENGTH),
]


@pytest.mark.parametrize("pieces", [1, 3, 20])
@pytest.mark.parametrize(("text", "prefix", "suffix", "expected"), CASES)
def test_what_is_offered(text: str, prefix: str, suffix: str, expected: str, pieces: int) -> None:
    assert offered(text, prefix, suffix, pieces) == expected


def test_pieces_are_offered_as_soon_as_it_is_sure_that_they_stay() -> None:
    suggestion = Suggestion("x = f", "\nlast\n")
    steps = ["(1", ") ", "+ 2", "\n", "la", "ter", " = 3\n", "last", "\n", "y"]
    shown = []
    for step in steps:
        shown.append(suggestion.add(step))
        if suggestion.over:
            break
    assert shown == ["(1", ")", " + 2", "", "", "\nlater", " = 3", "", ""]
    assert suggestion.finish() == ""


def test_the_model_is_told_to_stop_where_the_suggestion_would_end() -> None:
    assert Suggestion("print(", ")\nmore").ends == ("\n",)
    assert "\n\n" in Suggestion("x = 1", "\nmore").ends


def test_the_model_reads_no_space_that_it_would_write_itself() -> None:
    assert Suggestion("x = ", "").prefix == "x ="
    assert Suggestion("if x:\n    ", "").prefix == "if x:\n    "
    assert Suggestion("x =  ", "").prefix == "x =  "
