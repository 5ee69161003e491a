"""Figures out of measurements. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

mean, median = statistics.fmean, statistics.median


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that `percent` of all values do not exceed (nearest rank).

    Raises:
        ValueError: there are no values.
    """
    if not values:
        raise ValueError("a percentile of nothing")
    rank = -(-len(values) * percent // 100)
    return sorted(values)[max(0, int(rank) - 1)]


def median_ratio(ours: Sequence[float], theirs: Sequence[float]) -> float | None:
    """The median of the ratios within a round; None where no round has both."""
    ratios = [a / b for a, b in zip(ours, theirs, strict=False) if b]
    return median(ratios) if ratios else None
