"""How long a model or a key is kept, as people say it: seconds, or a text such as "30m" or "1h30m"."""

from __future__ import annotations

import math
import re
from typing import Any

MAX_SECONDS = 1e9
MAX_TEXT = 32  # characters
PATTERN = r"^\s*(?:\d{1,9}(?:\.\d{1,6})?\s*[smhd]\s*)+$"
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def keep_alive_seconds(value: Any) -> float:
    """Seconds from a number or a text; 0: at once, -1: never.

    Raises:
        ValueError: it is neither; the message goes on after the name of a setting.
    """
    if type(value) in (int, float) and value == -1:
        return -1.0
    if (seconds := _seconds(value)) is not None:
        return seconds
    raise ValueError('must be seconds, or a text like "30m" or "1h30m"; 0 unloads at once, -1 never')


def lifetime_seconds(value: Any) -> float:
    """Seconds from a number or a text, more than none.

    Raises:
        ValueError: as `keep_alive_seconds`.
    """
    if seconds := _seconds(value):
        return seconds
    raise ValueError('must be a positive number of seconds, or a text like "12h" or "30d"')


def _seconds(value: Any) -> float | None:
    """None: it is no duration."""
    if type(value) in (int, float):
        return float(value) if 0 <= value <= MAX_SECONDS else None
    if isinstance(value, str) and len(value) <= MAX_TEXT and re.match(PATTERN, value, re.ASCII):
        seconds = math.fsum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(value))
        return seconds if seconds <= MAX_SECONDS else None
    return None
