"""A tool call that is written as one JSON object: the function's name and its arguments are two of its members."""

from __future__ import annotations

import json
from collections.abc import Container

from jupyter_uml.engine.formats.turn_reader import Reading, TurnReader

NAMES = ("name", "tool_name", "function")
ARGUMENTS = ("arguments", "parameters")


class JsonCall:
    """Reads such an object, whose members may come in any order. Arguments are given out as they come."""

    def __init__(self, reader: TurnReader, known: Container[str] | None = None) -> None:
        """`known`: only an object that names one of these functions, and has arguments, is a call."""
        self._reader, self._known = reader, known
        self._raw: list[str] = []  # what it is if it is no call
        self._name: str | None = None
        self._arguments: str | None = None  # if they came before the name
        self._begun = self._complete = False

    def read(self) -> Reading[str]:
        """Read the object, whose "{" has been read already. Returns "" if it was a call, else what was read of it."""
        self._raw.append("{")
        while (yield from self._member()):
            pass
        if not self._begun and self._name is not None and (self._known is None or self._arguments is not None):
            self._begin()
        if self._begun and self._complete:
            self._reader.end_call()
        return "" if self._begun else "".join(self._raw)

    def _member(self) -> Reading[bool]:
        """Read a member; False at the end of the object, or where it is no call."""
        key = yield from self._value()
        if not key:
            mark = yield from self._reader.starting(",", "}")
            self._raw.append(mark)
            self._complete = self._complete or mark == "}"
            return mark == ","
        space, colon = yield from self._reader.next(":")
        self._raw += [space, colon]
        return bool(colon) and (yield from self._valued(_text(key)))

    def _valued(self, key: str | None) -> Reading[bool]:
        if key in ARGUMENTS and self._name is not None and not self._begun:
            self._begin()
            self._complete = yield from self._streamed()
            return True
        value = yield from self._value()
        if key in ARGUMENTS and not self._begun:
            self._arguments = value
        elif key in NAMES and self._name is None:
            self._name = _text(value)
            return self._name is not None and (self._known is None or self._name in self._known)
        return bool(value)

    def _begin(self) -> None:
        self._begun = True
        self._reader.begin_call(self._name or "")
        self._reader.argue(_object(self._arguments or ""))

    def _streamed(self) -> Reading[bool]:
        """The arguments, given out as they come; those that are JSON within a JSON string, at their end."""
        pieces: list[str] = []

        def take(text: str) -> None:
            text = text if pieces else text.lstrip()
            if text:
                pieces.append(text)
                if pieces[0][0] != '"':
                    self._reader.argue(text)

        whole = yield from self._reader.json(take)
        if pieces and pieces[0][0] == '"':
            self._reader.argue(_object("".join(pieces)))
        return whole

    def _value(self) -> Reading[str]:
        """A JSON value's text, "" if there is none."""
        pieces: list[str] = []
        whole = yield from self._reader.json(pieces.append)
        self._raw += pieces
        return "".join(pieces).strip() if whole else ""


def _text(value: str) -> str | None:
    """The string that JSON text stands for; None where it stands for something else."""
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, str) and found else None


def _object(arguments: str) -> str:
    """Arguments, which some models write as JSON within a JSON string."""
    inner = _text(arguments)
    return inner if inner is not None and inner.lstrip().startswith("{") else arguments
