"""Every request is recorded, summed up, and kept for as long as it shall be."""

from __future__ import annotations

import asyncio
import logging
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jupyter_uml.access import Database, Retention, Usage, UsageRecord, UsageSum, usage, usage_table
from jupyter_uml.errors import InvalidRequest, RecordsUnavailable, UmlError

pytestmark = pytest.mark.anyio

DAY = 86400.0
NOON = 1_800_014_400.0  # 2027-01-15 12:00 UTC
REQUEST = UsageRecord(
    time=NOON,
    request_id="req_1",
    principal_id="key_a",
    principal_name="ci",
    route="v1/chat/completions",
    model="demo",
    tokens_in=10,
    tokens_out=20,
    tokens_cached=5,
    duration=0.5,
    first_token=0.1,
)


@pytest.fixture
def records(database: Database) -> Usage:
    return Usage(database, wall=lambda: NOON)


async def test_a_record_comes_back_as_it_was(records: Usage) -> None:
    refused = replace(REQUEST, request_id="req_2", status=429, error="rate_limit_exceeded", first_token=None, model="")
    records.record(REQUEST)
    records.record(refused)
    assert await records.records() == [refused, REQUEST]
    assert await records.records(1) == [refused]
    assert await records.records(model="demo") == [REQUEST]
    assert await records.records(principal="key_b") == []


async def test_sums_by_key_model_and_day(records: Usage) -> None:
    for record in (
        REQUEST,
        replace(REQUEST, status=500, tokens_out=0),
        replace(REQUEST, principal_id="key_b", principal_name="lab"),
        replace(REQUEST, model="other", time=NOON + DAY),
    ):
        records.record(record)
    whole = UsageSum(requests=4, errors=1, tokens_in=40, tokens_out=60, tokens_cached=20, duration=2.0)
    assert await records.sums([]) == [whole]
    by_key = await records.sums(["key"])
    assert [(row.principal_id, row.principal_name, row.requests, row.errors) for row in by_key] == [
        ("key_a", "ci", 3, 1),
        ("key_b", "lab", 1, 0),
    ]
    by_day = await records.sums(["day", "model"])
    assert [(row.day, row.model, row.requests) for row in by_day] == [
        ("2027-01-15", "demo", 3),
        ("2027-01-16", "other", 1),
    ]
    assert len(await records.sums()) == 3
    assert [row.requests for row in await records.sums([], since="2027-01-16")] == [1]
    assert [row.requests for row in await records.sums([], until="2027-01-15", principal="key_a")] == [2]
    assert await records.sums([], model="none") == []
    with pytest.raises(InvalidRequest):
        await records.sums(["colour"])  # type: ignore[list-item]


async def test_prompts_are_kept_only_where_they_are_given_and_not_endlessly(records: Usage) -> None:
    records.record(replace(REQUEST, prompt="ä" * 10**6))
    (found,) = await records.records()
    assert found.prompt == "ä" * usage.LONGEST_PROMPT


@pytest.mark.parametrize("text", ["\ud800", "x" * 10**6, "a\x00b", "'; DROP TABLE usage; --"])
async def test_hostile_text_spoils_neither_its_record_nor_others(records: Usage, text: str) -> None:
    records.record(replace(REQUEST, model=text, route=text, principal_name=text, prompt=text, error=text))
    records.record(REQUEST)
    await records.flush()
    found = await records.records()
    assert len(found) == 2
    assert len(found[1].model) <= usage_table.LONGEST_TEXT
    assert len(await records.sums()) == 2


async def test_recording_waits_for_nobody(records: Usage) -> None:
    start = time.perf_counter()
    for _ in range(5000):
        records.record(REQUEST)
    assert (time.perf_counter() - start) / 5000 < 50e-6
    await records.flush()
    assert [row.requests for row in await records.sums([])] == [5000]


async def test_records_are_written_although_nobody_waits(database: Database, records: Usage) -> None:
    records.record(REQUEST)
    end = time.monotonic() + 1
    while not await database.read(lambda c: c.execute("SELECT count(*) FROM usage").fetchone()[0]):
        assert time.monotonic() < end


