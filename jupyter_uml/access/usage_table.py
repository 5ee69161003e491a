"""The tables of usage: single records, which are kept for some time, and sums by day, which stay."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any, Literal, get_args

from jupyter_uml.errors import InvalidRequest

LONGEST_TEXT = 200  # characters
DROPPED_AT_ONCE = 5000  # records: transactions are short

Grouping = Literal["key", "model", "day"]


@dataclass(frozen=True, slots=True)
class UsageRecord:
    """One request. Times in seconds, `time` since 1970. `prompt` is None unless it shall be kept."""

    time: float
    request_id: str
    principal_id: str
    principal_name: str
    route: str
    model: str = ""  # empty: none, or none that there is
    status: int = 200
    error: str | None = None  # its code
    tokens_in: int = 0
    tokens_out: int = 0
    tokens_cached: int = 0
    duration: float = 0.0
    first_token: float | None = None
    prompt: str | None = None


@dataclass(frozen=True, slots=True)
class UsageSum:
    """Requests of one group. What they were not grouped by is empty. `errors`: those with a status of 400 or more."""

    principal_id: str = ""
    principal_name: str = ""
    model: str = ""
    day: str = ""  # 2026-11-22, in UTC
    requests: int = 0
    errors: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    tokens_cached: int = 0
    duration: float = 0.0  # seconds


_COLUMNS = tuple(f.name for f in fields(UsageRecord))
_row_of = attrgetter(*_COLUMNS)
_INSERT = f"INSERT INTO usage ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"
_SUMS = ("requests", "errors", "tokens_in", "tokens_out", "tokens_cached", "duration")
_ADD = (
    f"INSERT INTO usage_days (day, principal_id, model, principal_name, {', '.join(_SUMS)})"
    f" VALUES ({', '.join('?' * (4 + len(_SUMS)))}) ON CONFLICT DO UPDATE SET principal_name = excluded.principal_name,"
    + ", ".join(f"{name} = {name} + excluded.{name}" for name in _SUMS)
)
_GROUPS = {"key": "principal_id", "model": "model", "day": "day"}


def insert(records: Sequence[UsageRecord]) -> Callable[[sqlite3.Connection], None]:
    def work(connection: sqlite3.Connection) -> None:
        rows = [_sound(record) for record in records]
        connection.executemany(_INSERT, rows)
        connection.executemany(_ADD, _sums_by_day(rows))

    return work


def sums(
    by: Collection[Grouping], since: str | None, until: str | None, principal: str | None, model: str | None
) -> Callable[[sqlite3.Connection], list[UsageSum]]:
    """Days as `UsageSum.day` has them, both included.

    Raises:
        InvalidRequest: a grouping that there is not.
    """
    if not set(by) <= set(get_args(Grouping)):
        raise InvalidRequest(f"by lists some of {', '.join(get_args(Grouping))}.", param="by")
    groups = [_GROUPS[name] for name in get_args(Grouping) if name in by]
    names = [*groups, *(["principal_name"] if "key" in by else [])]
    columns = [*groups, *(["max(principal_name)"] if "key" in by else []), *(f"sum({name})" for name in _SUMS)]
    where, values = _conditions({"day >=": since, "day <=": until, "principal_id =": principal, "model =": model})
    query = f"SELECT {', '.join(columns)} FROM usage_days {where}"
    if groups:
        query += f" GROUP BY {', '.join(groups)} ORDER BY {', '.join(groups)}"

    def work(connection: sqlite3.Connection) -> list[UsageSum]:
        rows = connection.execute(query, values)
        found = (dict(zip([*names, *_SUMS], row, strict=True)) for row in rows)
        return [UsageSum(**row) for row in found if row["requests"]]

    return work


def records(most: int, principal: str | None, model: str | None) -> Callable[[sqlite3.Connection], list[UsageRecord]]:
    """The newest first."""
    where, values = _conditions({"principal_id =": principal, "model =": model})
    query = f"SELECT {', '.join(_COLUMNS)} FROM usage {where} ORDER BY id DESC LIMIT ?"

    def work(connection: sqlite3.Connection) -> list[UsageRecord]:
        return [UsageRecord(*row) for row in connection.execute(query, [*values, most])]

    return work


def drop_old(before: float, most_bytes: int, days_before: str) -> Callable[[sqlite3.Connection], bool]:
    """Records before a time go, and the oldest while the file is larger than it should be; sums before a day, too.

    Returns whether there is more to drop.
    """
    oldest = f"SELECT id FROM usage ORDER BY id LIMIT {DROPPED_AT_ONCE}"

    def work(connection: sqlite3.Connection) -> bool:
        connection.execute("DELETE FROM usage_days WHERE day < ?", (days_before,))
        old = f"SELECT id FROM usage WHERE time < ? LIMIT {DROPPED_AT_ONCE}"
        dropped = connection.execute(f"DELETE FROM usage WHERE id IN ({old})", (before,)).rowcount
        if not dropped and _bytes(connection) > most_bytes:
            dropped = connection.execute(f"DELETE FROM usage WHERE id IN ({oldest})").rowcount
        return dropped == DROPPED_AT_ONCE

    return work


def day_of(moment: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(moment))


def _bytes(connection: sqlite3.Connection) -> int:
    """In use: what was deleted is free for what comes, though the file does not become smaller."""
    names = ("page_count", "freelist_count", "page_size")
    pages, free, size = (int(connection.execute(f"PRAGMA {name}").fetchone()[0]) for name in names)
    return (pages - free) * size


def _sound(record: UsageRecord) -> tuple[Any, ...]:
    """Text may come from a request: of any length, and with halves of surrogates, which sqlite does not take."""
    *row, prompt = _row_of(record)
    return *(_text(value[:LONGEST_TEXT]) if isinstance(value, str) else value for value in row), prompt and _text(
        prompt
    )


def _text(text: str) -> str:
    return text if text.isascii() else text.encode("utf-8", errors="replace").decode()


def _sums_by_day(rows: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    found: dict[tuple[str, str, str], list[Any]] = {}
    for row in rows:
        record = UsageRecord(*row)
        key = (day_of(record.time), record.principal_id, record.model)
        total = found.setdefault(key, [record.principal_name, 0, 0, 0, 0, 0, 0.0])
        total[0] = record.principal_name
        own = (1, record.status >= 400, record.tokens_in, record.tokens_out, record.tokens_cached, record.duration)
        total[1:] = [a + b for a, b in zip(total[1:], own, strict=True)]
    return [(*key, *total) for key, total in found.items()]


def _conditions(wanted: dict[str, str | None]) -> tuple[str, list[str]]:
    given = {condition: value for condition, value in wanted.items() if value is not None}
    where = " AND ".join(f"{condition} ?" for condition in given)
    return f"WHERE {where}" if where else "", list(given.values())
