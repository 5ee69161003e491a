"""From token bytes to what may be shown: whole characters, told apart by the chat format, nothing of a stop string."""

from __future__ import annotations

import codecs
from dataclasses import replace
from itertools import takewhile

from jupyter_uml.engine.formats.chat_format import Parsed, Parser


class AnswerStream:
    """One answer's text. `push` takes a token's bytes and returns what is safe to send on.

    Held back are the first bytes of a character whose rest is still to come, what the parser cannot tell yet, and an
    ending of the content that may become a stop string. `finish` gives it up, so nothing is ever lost.
    """

    def __init__(self, stop: tuple[str, ...] = (), parser: Parser | None = None) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._parser = parser
        self._stop = StopStrings(stop)

    @property
    def stopped_by(self) -> str | None:
        return self._stop.found

    @property
    def reasoning(self) -> bool:
        """What comes next is reasoning."""
        return self._parser is not None and self._parser.reasoning

    @property
    def calls_ended(self) -> int:
        return 0 if self._parser is None else self._parser.calls_ended

    def push(self, piece: bytes) -> Parsed:
        if self.stopped_by is not None:
            return Parsed()
        text = self._decoder.decode(piece)
        parsed = Parsed(text) if self._parser is None else self._parser.push(text)
        return self._stopped(parsed)

    def finish(self) -> Parsed:
        """The rest, when the answer ended for another reason than a stop string."""
        if self.stopped_by is not None:
            return Parsed()
        text = self._decoder.decode(b"", final=True)
        if self._parser is None:
            parsed = Parsed(text)
        else:
            first, last = self._parser.push(text), self._parser.finish()
            parsed = Parsed(first.content + last.content, first.reasoning + last.reasoning, (*first.calls, *last.calls))
        parsed = self._stopped(parsed)
        return replace(parsed, content=parsed.content + self._stop.finish())

    def _stopped(self, parsed: Parsed) -> Parsed:
        content = self._stop.push(parsed.content)
        if self._stop.found is not None:  # what came behind it is not part of the answer, but the rest of a call is
            return Parsed(content, parsed.reasoning, tuple(takewhile(lambda delta: delta.name is None, parsed.calls)))
        if any(delta.name is not None for delta in parsed.calls):
            content += self._stop.finish()  # what goes on behind a call is another text
        return parsed if content == parsed.content else replace(parsed, content=content)


class StopStrings:
    """Looks for stop strings in a text that comes in pieces. `found`: the one that ended it."""

    def __init__(self, stop: tuple[str, ...]) -> None:
        self._stop = tuple(s for s in stop if s)
        self._held = ""
        self.found: str | None = None

    def push(self, text: str) -> str:
        """What is certainly before any stop string."""
        if self.found is not None:
            return ""
        self._held += text
        first = self._first()
        if first is not None:
            position, self.found = first
            text, self._held = self._held[:position], ""
            return text
        cut = len(self._held) - self._possible_length()
        text, self._held = self._held[:cut], self._held[cut:]
        return text

    def finish(self) -> str:
        text, self._held = self._held, ""
        return text

    def _first(self) -> tuple[int, str] | None:
        """Where the earliest stop string begins, and which; the longer one where two begin at the same place."""
        found = [(self._held.find(s), -len(s), s) for s in self._stop if s in self._held]
        if not found:
            return None
        position, _, string = min(found)
        return position, string

    def _possible_length(self) -> int:
        """Length of the longest ending that some stop string begins with."""
        longest = 0
        for string in self._stop:
            for length in range(min(len(string) - 1, len(self._held)), longest, -1):
                if self._held.endswith(string[:length]):
                    longest = length
                    break
        return longest
