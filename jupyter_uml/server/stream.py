"""Server-sent events at the reader's pace: every flush is awaited, what waits goes out together, silence is filled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing, suppress
from typing import Protocol, TypeVar

from tornado.iostream import StreamClosedError
from tornado.web import RequestHandler

HEARTBEAT_SECONDS = 10.0
PATIENCE_SECONDS = 30.0  # for the first event: until then an error, of loading a model for instance, has a status
MAX_WAITING = 256  # events that are read ahead of a slow reader
_PING = b": ping\n\n"

T = TypeVar("T")


class Encoded(Protocol):
    """An event."""

    def encode(self) -> bytes: ...


class ClientGoneError(Exception):
    """The other side hung up."""


class EventStream:
    """Writes an answer's events to one connection."""

    def __init__(
        self,
        handler: RequestHandler,
        heartbeat: float = HEARTBEAT_SECONDS,
        patience: float = PATIENCE_SECONDS,
        headers: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        """Seconds of silence: `heartbeat` between two events, `patience` before the first one. `headers`: asked for
        further ones just before they are sent."""
        self._handler, self._headers = handler, headers
        self._heartbeat, self._patience = heartbeat, patience
        self.open = False  # the status line has gone out: errors must be events from here on

    async def send_all(self, source: AsyncGenerator[Encoded, None]) -> None:
        """The events of `source` as they come. Cancelling closes it, which aborts the generation.

        Raises:
            ClientGoneError: the client hung up; `source` has been closed.
        """
        async with aclosing(batches(source, self._patience, self._heartbeat)) as waiting:
            async for events in waiting:
                await self.send(events)

    async def send(self, events: Sequence[Encoded]) -> None:
        """All events with one flush; without any, a comment. Returns when the client's socket took it."""
        if not self.open:
            self.open = True
            self._handler.set_header("Content-Type", "text/event-stream; charset=utf-8")
            self._handler.set_header("Cache-Control", "no-cache")
            self._handler.set_header("X-Accel-Buffering", "no")  # nginx would collect the stream otherwise
            for name, value in self._headers().items():
                self._handler.set_header(name, value)
        try:
            self._handler.write(b"".join(event.encode() for event in events) or _PING)
            await self._handler.flush()
        except StreamClosedError as error:
            raise ClientGoneError from error


async def batches(source: AsyncGenerator[T, None], first: float, later: float) -> AsyncGenerator[list[T], None]:
    """All items that came since the last time; none where none came for `first` or `later` seconds.

    `source` is read in a task of its own, not much ahead, and is closed at the end.
    """
    items: list[T] = []
    news, room = asyncio.Event(), asyncio.Event()

    async def read() -> None:
        try:
            async with aclosing(source):
                async for item in source:
                    items.append(item)
                    news.set()
                    if len(items) >= MAX_WAITING:
                        room.clear()
                        await room.wait()
        finally:
            news.set()

    reader, silence = asyncio.create_task(read()), first
    try:
        while not reader.done() or items:
            with suppress(TimeoutError):
                async with asyncio.timeout(silence):
                    await news.wait()
            taken, silence = items[:], later
            items.clear()
            news.clear()
            room.set()
            if taken or not reader.done():
                yield taken
        reader.result()
    finally:
        reader.cancel()  # and wait until it is over: its clean-up is what aborts the generation
        await asyncio.gather(reader, return_exceptions=True)
