"""What has been done with a model since the server started: only ever counted up, also over restarts of its worker."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from jupyter_uml.types import Chunk

FIRST_TOKEN_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
TOKEN_SECONDS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5)
LOAD_SECONDS = (0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0)
_MOST_RECENT = 1024  # first tokens between two samples


class Histogram:
    """How many values are at most as large as each bound, as Prometheus counts them."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)  # of each bucket alone
        self.sum = 0.0

    def observe(self, value: float) -> None:
        self._counts[bisect_left(self._bounds, value)] += 1
        self.sum += value

    @property
    def count(self) -> int:
        return sum(self._counts)

    def buckets(self) -> list[tuple[float, int]]:
        """Upper bound → values up to it; the last bound is infinite."""
        totals, total = list[tuple[float, int]](), 0
        for bound, count in zip((*self._bounds, float("inf")), self._counts, strict=True):
            total += count
            totals.append((bound, total))
        return totals


@dataclass(slots=True, eq=False)
class ModelCounters:
    """Of one model, all its workers together. `requests`: by outcome, which is how an answer finished, `done` for what
    is asked for beside answers, `failed` or `cancelled`."""

    requests: Counter[str] = field(default_factory=Counter)
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    loads: int = 0
    crashes: int = 0
    evictions: int = 0
    first_token: Histogram = field(default_factory=lambda: Histogram(FIRST_TOKEN_SECONDS))
    token: Histogram = field(default_factory=lambda: Histogram(TOKEN_SECONDS))  # seconds between two of an answer
    load: Histogram = field(default_factory=lambda: Histogram(LOAD_SECONDS))
    _recent: deque[float] = field(default_factory=lambda: deque(maxlen=_MOST_RECENT))

    def began_to_answer(self, seconds: float) -> None:
        """A request had its first token so long after it came."""
        self.first_token.observe(seconds)
        self._recent.append(seconds)

    def answered(self, last: Chunk) -> None:
        """A request ended with this chunk."""
        self.requests[last.finish_reason or "stop"] += 1
        if last.usage is None:
            return
        self.prompt_tokens += last.usage.prompt_tokens
        self.cached_tokens += last.usage.cached_tokens
        self.completion_tokens += last.usage.completion_tokens
        if last.timings is not None and (rate := last.timings.tokens_per_second(last.usage.completion_tokens)):
            self.token.observe(1 / rate)

    def take_first_token(self) -> float | None:
        """Seconds to the first token, the median of those since this was asked last."""
        recent = list(self._recent)
        self._recent.clear()
        return median(recent) if recent else None
