"""What a server says of itself: its state as it changes, and the answers under way."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import Any, TypeVar

from jupyter_uml.client.calls import AsyncCalls, Calls, share_docstrings
from jupyter_uml.errors import (
    ConnectionFailed,
    GenerationAborted,
    Overloaded,
    StreamInterrupted,
    UmlError,
)
from jupyter_uml.types import ModelStatus, RunningAnswer, ServerState

SHORTEST_WAIT, LONGEST_WAIT = 0.2, 5.0  # seconds before the server is tried again; each time twice as many
T = TypeVar("T")

_PASSING = (ConnectionFailed, StreamInterrupted, GenerationAborted, Overloaded)
_AWAY = (502, 503, 504)  # what proxies say while the server behind them cannot be reached


class AsyncWatching(AsyncCalls):
    """A part of the client."""

    async def watch(self) -> AsyncGenerator[ServerState, None]:
        """All that the server says of itself, at once and then whenever something of it has changed: models and how
        far they are loaded, memory, figures, pulls and running answers.

        Whoever takes long for one state gets the newest one next. A connection that is lost is made anew; until then
        there is one state more, which is not `connected`. It goes on until it or the client is closed, whatever the
        client's time-out is.

        Raises:
            ConnectionFailed: the server could not be reached at all.
        """
        async with aclosing(newest(self._states())) as states:
            async for state in states:
                yield state

    async def running(self) -> list[RunningAnswer]:
        """Requests that are being answered, the oldest first: one's own, and those of others where the key lets one
        administrate models."""
        return await self._call(lambda transport: transport.running())

    async def stop_running(self, running_id: str) -> RunningAnswer:
        """Ends one of them, by its id. Whoever waits for it gets a `GenerationStopped`."""
        return await self._call(lambda transport: transport.stop_running(running_id))

    async def _states(self) -> AsyncGenerator[ServerState, None]:
        """Every one that is told."""
        transport, state, wait = await self.transport(), ServerState(connected=False), SHORTEST_WAIT
        ages = _Ages()
        while self._uses(transport):
            is_first = True
            try:
                async with aclosing(transport.events()) as messages:
                    async for message in messages:
                        state = _after(ServerState() if is_first else state, message)
                        is_first, wait = False, SHORTEST_WAIT
                        yield ages.added(state)
            except UmlError as error:
                if self._uses(transport) and not (state.version and _may_pass(error)):
                    raise
            if not self._uses(transport):
                return
            if state.connected:
                state = replace(state, connected=False)
                yield ages.added(state)
            await asyncio.sleep(wait)
            wait = min(2 * wait, LONGEST_WAIT)


class Watching(Calls):
    """The same for synchronous code."""

    aio: AsyncWatching

    def watch(self) -> Iterator[ServerState]:
        return self.background.iterate(self.aio.watch())

    def running(self) -> list[RunningAnswer]:
        return self.background.run(self.aio.running())

    def stop_running(self, running_id: str) -> RunningAnswer:
        return self.background.run(self.aio.stop_running(running_id))


class _Ages:
    """How long ago each row was told: that time goes on is no news, so it is not told again for that."""

    def __init__(self) -> None:
        self._told: dict[str, tuple[ModelStatus, float]] = {}

    def added(self, state: ServerState) -> ServerState:
        """The state of this moment."""
        before, now = self._told, time.monotonic()
        self._told = {
            row.id: before[row.id] if row.id in before and before[row.id][0] is row else (row, now)
            for row in state.models
        }
        return replace(state, models=[_later(row, now - told) for row, told in self._told.values()])


def _later(row: ModelStatus, seconds: float) -> ModelStatus:
    return row if row.expires_in is None else replace(row, expires_in=max(0.0, row.expires_in - seconds))


async def newest(items: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
    """The last of them that has come; those that have come before it since the reader was here are passed over.

    `items` is read in a task of its own, and is closed at the end.
    """
    last, news = deque[T](maxlen=1), asyncio.Event()

    async def read() -> None:
        async with aclosing(items):
            async for item in items:
                last.append(item)
                news.set()

    reader = asyncio.create_task(read(), name="watch")
    reader.add_done_callback(lambda _: news.set())
    try:
        while last or not reader.done():
            await news.wait()
            news.clear()
            if last:
                yield last.pop()
        reader.result()
    finally:
        reader.cancel()
        await asyncio.gather(reader, return_exceptions=True)


def _after(state: ServerState, message: Mapping[str, Any]) -> ServerState:
    try:
        return state.after(message)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise ConnectionFailed("What answered did so in another shape than jupyter_uml's servers.") from error


def _may_pass(error: UmlError) -> bool:
    """Whether the server may be there again in a moment."""
    return isinstance(error, _PASSING) or error.details.get("status") in _AWAY


share_docstrings(Watching, AsyncWatching)
