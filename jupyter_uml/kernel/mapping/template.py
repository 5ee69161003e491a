"""One prompt for all rows: text with `{column}` in it, or a function that makes the prompt of a row. Pure.

Only names of columns are replaced. Every other brace stays as it is, so a JSON example needs no doubling; `{{name}}`
stands for the text `{name}`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from math import isnan
from typing import Any

from jupyter_uml.client.arguments import Conversation
from jupyter_uml.errors import InvalidRequest
from jupyter_uml.kernel.prompt_values import plain_text

LATE = 1000  # characters that are the same for all rows and stand behind what differs, from which on it is worth a word

_BRACES = re.compile(r"\{(\{\w+\})\}|\{([^{}\n]+)\}")
_MISSING = {"NAType", "NaTType"}  # what pandas has for it, beside NaN


class RowRefusedError(ValueError):
    """A row makes no prompt; the message says why."""


class Template:
    """A text with `{column}`. `part` is a literal text, or the name of a column and how it stood there."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._parts: list[str | tuple[str, str]] = []
        end = 0
        for found in _BRACES.finditer(text):
            self._parts.append(text[end : found.start()])
            self._parts.append(found[1] or (found[2], found[0]))
            end = found.end()
        self._parts.append(text[end:])

    def check(self, columns: Iterable[str]) -> list[str]:
        """The columns that are used, in the order of the text.

        Raises:
            InvalidRequest: there are none, or a name is none of `columns`.
        """
        known = list(columns)
        names = [part[0] for part in self._parts if isinstance(part, tuple)]
        for name in names:
            if name not in known and name.isidentifier():
                raise InvalidRequest(_unknown(name, known), param="prompt")
        used = [name for name in names if name in known]
        if not used:
            some = ", ".join(f"{{{name}}}" for name in known[:8])
            raise InvalidRequest(
                f"The prompt is the same for every row: name a column in it, such as {some}.", param="prompt"
            )
        return used

    def late_text(self, columns: Iterable[str]) -> int:
        """Characters that are the same for all rows, and computed for each since something that differs comes first."""
        known, late, seen = set(columns), 0, False
        for part in self._parts:
            if isinstance(part, tuple) and part[0] in known:
                seen = True
            elif seen:
                late += len(part if isinstance(part, str) else part[1])
        return late

    def render(self, fields: Mapping[str, Any]) -> str:
        """The prompt of a row.

        Raises:
            RowRefusedError: a value is missing, or is no text.
        """
        return "".join(part if isinstance(part, str) else _filled(*part, fields) for part in self._parts)


Prompt = Template | Callable[[Any], Conversation]


def _filled(name: str, as_written: str, fields: Mapping[str, Any]) -> str:
    if name in fields:
        return _text(name, fields[name])
    if name.isidentifier():
        raise RowRefusedError(f"{name} is missing")
    return as_written


def _text(name: str, value: Any) -> str:
    if is_missing(value):
        raise RowRefusedError(f"{name} is missing")
    if isinstance(value, bytes | bytearray | memoryview):
        raise RowRefusedError(f"{name} holds bytes, not text")
    return plain_text(value)


def is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and isnan(value)) or type(value).__name__ in _MISSING


def _unknown(name: str, known: list[str]) -> str:
    near = get_close_matches(name, known, 1)
    there = f"Did you mean {{{near[0]}}}?" if near else f"There is: {', '.join(known[:8])}."
    return f"{{{name}}} is no column. {there} For the text itself write {{{{{name}}}}}."
