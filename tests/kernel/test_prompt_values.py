"""Values as a model reads them."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

from jupyter_uml.client import Answer
from jupyter_uml.kernel.prompt_values import MAX_CHARACTERS, MAX_ROWS, shape_note, value_text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("as it\nis", "as it\nis"),
        (3, "3"),
        (None, "None"),
        ({"a": [1, "ö", date(2026, 1, 2)]}, '{"a": [1, "ö", "2026-01-02"]}'),
        ((1, 2), "[1, 2]"),
        (Path("a/b"), "a/b"),
        (np.array([1, 2]), "[1 2]"),
        (Answer("what it said", "demo", "stop"), "what it said"),
    ],
)
def test_single_values(value: object, text: str) -> None:
    assert value_text(value) == text


def test_frames_of_both_kinds_are_csv() -> None:
    columns = {"city": ["Bonn", "a, b"], "n": [1, 2]}
    csv = 'city,n\nBonn,1\n"a, b",2'
    assert value_text(pd.DataFrame(columns)) == csv
    assert value_text(pl.DataFrame(columns)) == csv
    assert value_text(pl.LazyFrame(columns)) == csv
    assert value_text(pd.Series([1, 2], name="n")) == "n\n1\n2"
    assert value_text(pd.Series([1], name="n", index=["row"])) == ",n\nrow,1"
    assert value_text(pl.Series("n", [1, 2])) == "n\n1\n2"


@pytest.mark.parametrize("library", [pd, pl])
def test_a_long_frame_says_what_is_left_out(library: type) -> None:
    frame = library.DataFrame({f"c{i}": range(1000) for i in range(50)})  # type: ignore[attr-defined]
    *lines, note = value_text(frame).splitlines()
    assert len(lines) == MAX_ROWS + 1
    assert lines[0].endswith("c39")
    assert note == "(the first 30 of 1,000 rows, 40 of 50 columns)"
    assert shape_note(frame) == "30 of 1,000 rows, 40 of 50 columns"


def test_anything_else_that_is_long_is_cut_but_for_a_text() -> None:
    cut = value_text(list(range(50_000)))
    assert cut.startswith("[0, 1, 2")
    assert cut.endswith(f"\n(cut: {MAX_CHARACTERS:,} of 338890 characters)")
    assert len(value_text("x" * 50_000)) == 50_000
