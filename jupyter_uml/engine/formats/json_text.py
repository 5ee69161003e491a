"""Where a JSON value ends, in text that comes in pieces, without reading what it says."""

from __future__ import annotations

import re

_SPACE = re.compile(r"[ \t\r\n]*")
_TO_STRUCTURE = re.compile(r'[^"{}\[\]]*')
_IN_STRING = re.compile(r'[^"\\]*')
_SCALAR = re.compile(r"[\w.+-]*", re.ASCII)  # a number, true, false, null


class JsonText:
    """Follows one value, from the white space before it on. Linear, and without memory of what it has seen.

    Only strings and nesting are followed: what is no JSON in between goes through, as the model wrote it. `ended`
    before anything but white space was read means that no value starts there.
    """

    def __init__(self) -> None:
        self.ended = False
        self.started = False
        self._depth = 0
        self._in_string = False
        self._escaped = False
        self._scalar = False

    def follow(self, text: str, at: int = 0) -> int:
        """The place in `text` up to which, looking from `at` on, it belongs to the value."""
        while at < len(text) and not self.ended:
            if not self.started:
                at = self._start(text, at)
            elif self._scalar:
                at = self._end_of(_SCALAR, text, at)
                self.ended = at < len(text)
            elif self._in_string:
                at = self._string(text, at)
            else:
                at = self._structure(text, at)
        return at

    def _start(self, text: str, at: int) -> int:
        at = self._end_of(_SPACE, text, at)
        if at < len(text):
            self.started = text[at] in '{["' or self._end_of(_SCALAR, text, at) > at
            self.ended = not self.started
            self._scalar = self.started and text[at] not in '{["'
        return at

    def _structure(self, text: str, at: int) -> int:
        at = self._end_of(_TO_STRUCTURE, text, at)
        if at == len(text):
            return at
        self._in_string = text[at] == '"'
        self._depth += (text[at] in "{[") - (text[at] in "}]")
        self.ended = self._depth == 0 and not self._in_string
        return at + 1

    def _string(self, text: str, at: int) -> int:
        if self._escaped:
            self._escaped = False
            return at + 1
        at = self._end_of(_IN_STRING, text, at)
        if at == len(text):
            return at
        self._escaped = text[at] == "\\"
        self._in_string = self._escaped
        self.ended = not self._in_string and self._depth == 0
        return at + 1

    @staticmethod
    def _end_of(pattern: re.Pattern[str], text: str, at: int) -> int:
        found = pattern.match(text, at)
        return found.end() if found else at
