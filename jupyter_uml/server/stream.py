"""Server-sent events at the reader's pace: every flush is awaited, a silent stream is kept alive, a hang-up cancels."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import Any, TypeVar

import orjson
from tornado.iostream import StreamClosedError
from tornado.web import RequestHandler

HEARTBEAT_SECONDS = 10.0
_PING = b": ping\n\n"
_DONE = b"data: [DONE]\n\n"

T = TypeVar("T")


class ClientGoneError(Exception):
    """The other side hung up."""


class EventStream:
    """Writes an answer's events to one connection, and notices when nobody is there any more."""

    def __init__(self, handler: RequestHandler, heartbeat: float = HEARTBEAT_SECONDS) -> None:
        self._handler = handler
        self._heartbeat = heartbeat
        self._gone = asyncio.Event()
        self.open = False  # the status line has gone out: errors must be events from here on

    def hang_up(self) -> None:
        self._gone.set()

    async def watch(self, source: AsyncGenerator[T, None]) -> AsyncGenerator[T | None, None]:
        """The items of `source`, and None whenever nothing came for a while.

        Raises:
            ClientGoneError: the client hung up; `source` has been closed, which aborts the generation.
        """
        gone = asyncio.ensure_future(self._gone.wait())
        item: asyncio.Task[T] | None = None
        async with aclosing(source):
            try:
                while True:
                    item = item or asyncio.ensure_future(anext(source))
                    await asyncio.wait({item, gone}, timeout=self._heartbeat, return_when=asyncio.FIRST_COMPLETED)
                    if gone.done():
                        raise ClientGoneError
                    if not item.done():
                        yield None
                        continue
                    try:
                        value = item.result()
                    except StopAsyncIteration:
                        return
                    finally:
                        item = None
                    yield value
            finally:
                gone.cancel()
                if item is not None:  # before `source` is closed: a generator that runs cannot be
                    await _cancelled(item)

    async def send(self, event: Any, name: str | None = None) -> None:
        """One event, with `event` as JSON. Returns when the client's socket took it."""
        head = f"event: {name}\n".encode() if name else b""
        await self._write(head + b"data: " + orjson.dumps(event) + b"\n\n")

    async def ping(self) -> None:
        await self._write(_PING)

    async def done(self) -> None:
        """The end that tells a whole answer from a cut one."""
        await self._write(_DONE)

    async def _write(self, data: bytes) -> None:
        if not self.open:
            self.open = True
            self._handler.set_header("Content-Type", "text/event-stream; charset=utf-8")
            self._handler.set_header("Cache-Control", "no-cache")
            self._handler.set_header("X-Accel-Buffering", "no")  # nginx would collect the stream otherwise
        try:
            self._handler.write(data)
            await self._handler.flush()
        except StreamClosedError as error:
            raise ClientGoneError from error


async def _cancelled(task: asyncio.Future[Any]) -> None:
    """Cancel and wait until it is over: its clean-up is what aborts the generation."""
    task.cancel()
    with suppress(asyncio.CancelledError, StopAsyncIteration, Exception):
        await task
