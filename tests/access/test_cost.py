"""What all this costs a request: the median of many, with the database open and the writer at work."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from statistics import median

import pytest

from jupyter_uml.access import Database, FairQueue, KeyRing, Ledger, Limiter, Limits, Usage, UsageRecord

pytestmark = pytest.mark.anyio

LIMITS = Limits(
    requests_per_minute=10**6, requests_per_hour=10**7, burst=10**6, tokens_per_minute=10**9, max_concurrent=9
)


async def test_a_request_costs_less_than_a_hundred_microseconds(open_database: Callable[..., Database]) -> None:
    database = open_database()
    limits, usage, queue = Limiter(Ledger(database)), Usage(database), FairQueue(4, 100)
    costs = []
    with closing(KeyRing(database)) as ring:
        _, secret = await ring.create("ci", ["infer"], limits=LIMITS)
        for n in range(2000):
            start = time.perf_counter()
            principal = ring.find(secret)
            assert principal is not None
            usage.check()
            with limits.admit(principal, 500) as lease:
                lease.headers()
                async with queue.slot(principal.id, 500) as slot:
                    slot.settle(110)
                lease.settle(110)
            row = UsageRecord(time.time(), f"req_{n}", principal.id, principal.name, "v1/completions", "demo", 200)
            usage.record(row)
            costs.append(time.perf_counter() - start)
        await usage.flush()
    assert median(costs) < 100e-6
    print(f"median {median(costs) * 1e6:.0f} µs, p95 {sorted(costs)[1900] * 1e6:.0f} µs")
