"""From token bytes to text that may be shown: whole characters only, and nothing of a stop string."""

from __future__ import annotations

import codecs


class TextStream:
    """One answer's text. `push` takes a token's bytes and returns what is safe to send on.

    Two things are held back: the first bytes of a character whose rest is still to come, and an ending that may
    turn out to be the beginning of a stop string. `finish` gives up what was held back, so no text is ever lost.
    """

    def __init__(self, stop: tuple[str, ...] = ()) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._stop = tuple(s for s in stop if s)
        self._held = ""
        self.stopped_by: str | None = None

    def push(self, piece: bytes) -> str:
        if self.stopped_by is not None:
            return ""
        self._held += self._decoder.decode(piece)
        found = self._first_stop()
        if found is not None:
            position, self.stopped_by = found
            text, self._held = self._held[:position], ""
            return text
        keep = self._possible_stop_length()
        cut = len(self._held) - keep
        text, self._held = self._held[:cut], self._held[cut:]
        return text

    def finish(self) -> str:
        """The rest, when the answer ended for another reason than a stop string."""
        if self.stopped_by is not None:
            return ""
        text = self._held + self._decoder.decode(b"", final=True)
        self._held = ""
        return text

    def _first_stop(self) -> tuple[int, str] | None:
        """Where the earliest stop string begins, and which; the longer one where two begin at the same place."""
        found = [(self._held.find(s), -len(s), s) for s in self._stop if s in self._held]
        if not found:
            return None
        position, _, string = min(found)
        return position, string

    def _possible_stop_length(self) -> int:
        """Length of the longest ending that some stop string begins with."""
        longest = 0
        for string in self._stop:
            for length in range(min(len(string) - 1, len(self._held)), longest, -1):
                if self._held.endswith(string[:length]):
                    longest = length
                    break
        return longest
