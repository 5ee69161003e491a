"""A thousand at once: everybody hears something, nothing is left of it, and Jupyter goes on meanwhile."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.bench.summary import percentile
from tests.conftest import Server
from tests.reliability.client import End, Reply, Stream
from tests.reliability.conftest import LONG, held, load, settled
from tests.reliability.figures import milliseconds, note

pytestmark = pytest.mark.anyio

STREAMS, TOKENS = 1000, 64 if LONG else 8
LIMIT = 0.1  # seconds
AT_REST = 0.003  # seconds that the status takes while nobody else asks, on an idle machine


def question(number: int) -> dict[str, Any]:
    content = f"How do I load model {number}?"
    messages = [{"role": "user", "content": content}]
    return {"model": "demo", "messages": messages, "max_tokens": TOKENS, "stream": True}


async def ask(server: Server, count: int) -> list[Reply]:
    """A thousand within a second: a listening socket forgets most of those that knock in the same millisecond."""
    streams, began = [], time.monotonic()
    for i in range(count):
        streams.append(Stream(server, question(i)))
        await asyncio.sleep(began + i / 1000 - time.monotonic())
    return [await stream.to_its_end() for stream in streams]


@contextmanager
def pulse(server: Server) -> Iterator[list[float]]:
    """The seconds that Jupyter's own `api/status` takes in the block, forty times a second; there when it has ended."""
    program = [sys.executable, str(Path(__file__).with_name("pulse.py")), server.root, server.token]
    times: list[float] = []
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield times
        finally:
            shown, _ = process.communicate()
    times += json.loads(shown)


async def test_a_thousand_streams_at_once(crowded: Server) -> None:
    load(crowded, "demo")
    workers = crowded.workers()
    await ask(crowded, 20)
    before = held(crowded)
    with pulse(crowded) as calm:
        await asyncio.sleep(1)
    with pulse(crowded) as times:
        replies = await ask(crowded, STREAMS)
    ends = Counter(reply.end for reply in replies)
    assert set(ends) == {End.ANSWER, End.REFUSED}, ends
    assert all(reply.said_when for reply in replies if reply.end is End.REFUSED)
    assert crowded.model()["active"] == 0
    settled(crowded, before)
    assert crowded.workers() == workers
    # Other tests may run beside the short form, on the same two cores.
    busy = 1.0 if LONG else 4 * max(1.0, percentile(calm, 90) / AT_REST)
    assert percentile(times, 99) < LIMIT * busy
    note(
        "1-crowd",
        "1,000 streams at once, of which 250 may wait",
        "each ends with `[DONE]`, or is refused and told when to come again; no descriptor, task or sequence is left; "
        "Jupyter's own `api/status` answers in less than 100 ms (p99)",
        answered=ends[End.ANSWER],
        refused=ends[End.REFUSED],
        status_p99=milliseconds(percentile(times, 99)),
        status_median=milliseconds(percentile(times, 50)),
        status_at_most=milliseconds(max(times)),
    )