async def test_servers_add_to_the_same_sums(open_database: Callable[..., Database]) -> None:
    one, other = Usage(open_database()), Usage(open_database())
    for _ in range(50):
        one.record(REQUEST)
        other.record(REQUEST)
    await asyncio.gather(one.flush(), other.flush())
    assert [row.requests for row in await one.sums()] == [100]


# --- retention ---


async def tidied(database: Database, retention: Retention, now: float) -> Usage:
    """As if a minute had passed."""
    records = Usage(database, retention=retention, wall=lambda: now)
    while True:
        records._tidy_due = 0.0
        await database.flush()
        if records._tidy_due:
            return records


async def test_old_records_go_and_their_sums_stay(database: Database, records: Usage) -> None:
    for age in (40, 31, 29, 0):
        records.record(replace(REQUEST, time=NOON - age * DAY))
    await records.flush()
    records = await tidied(database, Retention(days=30), NOON)
    assert [(NOON - record.time) / DAY for record in await records.records()] == [0, 29]
    assert len(await records.sums()) == 4
    records = await tidied(database, Retention(sum_days=30), NOON)
    assert len(await records.sums()) == 2


async def test_a_large_database_loses_its_oldest_records(
    database: Database, records: Usage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usage_table, "DROPPED_AT_ONCE", 20)
    for n in range(200):
        records.record(replace(REQUEST, time=NOON + n, prompt="x" * 10_000))
    await records.flush()
    records = await tidied(database, Retention(max_bytes=1 << 20, days=1), NOON)
    kept = [record.time - NOON for record in await records.records(200)]
    assert kept[0] == 199
    assert 50 < len(kept) < 150
    assert [row.requests for row in await records.sums([])] == [200]


# --- full disks and kills ---


@pytest.mark.parametrize("policy", ["go_on", "refuse"])
async def test_a_full_disk(
    open_database: Callable[..., Database],
    policy: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(usage, "MOST_BUFFERED", 30)
    database = open_database(max_bytes=200 << 10)
    records = Usage(database, on_full_disk=policy)
    records.record(replace(REQUEST, prompt="x" * 30_000))
    await records.flush()
    for _ in range(40):
        records.record(replace(REQUEST, prompt="x" * 30_000))
    with pytest.raises(UmlError):
        await records.flush()
    await database.flush()
    assert records.lost == 10
    assert [record.levelno for record in caplog.records if record.name.endswith("disk_trouble")] == [logging.CRITICAL]
    if policy == "refuse":
        with pytest.raises(RecordsUnavailable) as caught:
            records.check()
        assert caught.value.retry_after
    else:
        records.check()
    assert [row.requests for row in await records.sums([])] == [1], "what can be told is told"

    await database.write(lambda c: c.execute(f"PRAGMA max_page_count = {1 << 20}").fetchone() and None)
    await records.flush()
    records.check()
    assert [row.requests for row in await records.sums([])] == [31]


CHILD = """
import asyncio, sys
from pathlib import Path
from jupyter_uml.access import Database, Usage, UsageRecord

async def main():
    usage, n = Usage(Database(Path(sys.argv[1]))), 0
    while True:
        for _ in range(10):
            usage.record(UsageRecord(0.0, f"req_{n}", "key_a", "ci", "route"))
            n += 1
        await usage.flush()
        print(n, flush=True)

asyncio.run(main())
"""


async def test_a_kill_loses_nothing_that_was_flushed(path: Path, open_database: Callable[..., Database]) -> None:
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(path)], stdout=subprocess.PIPE)
    assert child.stdout is not None
    count = 0
    while count < 500:
        count = int(child.stdout.readline())
    child.send_signal(signal.SIGKILL)
    out, _ = child.communicate()
    count = int(out.splitlines()[-1]) if out.endswith(b"\n") else count

    def both(connection: sqlite3.Connection) -> tuple[int, int]:
        rows = connection.execute("SELECT (SELECT count(*) FROM usage), (SELECT sum(requests) FROM usage_days)")
        single, summed = rows.fetchone()
        return single, summed

    single, summed = await open_database().read(both)
    assert single == summed >= count
