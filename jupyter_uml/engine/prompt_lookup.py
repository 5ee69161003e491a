"""Guessing the next tokens from a text's own past: what followed the last time that it ended like this?

Answers that edit, quote or continue their prompt repeat long stretches of it. Looking them up costs microseconds.
"""

from __future__ import annotations

from collections.abc import Sequence

_SIZES = (8, 3, 1)  # n-grams in the index, the longest first
_LONGEST_MATCH = 32  # a longer agreement is not counted further


class PromptLookup:
    """An index over one sequence's tokens. `before`: another text to quote from, an earlier answer for instance."""

    def __init__(self, tokens: Sequence[int], before: Sequence[int] = ()) -> None:
        self._tokens = [*before, *tokens]
        self._border = len(before)
        self._start = 0  # where the continuation begins
        self.match = 0  # tokens before it that equal the present ending; 0: there is none
        self._after: dict[int, int] = {}  # hash of an n-gram → the place after its last occurrence
        for n in _SIZES:  # without the ending itself, which nothing follows yet
            grams = zip(*(self._tokens[i:] for i in range(n)), strict=False)
            self._after.update(zip(map(hash, grams), range(n, len(self._tokens)), strict=False))
        self._find()

    @property
    def from_before(self) -> bool:
        """Whether the guess comes out of `before`."""
        return self._start < self._border

    @property
    def guess(self) -> int | None:
        """The next token as it looks now."""
        return self._tokens[self._start] if self.match else None

    def extend(self, tokens: Sequence[int]) -> None:
        """The sequence went on. Constant time for each token."""
        for token in tokens:
            agrees = token == self.guess
            end = len(self._tokens)
            for n in _SIZES:
                if end >= n:
                    self._after[hash(tuple(self._tokens[end - n :]))] = end
            self._tokens.append(token)
            self._start += 1
            self.match = min(self.match + 1, _LONGEST_MATCH) if agrees and self._start != self._border else 0
            if self.match < _SIZES[0]:  # a long agreement is followed, a short one gives way to a longer or later one
                self._find()

    def propose(self, count: int) -> list[int]:
        """The next tokens, at most `count`. A text that runs into its own end is taken for a loop."""
        if not self.match:
            return []
        if self.from_before:
            return self._tokens[self._start : min(self._start + count, self._border)]
        period = len(self._tokens) - self._start
        return [self._tokens[self._start + i % period] for i in range(count)]

    def _find(self) -> None:
        for n in _SIZES:
            place = self._after.get(hash(tuple(self._tokens[-n:])))
            if place is None or place == self._border:
                continue
            match = self._common_ending(place)
            if match >= n:  # else two n-grams share a hash
                self._start, self.match = place, match
                return

    def _common_ending(self, place: int) -> int:
        tokens, end, match = self._tokens, len(self._tokens), 0
        while match < min(place, _LONGEST_MATCH) and tokens[place - 1 - match] == tokens[end - 1 - match]:
            match += 1
        return match
