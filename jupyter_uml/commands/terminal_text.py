"""Text for a terminal: columns that line up, lines that fit, colours only where they are seen."""

from __future__ import annotations

import os
import re
import shutil
import sys
import textwrap
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TextIO

_NARROWEST, _UNLIMITED = 40, 10_000  # columns
_NO_BREAK = "\xa0"
_COLOURS = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33"}


def columns_of(out: TextIO = sys.stdout) -> int:
    """How wide lines may be. What goes into a file or a pipe is not cut: a program reads it."""
    return max(_NARROWEST, shutil.get_terminal_size().columns) if out.isatty() else _UNLIMITED


def has_colours(out: TextIO = sys.stdout, environ: Mapping[str, str] = os.environ) -> bool:
    """As no-color.org has it."""
    return out.isatty() and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"


def painted(text: str, colour: str, on: bool = True) -> str:
    return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m" if on else text


def table(
    headings: Sequence[str], rows: Iterable[Sequence[str]], right: Collection[str] = (), columns: int = _UNLIMITED
) -> str:
    """`right`: the headings whose cells are set to the right. Where a line is too long its last cell is cut."""
    lines = [list(headings), *map(list, rows)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(headings))]

    def laid_out(cells: Sequence[str]) -> str:
        aligned = (
            cell.rjust(width) if heading in right else cell.ljust(width)
            for heading, cell, width in zip(headings, cells, widths, strict=True)
        )
        return shortened("  ".join(aligned).rstrip(), columns)

    return "\n".join(map(laid_out, lines))


def shortened(text: str, columns: int) -> str:
    return text if len(text) <= columns else f"{text[: columns - 1]}…"


def wrapped(text: str, columns: int, first: str = "", then: str = "") -> str:
    """Lines of words; `first` and `then` begin them. What stands in backticks stays together, to be copied."""
    whole = re.sub("`[^`]+`", lambda code: code[0].replace(" ", _NO_BREAK), text)
    lines = textwrap.fill(
        whole, columns, initial_indent=first, subsequent_indent=then, break_long_words=False, break_on_hyphens=False
    )
    return lines.replace(_NO_BREAK, " ")
