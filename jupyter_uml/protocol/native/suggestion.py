"""What of a model's text is offered to somebody who writes code: pieces in, pieces out. Pure."""

from __future__ import annotations

import re
import unicodedata

MAX_LENGTH = 4000  # characters of a suggestion
LINE_ENDS = ("\n",)  # where the rest of a line follows the gap, nothing else is asked for
BLOCK_ENDS = ("\n\n", "\n```")  # at which a model may be stopped otherwise
_BLANK_LINE = re.compile(r"(?<=\S)[ \t]*\n[ \t]*\n")
_FENCE = re.compile(r"^[ \t]*```", re.MULTILINE)
_PAIRS = {")": "(", "]": "[", "}": "{"}
_QUOTES = frozenset("\"'`")
_UNSEEN = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))  # Unicode's categories


class Suggestion:
    """Text for the gap between `prefix` and `suffix`. It ends with a block or, in the middle of a line, with the line;
    what it would only repeat of the suffix, and characters that nobody sees, are left out."""

    def __init__(self, prefix: str, suffix: str) -> None:
        self._suffix = suffix
        self._rest = suffix.partition("\n")[0].rstrip()  # of the line
        self._following = _first_line(suffix)
        # A model writes words with the space before them, so the one at the end of the prefix is better left to it.
        self.prefix = prefix[:-1] if re.search(r"\S \Z", prefix) else prefix
        self._spaced = len(self.prefix) < len(prefix)
        self._text, self._shown = "", 0
        self.over = self._finished = False

    @property
    def ends(self) -> tuple[str, ...]:
        """Texts at which the model need not go on."""
        return LINE_ENDS if self._rest else BLOCK_ENDS

    def add(self, text: str) -> str:
        """What can be offered in addition, now that the model has gone on with `text`; `over`: it need not go on."""
        self._text += _visible(text)
        sure = self._cut()
        return "" if self._rest else self._next(sure)

    def finish(self) -> str:
        """The last piece: the model has ended, or was stopped."""
        self._finished = self.over = True
        return self._next(self._whole())

    def _next(self, offered: str) -> str:
        piece = offered[self._shown :]
        self._shown += len(piece)
        return piece

    def _cut(self) -> str:
        """What is sure not to be left out, whatever follows."""
        text = self._whole()
        head, newline, line = text.rpartition("\n")
        is_open = "```".startswith(line.strip()) or (newline and self._following.startswith(line))
        return head.rstrip() if is_open and not self.over else text

    def _whole(self) -> str:
        text = self._ended(self._begun()).rstrip()
        if self._rest and _repeats(text, self._rest):
            text = text.removesuffix(self._rest).rstrip()
        return "" if self._suffix.lstrip().startswith(text.strip()) else text

    def _begun(self) -> str:
        """Without the space that stands at the end of the prefix already."""
        text = self._text
        if self._spaced and text:
            if not text.startswith(" ") and _in_word(self.prefix[-1]) and _in_word(text[0]):
                self.over = True  # it has gone on with a word that is whole
                return ""
            text = text.removeprefix(" ")
        return text

    def _ended(self, text: str) -> str:
        ends = [MAX_LENGTH, *(found.start() for found in (_BLANK_LINE.search(text), _FENCE.search(text)) if found)]
        if self._rest and "\n" in text:
            ends.append(text.index("\n"))
        if (place := self._place_of_following(text)) is not None:
            ends.append(place)
        self.over = self.over or min(ends) < len(text)
        return text[: min(ends)]

    def _place_of_following(self, text: str) -> int | None:
        """Where the line begins that follows the gap anyway."""
        first, *lines = text.split("\n")
        place = len(first) + 1
        for line in lines if self._finished else lines[:-1]:
            if line.rstrip() == self._following != "":
                return place
            place += len(line) + 1
        return None


def _visible(text: str) -> str:
    """Without control characters, and without those that change the order in which others are seen."""
    return "".join(letter for letter in text if letter in "\n\t" or unicodedata.category(letter) not in _UNSEEN)


def _first_line(suffix: str) -> str:
    """The first whole line after the gap's own that says anything."""
    return next((line.rstrip() for line in suffix.split("\n")[1:] if line.strip()), "")


def _in_word(letter: str) -> bool:
    return letter.isalnum() or letter == "_"


def _repeats(text: str, rest: str) -> bool:
    """Whether the end of the text is the rest of the line, rather than what belongs to brackets or quotes in it."""
    if not text.endswith(rest):
        return False
    first = rest.lstrip()[:1]
    if opening := _PAIRS.get(first):
        return text.count(first) > text.count(opening)
    return first not in _QUOTES or text.count(first) % 2 == 1
