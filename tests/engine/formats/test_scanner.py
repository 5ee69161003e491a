"""Markers in text that comes in pieces, and where a JSON value ends."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable

import pytest

from jupyter_uml.engine.formats.json_text import JsonText
from jupyter_uml.engine.formats.scanner import Scanner

MARKERS = ("<a>", "<ab>", "abcd", "bc", "</think>", "</think>\n")


def split(text: str, cuts: Iterable[int], markers: tuple[str, ...] = MARKERS) -> list[str]:
    """The text, cut before and after its markers."""
    scanner, found, start = Scanner(), [""], 0
    for end in [*cuts, len(text), None]:
        if end is None:
            scanner.close()
        else:
            scanner.push(text[start:end])
            start = end
        marker = "?"
        while marker:
            before, marker = scanner.until(*markers)
            found[-1] += before
            found += [marker, ""] if marker else []
    return found


def test_any_cut_of_a_text_gives_the_same() -> None:
    chance = random.Random(0)
    for _ in range(1000):
        pieces = ["<a", "<a>", "<ab", ">", "a", "b", "c", "d", "</think>", "\n", "x"]
        text = "".join(chance.choices(pieces, k=chance.randint(0, 12)))
        whole = split(text, [])
        assert "".join(whole) == text
        assert split(text, range(1, len(text))) == whole
        assert split(text, sorted(chance.choices(range(len(text) + 1), k=3))) == whole


def test_the_longest_marker_counts() -> None:
    assert split("x</think>\ny", [10]) == ["x", "</think>\n", "y"]
    assert split("x</think>", [5]) == ["x", "</think>", ""]


def test_text_is_given_out_as_soon_as_it_is_certain() -> None:
    scanner = Scanner()
    scanner.push("hello <th")
    assert scanner.until("<think>") == ("hello ", "")
    scanner.push("e end")
    assert scanner.until("<think>") == ("<the end", "")


def test_what_a_text_starts_with() -> None:
    scanner = Scanner()
    scanner.push("<thi")
    assert scanner.starts("<think>") is None
    scanner.push("nk>x")
    assert scanner.starts("<think>") == "<think>"
    assert scanner.starts("<think>") == ""
    assert scanner.rest() == "x"


@pytest.mark.parametrize("text", ["<", "<think", "<think>"])
def test_a_hostile_text_takes_linear_time(text: str) -> None:
    scanner, started = Scanner(), time.monotonic()
    for piece in text * (400_000 // len(text)):
        scanner.push(piece)
        scanner.until("<think>", "</think>")
    assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": [1, "}]\\"{"], "b": {}}}', '{"a": [1, "}]\\"{"], "b": {}}'),
        (' "ab\\\\"x', ' "ab\\\\"'),
        ("12.5e3,", "12.5e3"),
        ("[]]", "[]"),
        ("true}", "true"),
    ],
)
def test_a_json_value_ends_where_it_ends(text: str, value: str) -> None:
    whole = JsonText()
    assert text[: whole.follow(text)] == value
    assert whole.ended
    pieces = JsonText()
    assert "".join(letter[: pieces.follow(letter)] for letter in text) == value


def test_what_is_no_json_is_no_value() -> None:
    value = JsonText()
    assert value.follow("  <x>") == 2
    assert value.ended
    assert not value.started


def test_a_deep_value_takes_linear_time() -> None:
    value, started = JsonText(), time.monotonic()
    value.follow('["' * 500_000)
    value.follow("[" * 1_000_000)
    assert time.monotonic() - started < 5
    assert not value.ended
