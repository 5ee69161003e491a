"""Finds markers in text that comes in pieces, however it is cut."""

from __future__ import annotations

import re
from functools import lru_cache

from jupyter_uml.engine.formats.json_text import JsonText


class Scanner:
    """Text that was pushed and is not read yet. Linear in all the text, if every push is followed by reading until
    nothing comes any more: what stays unread is then shorter than the longest marker."""

    def __init__(self) -> None:
        self._text = ""
        self._at = 0  # what comes before has been read
        self.closed = False

    def push(self, text: str) -> None:
        self._text = self._text[self._at :] + text
        self._at = 0

    def close(self) -> None:
        """No more text comes: nothing is held back any longer."""
        self.closed = True

    @property
    def empty(self) -> bool:
        return self._at == len(self._text)

    def until(self, *markers: str) -> tuple[str, str]:
        """The text up to the first of `markers`, and this marker, both read; of markers that begin at one place the
        longest counts. Where none has come: all text but an ending which may be a marker's beginning, and "".

        In a closed scanner it is called until it returns no marker.
        """
        pattern, beginnings, longest = _compiled(markers)
        certain = self._certain(beginnings, longest)
        found = pattern.search(self._text, self._at)
        if found and found.start() < certain:
            return self._read(found.start()), self._read(found.end())
        return self._read(certain), ""

    def starts(self, *markers: str) -> str | None:
        """The marker that the unread text starts with, read; "" where it starts otherwise, None while it may become
        either. Of several the longest counts."""
        pattern, beginnings, longest = _compiled(markers)
        if not self.closed and (self.empty or self._certain(beginnings, longest) == self._at):
            return None
        found = pattern.match(self._text, self._at)
        return self._read(found.end()) if found else ""

    def skip_space(self) -> str:
        """The white space that the unread text starts with, read."""
        rest = _SPACE.match(self._text, self._at)
        return self._read(rest.end()) if rest else ""

    def json(self, value: JsonText) -> str:
        """What of the unread text belongs to the value, read."""
        return self._read(value.follow(self._text, self._at))

    def rest(self) -> str:
        """All that is unread, read: the text has come to its end, or markers do not matter."""
        return self._read(len(self._text))

    def _read(self, end: int) -> str:
        start, self._at = self._at, end
        return self._text[start:end]

    def _certain(self, beginnings: frozenset[str], longest: int) -> int:
        """Where the ending begins that may be a marker's beginning."""
        end = len(self._text)
        open_places = range(0) if self.closed else range(max(self._at, end - longest + 1), end)
        return next((start for start in open_places if self._text[start:] in beginnings), end)


_SPACE = re.compile(r"\s+")


@lru_cache(maxsize=256)
def _compiled(markers: tuple[str, ...]) -> tuple[re.Pattern[str], frozenset[str], int]:
    """A pattern of the markers, all that some marker begins with and goes on after, and the longest one's length."""
    ordered = sorted(markers, key=len, reverse=True)
    beginnings = frozenset(marker[:length] for marker in markers for length in range(1, len(marker)))
    return re.compile("|".join(map(re.escape, ordered))), beginnings, len(ordered[0])
