"""What verifying a notebook found: a table for people, JSON for programs, one sentence for both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

from jupyter_uml.display import figures
from jupyter_uml.display.colours import BAD, DOUBTFUL, GOOD, QUIET
from jupyter_uml.kernel.record import Difference
from jupyter_uml.kernel.tables import Column, Table, dot
from jupyter_uml.kernel.verify import Comparison, Outcome

_WORDS: dict[Outcome, tuple[str, str]] = {  # and colours
    "equal": ("equal", GOOD),
    "differs": ("differs", BAD),
    "failed": ("could not be compared", DOUBTFUL),
    "skipped": ("never came to its end", QUIET),
}
_BAD: tuple[Outcome, ...] = ("differs", "failed")
_HASH, _HASH_SHOWN = 64, 12  # hexadecimal digits


class _Row(NamedTuple):
    cell: str
    result: str
    dot: str
    before: str = ""
    now: str = ""


def verify_table(found: Sequence[Comparison], heading: str) -> Table:
    """A row for each cell, and for each further difference of it; below, what else there is to say."""
    rows = [row for each in found for row in _rows(each)]
    columns = [
        Column("Cell", [row.cell for row in rows]),
        Column("Result", [row.result for row in rows], dots=[row.dot for row in rows]),
    ]
    if any(each.differences for each in found):
        columns += [Column("Recorded", [row.before for row in rows]), Column("Now", [row.now for row in rows])]
    return Table(columns, "\n".join(_noted(found)), heading)


def verify_json(found: Sequence[Comparison], notebook: str | None) -> dict[str, Any]:
    """`cell`: its place among all cells, the first is 1. `notebook`: None for the answers of a session."""
    counted = Counter(each.outcome for each in found)
    return {
        "notebook": notebook,
        "outcomes": {outcome: counted[outcome] for outcome in _WORDS},
        "answers": [
            {
                "cell": each.cell.place,
                "execution_count": each.cell.count,
                "question": each.question,
                "model": each.model,
                "outcome": each.outcome,
                "differences": [asdict(difference) for difference in each.differences],
                "note": each.note,
            }
            for each in found
        ],
    }


def verdict(found: Sequence[Comparison]) -> str:
    """`6 answers are equal`, or `2 of 6 answers differ (cells [3], [5])` and how many could not be compared."""
    of = figures.plural(len(found), "answer")
    said = {"differs": "differ", "failed": "could not be compared", "skipped": "never came to their end"}
    parts = [
        f"{len(names)} of {of} {words} ({', '.join(names)})"
        for outcome, words in said.items()
        if (names := [cell_name(each) for each in found if each.outcome == outcome])
    ]
    return ", ".join(parts) or f"{of} {'is' if len(found) == 1 else 'are'} equal"


def is_bad(found: Iterable[Comparison]) -> bool:
    return any(each.outcome in _BAD for each in found)


def cell_name(each: Comparison) -> str:
    """As people find it: by its execution count, where it has one."""
    return f"[{each.cell.count}]" if each.cell.count is not None else f"cell {each.cell.place}"


def _rows(each: Comparison) -> Iterator[_Row]:
    name = f"{cell_name(each)} {each.question}".rstrip()
    words, colour = _WORDS[each.outcome]
    if not each.differences:
        yield _Row(name, words, dot(colour))
    for difference in each.differences:
        yield _Row(name, _what(difference), dot(colour), *map(_value, (difference.before, difference.now)))
        name = ""


def _what(difference: Difference) -> str:
    return difference.what if difference.at is None else f"{difference.what}, from character {difference.at + 1}"


def _value(value: object) -> str:
    text = "not given" if value is None else str(value)
    return f"{text[:_HASH_SHOWN]}…" if len(text) == _HASH and text.isalnum() else text


def _noted(found: Sequence[Comparison]) -> Iterator[str]:
    """Each note once, with the cells that it is about."""
    cells: dict[str, list[str]] = {}
    for each in found:
        if each.note:
            cells.setdefault(each.note, []).append(cell_name(each))
    yield from (f"{', '.join(names)}: {note}" for note, names in cells.items())
