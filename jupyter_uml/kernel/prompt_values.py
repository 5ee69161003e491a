"""Values of a notebook as text for a model to read: frames as CSV, dicts and lists as JSON; what is cut says so."""

from __future__ import annotations

import json
from typing import Any

from jupyter_uml.display import figures

MAX_ROWS = 30
MAX_COLUMNS = 40
MAX_CHARACTERS = 20_000  # of a value that is no text itself

_FRAMES = {"DataFrame", "LazyFrame", "Series"}


def value_text(value: Any) -> str:
    """A text as it is; anything else bounded, with a line that says what was left out."""
    if isinstance(value, str):
        return value
    return _cut(_frame_text(value) if is_frame(value) else plain_text(value))


def plain_text(value: Any) -> str:
    """One value: as JSON where it is made of what JSON has, else as Python prints it."""
    match value:
        case str():
            return value
        case dict() | list() | tuple():
            return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def is_frame(value: Any) -> bool:
    """Whether it is a frame or a series of pandas or polars, without importing either."""
    kind = type(value)
    return kind.__name__ in _FRAMES and kind.__module__.partition(".")[0] in ("pandas", "polars")


def shape_note(value: Any) -> str:
    """How much of a frame `value_text` shows, in a few words; empty where it is all of it."""
    if not is_frame(value):
        return ""
    rows, columns = _size(value)
    parts = [f"{MAX_ROWS} of {rows:,} rows"] if rows > MAX_ROWS else []
    parts += [f"{MAX_COLUMNS} of {columns:,} columns"] if columns > MAX_COLUMNS else []
    return ", ".join(parts)


def _frame_text(value: Any) -> str:
    frame = _collected(value)
    note = shape_note(frame)
    if type(frame).__name__ == "Series":
        frame = frame.to_frame()
    frame = frame.head(MAX_ROWS)
    if frame.shape[1] > MAX_COLUMNS:
        frame = frame[list(frame.columns[:MAX_COLUMNS])]
    text: str = frame.write_csv() if hasattr(frame, "write_csv") else frame.to_csv(index=_has_index(frame))
    return text.rstrip("\n") + (f"\n(the first {note})" if note else "")


def _collected(value: Any) -> Any:
    return value.collect() if type(value).__name__ == "LazyFrame" else value


def _has_index(frame: Any) -> bool:
    """Whether the rows have names of their own, and not numbers only."""
    return type(frame.index).__name__ != "RangeIndex"


def _size(value: Any) -> tuple[int, int]:
    shape = _collected(value).shape
    return int(shape[0]), int(shape[1]) if len(shape) > 1 else 1


def _cut(text: str) -> str:
    if len(text) <= MAX_CHARACTERS:
        return text
    return f"{text[:MAX_CHARACTERS]}\n(cut: {MAX_CHARACTERS:,} of {figures.plural(len(text), 'character')})"
