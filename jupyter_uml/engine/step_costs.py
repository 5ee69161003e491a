"""What a `llama_decode` costs on this machine, learned while it runs. Pure: the caller holds the clock."""

from __future__ import annotations

import math
from bisect import bisect_left
from statistics import median_low

_FIRST = 5  # samples that start an estimate, by their median: the first decode of a shape is slow, it builds its graph
_EXPONENT = 0.7  # seconds ∝ rows ** 0.7 where nothing is known; a processor does about that, accelerators far better
_OWN_RATE, _COMMON_RATE = 0.03, 0.1  # how fast an estimate follows a sample, and how fast all of them do together
_FADE = 0.01  # share of an estimate's bad news that each other batch makes forget, so that it gets another try
_OUTLIER = 0.3  # a sample moves an estimate as if it were at most e ** 0.3 off
_FORGET = 0.9  # weight of the past against one more batch of prompt tokens


class StepCosts:
    """Seconds of a batch by its number of decode rows, and the rate of prompt tokens.

    An estimate is the logarithm of the seconds in two parts: `level`, one for each size of batch, and `common`, the
    machine's mood. A neighbour who takes half of the processor slows every size, also those that have not run since.
    """

    def __init__(self) -> None:
        self._sizes: list[int] = []  # sorted: the sizes of batches that have been seen
        self._levels: list[float] = []
        self._samples: dict[int, list[float]] = {}  # of each size: what it was believed to be, and the first ones
        self._common = 0.0
        self._prompt_tokens = self._prompt_seconds = 0.0

    def add(self, rows: int, seconds: float) -> None:
        """A batch of `rows` decode rows, and no prompt token, took so long."""
        if rows < 1 or seconds <= 0:
            return
        size, value = _size(rows), math.log(seconds)
        self._fade(size)
        first = self._samples.setdefault(size, [self._log_seconds(size) - self._common] if self._sizes else [])
        if len(first) <= _FIRST:
            first.append(value - self._common - _EXPONENT * math.log(rows / size))
            self._start(size, median_low(first))
            return
        error = max(-_OUTLIER, min(_OUTLIER, value - self._log_seconds(rows)))
        self._levels[bisect_left(self._sizes, size)] += _OWN_RATE * error
        self._common += _COMMON_RATE * error

    def seconds(self, rows: int) -> float | None:
        """What a batch of `rows` decode rows takes; None while nothing is known."""
        return math.exp(self._log_seconds(rows)) if self._sizes else None

    def add_prefill(self, tokens: int, seconds: float) -> None:
        """A batch with `tokens` prompt tokens took `seconds` longer than its decode rows alone would have."""
        if tokens < 1 or seconds <= 0:
            return
        rate = self.prefill_rate()
        if rate is not None:
            seconds = min(seconds, 3 * tokens / rate)
        self._prompt_tokens = _FORGET * self._prompt_tokens + tokens
        self._prompt_seconds = _FORGET * self._prompt_seconds + seconds

    def prefill_rate(self) -> float | None:
        """Prompt tokens a second; None while nothing is known. Large batches count for more than small ones."""
        return self._prompt_tokens / self._prompt_seconds if self._prompt_seconds else None

    def _fade(self, size: int) -> None:
        """A larger size that looked worse than usual may have met a bad moment; nobody would try it to find out."""
        place = bisect_left(self._sizes, size)
        if self._sizes[place : place + 1] != [size]:
            return
        for other in range(place + 1, len(self._sizes)):
            usual = self._levels[place] + _EXPONENT * math.log(self._sizes[other] / size)
            self._levels[other] -= _FADE * max(0.0, self._levels[other] - usual)

    def _start(self, size: int, level: float) -> None:
        place = bisect_left(self._sizes, size)
        if self._sizes[place : place + 1] != [size]:
            self._sizes.insert(place, size)
            self._levels.insert(place, level)
        self._levels[place] = level

    def _log_seconds(self, rows: int) -> float:
        """A straight line between the two neighbours, in logarithms; a cautious one beyond the first and the last.

        Rows that are computed together never take longer than one by one: what says so met an unlucky moment.
        """
        sizes, levels = self._sizes, self._levels
        right = bisect_left(sizes, rows)
        if 0 < right < len(sizes):
            left = right - 1
            part = math.log(rows / sizes[left]) / math.log(sizes[right] / sizes[left])
            level = levels[left] + part * (levels[right] - levels[left])
        else:
            nearest = min(right, len(sizes) - 1)
            level = levels[nearest] + _EXPONENT * math.log(rows / sizes[nearest])
        return self._common + min(level, levels[0] + max(0.0, math.log(rows / sizes[0])))


def _size(rows: int) -> int:
    """Row counts that share an estimate: each of the first eight has its own, then two for each doubling."""
    if rows <= 8:
        return rows
    power = 1 << (rows.bit_length() - 1)
    return min((power, power * 3 // 2, power * 2), key=lambda size: abs(size - rows))
