"""Numbers in words."""

from __future__ import annotations

import pytest

from jupyter_uml.display import figures


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (None, ""),
        (0, "0 B"),
        (999, "999 B"),
        (1000, "0.977 KiB"),
        (6_170_976, "5.89 MiB"),
        (3 << 30, "3 GiB"),
        (2 << 40, "2 TiB"),
    ],
)
def test_sizes(count: float | None, text: str) -> None:
    assert figures.size(count) == text


def test_rates_and_times() -> None:
    assert [figures.rate(value) for value in (None, 0.51, 9.94, 1234.5)] == [
        "",
        "0.5 tokens/s",
        "9.9 tokens/s",
        "1234 tokens/s",
    ]
    assert [figures.seconds(value) for value in (0.004, 0.9994, 12.34)] == ["4 ms", "999 ms", "12.3 s"]
    assert [figures.plural(count, "token") for count in (0, 1, 2)] == ["0 tokens", "1 token", "2 tokens"]


@pytest.mark.parametrize(
    ("value", "text"), [(-1, "0 s"), (4.4, "4 s"), (100, "2 min"), (720, "12 min"), (5999, "2 h"), (86400, "24 h")]
)
def test_durations(value: float, text: str) -> None:
    assert figures.duration(value) == text


def test_lengths_and_numbers_of_parameters() -> None:
    assert [figures.tokens(count) for count in (512, 8192, 131072)] == ["512", "8k", "128k"]
    counts = (0, 12, 1_500, 596_049_920, 8_030_261_248)
    assert [figures.parameters(count) for count in counts] == ["", "12", "1.5k", "596M", "8.03B"]
