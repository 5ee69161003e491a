"""When a draft model is asked, and how far ahead: as long as it pays on this machine."""

from __future__ import annotations

import time
from typing import Protocol

from jupyter_uml.engine.step_costs import StepCosts

LONGEST = 8  # tokens drafted at once
UNSURE = 0.3  # a token less likely than this to the draft model is not proposed
_HOPE = 0.6  # acceptance that is assumed before anything is known
_MEMORY = 0.95  # weight of the past against one more token
_MARGIN = 1.05  # what pays less is noise
_PROBE = 2  # tokens drafted to see whether it pays again
_FIRST_PAUSE, _LONGEST_PAUSE = 16, 1024  # tokens without a draft after it did not pay; doubles


class Drafter(Protocol):
    """`DraftModel`."""

    def propose(self, slot: int, tokens: list[int], count: int, min_probability: float = 0.0) -> list[int]: ...
    def close(self) -> None: ...


class Drafting:
    """A draft model and what is known of its use, of all sequences together."""

    def __init__(self, drafter: Drafter) -> None:
        self._drafter = drafter
        self._right, self._all = _HOPE * 4, 4.0
        self._seconds: float | None = None  # of one drafted token
        self._pause = self._paused = 0

    @property
    def acceptance(self) -> float:
        return self._right / self._all

    def propose(self, slot: int, tokens: list[int], room: int, costs: StepCosts) -> list[int]:
        """Tokens to check in the next batch; none where that does not pay now."""
        if self._paused > 0:
            self._paused -= 1
            return []
        count = min(room, self._best(costs))
        if count < 1:
            return []
        started = time.monotonic()
        guesses = self._drafter.propose(slot, tokens, count, UNSURE)
        spent = (time.monotonic() - started) / (len(guesses) + 1)
        self._seconds = spent if self._seconds is None else 0.8 * self._seconds + 0.2 * spent
        return guesses

    def judge(self, proposed: int, accepted: int) -> None:
        """So many tokens were checked, so many were right: those up to the first wrong one tell something."""
        checked = min(proposed, accepted + 1)
        self._right = self._right * _MEMORY**checked + accepted
        self._all = self._all * _MEMORY**checked + checked

    def close(self) -> None:
        self._drafter.close()

    def _best(self, costs: StepCosts) -> int:
        """The number of tokens that gives most tokens a second; 0 begins a pause, whose end is a probe."""
        plain = costs.seconds(1)
        if plain is None:
            return 0
        if self._seconds is None:
            return _PROBE
        best, best_rate = 0, _MARGIN / plain
        expected = chance = 1.0
        for count in range(1, LONGEST + 1):
            chance *= self.acceptance
            expected += chance
            rate = expected / ((costs.seconds(1 + count) or plain) + self._seconds * (count + 1))
            if rate > best_rate:
                best, best_rate = count, rate
        if best:
            self._pause = 0
            return best
        return self._rest_or_probe()

    def _rest_or_probe(self) -> int:
        probe = _PROBE if self._pause else 0
        self._pause = min(_LONGEST_PAUSE, max(_FIRST_PAUSE, 2 * self._pause))
        self._paused = self._pause
        return probe
