"""The writer of events by itself: silence, hang-ups, faults."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, cast

import pytest
from tornado.iostream import StreamClosedError
from tornado.web import RequestHandler

from jupyter_uml.server.stream import ClientGoneError, EventStream

pytestmark = pytest.mark.anyio


class Connection:
    """What a handler does with a socket, as much of it as a stream uses."""

    def __init__(self, *, broken: bool = False) -> None:
        self.sent = b""
        self.headers: dict[str, str] = {}
        self._broken = broken

    def set_header(self, name: str, value: str) -> None:
        self.headers[name] = value

    def write(self, data: bytes) -> None:
        self.sent += data

    async def flush(self) -> None:
        if self._broken:
            raise StreamClosedError


def stream_on(connection: Connection, heartbeat: float = 10.0) -> EventStream:
    return EventStream(cast(RequestHandler, connection), heartbeat)


class Source:
    """An answer that says one thing and then nothing for a long time."""

    def __init__(self) -> None:
        self.closed = False

    async def chunks(self) -> AsyncGenerator[str, None]:
        try:
            yield "one"
            await asyncio.Event().wait()
        finally:
            self.closed = True


async def test_silence_is_filled_with_heartbeats() -> None:
    source = Source()
    async with aclosing(stream_on(Connection(), 0.01).watch(source.chunks())) as items:
        assert [await anext(items) for _ in range(3)] == ["one", None, None]
    assert source.closed


async def test_a_hang_up_closes_the_source_at_once() -> None:
    source, stream = Source(), stream_on(Connection())
    items = stream.watch(source.chunks())
    assert await anext(items) == "one"
    asyncio.get_running_loop().call_soon(stream.hang_up)
    with pytest.raises(ClientGoneError):
        await anext(items)
    assert source.closed


async def test_a_heartbeat_on_a_dead_socket_closes_the_source() -> None:
    source, stream = Source(), stream_on(Connection(broken=True), 0.01)

    async def write_out() -> None:
        async with aclosing(stream.watch(source.chunks())) as items:
            async for item in items:
                if item is None:
                    await stream.ping()

    with pytest.raises(ClientGoneError):
        await write_out()
    assert source.closed


async def test_an_error_of_the_source_is_passed_on() -> None:
    async def failing() -> AsyncGenerator[Any, None]:
        yield 1
        raise ZeroDivisionError

    items = stream_on(Connection()).watch(failing())
    assert await anext(items) == 1
    with pytest.raises(ZeroDivisionError):
        await anext(items)


async def test_the_form_of_events() -> None:
    connection = Connection()
    stream = stream_on(connection)
    assert not stream.open
    await stream.send({"a": "é\n"})
    await stream.ping()
    await stream.send({"b": 1}, name="error")
    await stream.done()
    assert connection.sent.decode() == (
        'data: {"a":"é\\n"}\n\n: ping\n\nevent: error\ndata: {"b":1}\n\ndata: [DONE]\n\n'
    )
    assert connection.headers["Content-Type"].startswith("text/event-stream")
    assert stream.open
