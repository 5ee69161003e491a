"""The writer of events by itself: silence, hang-ups, faults, what goes out together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, cast

import pytest
from tornado.iostream import StreamClosedError
from tornado.web import RequestHandler

from jupyter_uml.protocol.endpoint import DONE, Event
from jupyter_uml.server.stream import MAX_WAITING, ClientGoneError, EventStream, batches

pytestmark = pytest.mark.anyio


class Connection:
    """What a handler does with a socket, as much of it as a stream uses."""

    def __init__(self, *, broken: bool = False) -> None:
        self.writes: list[bytes] = []
        self.headers: dict[str, str] = {}
        self.open = asyncio.Event()  # the reader reads
        self.open.set()
        self.flushes = 0
        self._broken = broken

    def set_header(self, name: str, value: str) -> None:
        self.headers[name] = value

    def write(self, data: bytes) -> None:
        self.writes.append(data)

    async def flush(self) -> None:
        if self._broken:
            raise StreamClosedError
        self.flushes += 1
        await self.open.wait()


def stream_on(connection: Connection, heartbeat: float = 10.0, patience: float = 10.0) -> EventStream:
    return EventStream(cast(RequestHandler, connection), heartbeat, patience)


class Source:
    """An answer that says a few things and then nothing for a long time."""

    def __init__(self, *events: Event) -> None:
        self.events, self.closed, self.given = events, False, 0

    async def all(self) -> AsyncGenerator[Event, None]:
        try:
            for event in self.events:
                self.given += 1
                yield event
            await asyncio.Event().wait()
        finally:
            self.closed = True


ONE = Event(1)


async def test_silence_is_filled_with_heartbeats() -> None:
    source = Source(ONE)
    async with aclosing(batches(source.all(), 10, 0.01)) as items:
        assert [await anext(items) for _ in range(3)] == [[ONE], [], []]
    assert source.closed


async def test_a_stream_is_not_opened_by_silence_before_its_patience_ends() -> None:
    """An error of what takes long to begin still has a status."""

    async def late() -> AsyncGenerator[Event, None]:
        await asyncio.sleep(0.05)
        raise ZeroDivisionError
        yield ONE

    connection = Connection()
    stream = stream_on(connection, heartbeat=0.01)
    with pytest.raises(ZeroDivisionError):
        await stream.send_all(late())
    assert not stream.open
    assert not connection.writes


async def test_cancelling_closes_the_source_before_it_returns() -> None:
    source, connection = Source(ONE), Connection()
    sending = asyncio.create_task(stream_on(connection).send_all(source.all()))
    while not connection.writes:
        await asyncio.sleep(0)
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    assert source.closed


@pytest.mark.parametrize("events", [(), (ONE,)])
async def test_a_dead_socket_closes_the_source(events: tuple[Event, ...]) -> None:
    source = Source(*events)
    with pytest.raises(ClientGoneError):
        await stream_on(Connection(broken=True), patience=0.01).send_all(source.all())
    assert source.closed


async def test_an_error_of_the_source_comes_after_what_it_gave() -> None:
    async def failing() -> AsyncGenerator[Any, None]:
        yield 1
        yield 2
        raise ZeroDivisionError

    items = batches(failing(), 10, 10)
    assert await anext(items) == [1, 2]
    with pytest.raises(ZeroDivisionError):
        await anext(items)


async def test_what_waits_goes_out_with_one_flush() -> None:
    connection = Connection()
    source = Source(*[ONE] * 20)
    sending = asyncio.create_task(stream_on(connection).send_all(source.all()))
    while sum(map(len, connection.writes)) < 20 * len(b"data: 1\n\n"):
        await asyncio.sleep(0)
    assert connection.flushes == 1
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)


async def test_a_slow_reader_holds_the_source_back() -> None:
    connection = Connection()
    connection.open.clear()
    source = Source(*[ONE] * 10 * MAX_WAITING)
    sending = asyncio.create_task(stream_on(connection).send_all(source.all()))
    for _ in range(50):
        await asyncio.sleep(0)
    assert source.given <= 2 * MAX_WAITING
    connection.open.set()
    while source.given < len(source.events):
        await asyncio.sleep(0)
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)


async def test_the_form_of_events() -> None:
    connection = Connection()
    stream = stream_on(connection)
    assert not stream.open
    await stream.send([Event({"a": "é\n"})])
    await stream.send([])
    await stream.send([Event({"b": 1}, "error"), DONE])
    assert b"".join(connection.writes).decode() == (
        'data: {"a":"é\\n"}\n\n: ping\n\nevent: error\ndata: {"b":1}\n\ndata: [DONE]\n\n'
    )
    assert connection.headers["Content-Type"].startswith("text/event-stream")
    assert stream.open
