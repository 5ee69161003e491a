"""Whoever goes away takes the work with him: programs that are killed, sockets that break, readers that hardly read."""

from __future__ import annotations

import asyncio
import random
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import psutil
import pytest

from tests.bench.process_figures import idle_since
from tests.conftest import Server
from tests.reliability.client import Stream, address, request
from tests.reliability.conftest import LONG, held, load, settled
from tests.reliability.figures import megabytes, milliseconds, note
from tests.server.socket_client import dial

pytestmark = pytest.mark.anyio

WAVES, REQUESTS = 10, 50
IDLE = 0.25 if LONG else 1.0  # seconds; other tests may run beside the short form
FLAT = 8e6  # bytes that the server may grow by, the fragments of its heap included
SLOW_READERS, SLOW_SECONDS = 12, 20 if LONG else 4


@pytest.fixture(scope="module")
def worker(crowded: Server) -> psutil.Process:
    return load(crowded, "endless", n_ctx=4096, n_parallel=4)


@pytest.fixture
def rng() -> random.Random:
    return random.Random(6)


def endless(rng: random.Random) -> dict[str, Any]:
    content = f"{rng.random()} Tell me everything."  # another prompt each time: nothing is found in a cache
    return {"model": "endless", "messages": [{"role": "user", "content": content}], "max_tokens": 4000, "stream": True}


async def test_programs_that_start_and_vanish(crowded: Server, worker: psutil.Process, rng: random.Random) -> None:
    idle = []
    for wave in range(WAVES):
        last = Stream(crowded, endless(rng))
        await asyncio.gather(last.begun.wait(), *(start_and_vanish(crowded, rng) for _ in range(REQUESTS - 1)))
        await last.vanish()
        idle.append(await idle_since(worker.pid, time.perf_counter()))
        assert crowded.model("endless")["active"] == 0
        if wave == 0:
            before = held(crowded)
    after = settled(crowded, before)
    grown = after["memory"] - before["memory"]
    assert grown < FLAT
    assert max(idle) < IDLE
    note(
        "2-vanish",
        "500 requests that are begun and broken off at any moment, by FIN or RST",
        "the engine is idle within 250 ms of the last one; memory flat, no descriptor or task left",
        idle_after_at_most=milliseconds(max(idle)),
        memory=megabytes(grown),
    )


async def start_and_vanish(server: Server, rng: random.Random) -> None:
    """At once, in its answer, or whenever it happens to be."""
    stream = Stream(server, endless(rng))
    match rng.randrange(3):
        case 0:
            await asyncio.sleep(rng.random() * 0.02)
        case 1:
            await asyncio.wait([waiting := asyncio.create_task(stream.begun.wait())], timeout=1)
            waiting.cancel()
        case _:
            await asyncio.sleep(rng.random() * 0.5)
    await stream.vanish(reset=rng.random() < 0.5)


async def test_generations_of_sockets(crowded: Server, worker: psutil.Process, rng: random.Random) -> None:
    """Half of them are cancelled, the others are left to sockets that break."""
    idle = []
    for wave in range(3):
        await asyncio.gather(*(cancel_and_vanish(crowded, rng) for _ in range(5)))
        idle.append(await idle_since(worker.pid, time.perf_counter()))
        assert crowded.model("endless")["active"] == 0
        if wave == 0:
            before = held(crowded)
    settled(crowded, before)
    assert max(idle) < IDLE
    note(
        "3-sockets",
        "150 generations over WebSockets, half of them cancelled, the others left to sockets that break",
        "each cancelled one is told; the engine is idle within 250 ms",
        idle_after_at_most=milliseconds(max(idle)),
    )


async def cancel_and_vanish(server: Server, rng: random.Random) -> None:
    async with dial(server) as client:
        for n in range(10):
            await client.start(str(n), endless(rng))
        await client.until("started", "9")
        for n in range(0, 10, 2):
            await client.say({"type": "cancel", "id": str(n)})
        left = {str(n) for n in range(0, 10, 2)}
        while left and (message := await client.hear()) is not None:
            if message["type"] == "done":
                assert message["cancelled"]
                left.remove(message["id"])
        assert not left
        client.vanish()


async def test_readers_of_a_byte_a_second(crowded: Server, worker: psutil.Process, rng: random.Random) -> None:
    before = held(crowded)
    with ExitStack() as stack:
        readers = [stack.enter_context(slow_reader(crowded, endless(rng))) for _ in range(SLOW_READERS)]
        await read_slowly(readers, 2)
        full = held(crowded)  # what a socket takes has been taken
        await read_slowly(readers, SLOW_SECONDS)
        grown = held(crowded)["memory"] - full["memory"]
        assert crowded.model("endless")["active"] > 0
    idle = await idle_since(worker.pid, time.perf_counter())
    settled(crowded, before)
    assert grown < FLAT
    assert idle < IDLE
    note(
        "4-slow",
        f"{SLOW_READERS} clients that read a byte a second of endless answers",
        "memory flat; when they go, the engine is idle within 250 ms",
        memory=megabytes(grown),
        idle_after=milliseconds(idle),
    )


@contextmanager
def slow_reader(server: Server, body: dict[str, Any]) -> Iterator[socket.socket]:
    """Its connection, in which hardly anything fits."""
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(address(server))
        connection.sendall(request(server, body))
        yield connection


async def read_slowly(readers: list[socket.socket], seconds: int) -> None:
    for _ in range(seconds):
        await asyncio.sleep(1)
        for reader in readers:
            with suppress(BlockingIOError):  # of an answer that waits for its turn
                reader.recv(1, socket.MSG_DONTWAIT)
