"""What has been done with a model is only ever counted up."""

from __future__ import annotations

import pytest

from jupyter_uml.loader.vitals.counters import Histogram, ModelCounters
from jupyter_uml.types import Chunk, Timings, Usage


def test_a_histogram_counts_as_prometheus_does() -> None:
    histogram = Histogram((0.1, 1.0))
    for value in (0.05, 0.1, 0.5, 7.0):
        histogram.observe(value)
    assert histogram.buckets() == [(0.1, 2), (1.0, 3), (float("inf"), 4)]
    assert histogram.count == 4
    assert histogram.sum == pytest.approx(7.65)


def test_an_answer_is_counted_by_its_last_chunk() -> None:
    counters = ModelCounters()
    usage = Usage(prompt_tokens=10, completion_tokens=5, cached_tokens=4)
    counters.answered(Chunk("r", finish_reason="length", usage=usage, timings=Timings(0.0, 1.0, 1.4)))
    counters.answered(Chunk("r", finish_reason="aborted"))
    assert counters.requests == {"length": 1, "aborted": 1}
    assert (counters.prompt_tokens, counters.cached_tokens, counters.completion_tokens) == (10, 4, 5)
    assert counters.token.sum == pytest.approx(0.1)


def test_the_first_token_is_the_median_since_it_was_asked_last() -> None:
    counters = ModelCounters()
    assert counters.take_first_token() is None
    for seconds in (1.0, 3.0, 2.0):
        counters.began_to_answer(seconds)
    assert counters.take_first_token() == 2.0
    assert counters.take_first_token() is None
    assert counters.first_token.count == 3
