"""Figures in words."""

from __future__ import annotations

import pytest

from jupyter_uml.client import Answer
from jupyter_uml.kernel import figures, tables
from jupyter_uml.types import EffectiveSettings, ModelStatus, Timings, ToolCall, Usage

ROW = ModelStatus("demo", "available", 6_170_976, "demo")
LOADED = ModelStatus(
    "<b>", "loaded", 10, "folder", memory_bytes=78_000_000, settings=EffectiveSettings(1024, 4, 1, 0, "f16")
)


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (None, ""),
        (0, "0 B"),
        (999, "999 B"),
        (1000, "0.977 KiB"),
        (6_170_976, "5.89 MiB"),
        (3 << 30, "3 GiB"),
        (2 << 40, "2 TiB"),
    ],
)
def test_sizes(count: float | None, text: str) -> None:
    assert figures.size(count) == text


def test_rates_and_times() -> None:
    assert [figures.rate(value) for value in (None, 0.51, 9.94, 1234.5)] == [
        "",
        "0.5 tokens/s",
        "9.9 tokens/s",
        "1234 tokens/s",
    ]
    assert [figures.seconds(value) for value in (0.004, 0.9994, 12.34)] == ["4 ms", "999 ms", "12.3 s"]
    assert [figures.plural(count, "token") for count in (0, 1, 2)] == ["0 tokens", "1 token", "2 tokens"]


def answer(reason: str, stop_reason: str | int | None = None, tokens: int = 5) -> Answer:
    return Answer("x", "demo", reason, stop_reason, Usage(3, tokens), Timings(0.0, 0.1, 0.5))  # type: ignore[arg-type]


def test_the_note_under_an_answer() -> None:
    assert figures.answer_note(answer("stop", 7)) == "demo · 5 tokens · 10 tokens/s · first token 100 ms · complete"
    assert figures.answer_note(Answer("x", "demo", "aborted")) == "demo · stopped"
    thought = Answer("x", "demo", "stop", usage=Usage(3, 9, reasoning_tokens=7))
    assert figures.answer_note(thought) == "demo · 9 tokens, 7 of them reasoning · complete"


def test_an_answer_that_calls_says_what_it_waits_for() -> None:
    calls = (ToolCall("1", "get_weather", "{}"), ToolCall("2", "get_time", "{}"))
    assert figures.ending(Answer("", "demo", "tool_calls", tool_calls=calls)) == "waits for get_weather, get_time"


def test_a_cut_says_why() -> None:
    assert figures.ending(answer("length"), max_tokens=5) == "cut off after 5 tokens, as asked"
    assert figures.ending(answer("length"), max_tokens=50) == "cut off: the context is full"
    assert figures.ending(answer("stop", "END")) == "ended by 'END'"


def test_tables_in_html_are_escaped() -> None:
    html = tables.to_html(tables.status_columns([LOADED]), "a < b")
    assert "<b>" not in html
    assert "&lt;b&gt;" in html
    assert "a &lt; b" in html


def test_tables_in_text_are_aligned() -> None:
    text = tables.to_text(tables.models_columns([ROW, LOADED]), "note")
    assert text.splitlines() == [
        "Model  State          Size  Context  From",
        "demo   available  5.89 MiB           demo",
        "<b>    loaded         10 B     1024  folder",
        "note",
    ]


def test_a_model_that_loads_shows_how_far_it_is() -> None:
    assert figures.loading_note(ModelStatus("demo", "loading", 1, "demo", progress=0.5)) == "Loading demo … 50%"
    assert figures.loading_note(ModelStatus("demo", "restarting", 1, "demo")) == "Restarting demo …"
