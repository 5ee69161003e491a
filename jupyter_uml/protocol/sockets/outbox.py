"""What waits for one reader. It is bounded: whoever has more to say waits until the reader has taken some of it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

LIMIT = 1 << 18  # bytes; one message more than this may wait for each that writes


class Outbox:
    """Many write, one task takes the messages out by `drain`. After `close` nothing waits and nothing is kept."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._messages: deque[bytes] = deque()
        self._bytes = 0
        self._news, self._space = asyncio.Event(), asyncio.Event()
        self._complete = False

    @property
    def size(self) -> int:
        """Bytes that wait or are just being written."""
        return self._bytes

    def push(self, message: bytes) -> None:
        """Without waiting: for the one last message of each that writes."""
        if self._complete:
            return
        self._messages.append(message)
        self._bytes += len(message)
        self._news.set()

    async def put(self, message: bytes) -> None:
        await self.room()
        self.push(message)

    async def room(self) -> None:
        """Until there is some."""
        while self._bytes >= self._limit and not self._complete:
            self._space.clear()
            await self._space.wait()

    async def drain(self, write: Callable[[bytes], Awaitable[None]]) -> None:
        """Write message after message, each when the one before has been taken, until all are after `complete`."""
        while self._messages or not self._complete:
            if not self._messages:
                self._news.clear()
                await self._news.wait()
                continue
            message = self._messages.popleft()
            await write(message)
            self._bytes -= len(message)
            if self._bytes < self._limit:
                self._space.set()

    def complete(self) -> None:
        """Take no more; what waits is still written."""
        self._complete = True
        self._news.set()
        self._space.set()

    def close(self) -> None:
        """The reader is gone."""
        self._messages.clear()
        self.complete()
