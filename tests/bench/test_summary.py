import pytest

from tests.bench.summary import median_ratio, percentile


def test_a_percentile_is_one_of_the_values() -> None:
    values = list(range(100, 0, -1))
    assert percentile(values, 95) == 95
    assert percentile(values, 100) == 100
    assert percentile(values, 0) == 1
    assert percentile([7.0], 95) == 7.0


def test_there_is_no_percentile_of_nothing() -> None:
    with pytest.raises(ValueError, match="nothing"):
        percentile([], 95)


def test_ratios_are_taken_within_a_round() -> None:
    assert median_ratio([10, 40, 90], [10, 20, 30]) == 2
    assert median_ratio([10, 40], [10]) == 1  # a round that only one has is left out
    assert median_ratio([], [1, 2]) is None
    assert median_ratio([1], [0]) is None
