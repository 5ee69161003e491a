"""Which of several ways to do the same work is the fastest, on a machine that others use too. Pure: no clock."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median
from typing import Generic, TypeVar

LEAST_ROUNDS = 4  # before another way is preferred to the usual one
MOST_ROUNDS = 16
_SECURE = 3.0  # standard errors by which it has to be faster
_MOSTLY = 0.8  # share of the rounds in which it has to be: with few of them, their scatter may be small by luck
_HOPELESS = {1: math.log(4), 3: math.log(1.25)}  # rounds after which a way leaves that is so much slower than the best

W = TypeVar("W")


class Contest(Generic[W]):
    """The ways take turns, a sample each in a round, so that what slows the machine down for a while slows them all.

    `ways`: the usual one first. They are compared round by round: times alone would tell more about the neighbours.
    `worth`: so many times as fast as the usual one another has to be, 1.05 for 5 %, to be preferred.
    """

    def __init__(self, ways: Sequence[W], worth: float) -> None:
        self.ways, self._worth = list(dict.fromkeys(ways)), math.log(worth)
        self._seconds: dict[W, list[list[float]]] = {way: [] for way in self.ways}  # by round, then by figure
        self._line: list[W] = []  # those whose turn is still to come in this round
        self._active = list(self.ways)
        self._rounds = 0

    @property
    def over(self) -> bool:
        most = MOST_ROUNDS if len(self._active) > 1 else LEAST_ROUNDS
        return not self._line and self._rounds >= most

    @property
    def way(self) -> W:
        """Whose turn it is."""
        if not self._line:
            self._line = self._next_round()
        return self._line[0]

    def add(self, seconds: Sequence[float]) -> None:
        """A sample of `way`: one or more figures, which count alike."""
        self._seconds[self.way].append(list(seconds))
        del self._line[0]
        self._rounds += not self._line

    def tried(self, way: W) -> bool:
        return bool(self._seconds[way])

    def seconds(self, way: W) -> list[float]:
        """The median of each figure."""
        return [median(figure) for figure in zip(*self._seconds[way], strict=True)]

    def ratio(self, way: W, other: W) -> float:
        """How many times as fast `way` is as `other`; 1 where nothing is known."""
        return math.exp(median(leads)) if way != other and (leads := self._leads(way, other)) else 1.0

    def best(self) -> W:
        """The usual one, or the fastest of those that are faster beyond the noise."""
        usual = self.ways[0]
        better = [way for way in self.ways[1:] if self._is_better(way, usual)]
        return max(better, key=lambda way: self.ratio(way, usual), default=usual)

    def _is_better(self, way: W, usual: W) -> bool:
        leads = self._leads(way, usual)
        if len(leads) < LEAST_ROUNDS:
            return False
        lead = median(leads)
        # 1.48 median deviations are a standard deviation, and a median's error is 1.25 of a mean's.
        error = 1.25 * 1.48 * median(abs(each - lead) for each in leads) / math.sqrt(len(leads))
        # A median hides what a few bad moments cost, as those of many threads on a busy machine.
        total, of_usual = (self._total(each, len(leads)) for each in (way, usual))
        mostly = sum(each > 0 for each in leads) >= _MOSTLY * len(leads)
        return lead > max(self._worth, _SECURE * error) and mostly and total < of_usual

    def _total(self, way: W, rounds: int) -> float:
        return sum(_mean(seconds) for seconds in self._seconds[way][:rounds])

    def _leads(self, way: W, other: W) -> list[float]:
        """Round by round, the logarithm of how many times as fast it was."""
        pairs = zip(self._seconds[way], self._seconds[other], strict=False)
        return [math.log(_mean(others) / _mean(own)) for own, others in pairs]

    def _next_round(self) -> list[W]:
        """Another one begins each time: whoever comes second may find the caches warm."""
        usual = self.ways[0]
        top = max(self._active, key=lambda way: self.ratio(way, usual))
        far = min((lead for rounds, lead in _HOPELESS.items() if self._rounds >= rounds), default=math.inf)
        self._active = [way for way in self._active if way == usual or math.log(self.ratio(top, way)) < far]
        first = self._rounds % len(self._active)
        return [*self._active[first:], *self._active[:first]]


def _mean(seconds: Sequence[float]) -> float:
    """The geometric one: each figure counts alike, however large it is."""
    return math.prod(seconds) ** (1 / len(seconds))
