"""Numbers in words, the same in cells, panels and terminals."""

from __future__ import annotations


def size(count: float | None) -> str:
    """Bytes in the binary units that the sidebar and the error texts use, with three significant digits."""
    if count is None:
        return ""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(count) < 999.5:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 99.95 else f"{count:.3g} {unit}"
        count /= 1024
    return f"{count:.3g} TiB"


def rate(tokens_per_second: float | None) -> str:
    if tokens_per_second is None:
        return ""
    return f"{tokens_per_second:.0f} tokens/s" if tokens_per_second >= 10 else f"{tokens_per_second:.1f} tokens/s"


def seconds(value: float) -> str:
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s"


def duration(value: float) -> str:
    """As one unit, to the precision in which people plan."""
    if value < 99.5:
        return f"{max(0.0, value):.0f} s"
    return f"{value / 60:.0f} min" if value < 99.5 * 60 else f"{value / 3600:.0f} h"


def tokens(count: int) -> str:
    """`512`, `8k`, `128k`: lengths of contexts."""
    return f"{count / 1024:.3g}k" if count >= 1024 else str(count)


def parameters(count: int) -> str:
    """`596M`, `8.03B`."""
    for unit, size in (("B", 10**9), ("M", 10**6), ("k", 10**3)):
        if count >= size:
            return f"{count / size:.3g}{unit}"
    return str(count or "")


def percent(fraction: float | None) -> str:
    return "" if fraction is None else f"{fraction:.0%}"


def plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
