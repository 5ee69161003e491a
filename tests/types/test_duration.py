"""How long a model or a key is kept: what people write, as seconds."""

from __future__ import annotations

from typing import Any

import pytest

from jupyter_uml.types.duration import keep_alive_seconds, lifetime_seconds

NOT_A_NUMBER = (-2, -0.5, 1e10, float("nan"), float("inf"), True, None, [], b"1m")
NO_TEXT = ("", "soon", "30", "-1m", "1w", "m", "1m!", "١m", "9" * 9 + "d", "1s" * 1_000_000, "1" * 1_000_000)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(0, 0), (-1, -1), (-1.0, -1), (1.5, 1.5), ("30m", 1800), ("1h30m", 5400), ("0s", 0), (" 1 d 2.5 s ", 86402.5)],
)
def test_what_people_write(value: Any, seconds: float) -> None:
    assert keep_alive_seconds(value) == seconds


@pytest.mark.parametrize("value", [*NOT_A_NUMBER, *NO_TEXT], ids=lambda value: repr(value)[:12])
def test_what_is_no_duration(value: Any) -> None:
    with pytest.raises(ValueError, match="must be seconds, or a text like"):
        keep_alive_seconds(value)


@pytest.mark.parametrize(("value", "seconds"), [(0.5, 0.5), (60, 60), ("30d", 30 * 86400), ("1h30m", 5400)])
def test_how_long_a_key_is_good(value: Any, seconds: float) -> None:
    assert lifetime_seconds(value) == seconds


@pytest.mark.parametrize("value", [0, -1, "0s", *NOT_A_NUMBER, *NO_TEXT], ids=lambda value: repr(value)[:12])
def test_what_is_no_life(value: Any) -> None:
    with pytest.raises(ValueError, match='positive number of seconds, or a text like "12h"'):
        lifetime_seconds(value)
