"""Long work, reported step by step at a pace that a page can follow: a model that loads, an answer that streams."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, TypeVar

from jupyter_uml.client import AsyncStream, AsyncUniversalClient
from jupyter_uml.errors import UmlError
from jupyter_uml.types import ModelStatus

FRAME_SECONDS = 0.1
BYTES_PER_SECOND = 250_000  # Jupyter's server drops a kernel's output beyond 1 MB/s
PROGRESS_SECONDS = 0.25
MOVING = ("queued", "loading", "unloading", "restarting")  # states that pass by themselves
PATIENCE_SECONDS = 1.0  # without a first token, before the model's state is looked at

T = TypeVar("T")


class Pace:
    """Ten times a second, and less often where each time says much: an answer is sent whole at every step."""

    def __init__(self) -> None:
        self.interval = FRAME_SECONDS

    def sent(self, size: int) -> None:
        """Note that `size` characters have been shown."""
        self.interval = max(FRAME_SECONDS, size / BYTES_PER_SECOND)


async def watch_load(
    client: AsyncUniversalClient, model: str, settings: dict[str, Any], interval: float = PROGRESS_SECONDS
) -> AsyncGenerator[ModelStatus, None]:
    """The model's state again and again while it loads; the last one is loaded.

    Raises:
        UmlError: why it could not be loaded.
    """
    load = asyncio.create_task(client.load(model, **settings))
    try:
        while not load.done():
            await asyncio.wait({load}, timeout=interval)
            if not load.done():
                with contextlib.suppress(UmlError):  # the load itself says what is wrong
                    yield await client.model(model)
        yield load.result()
    finally:
        await _end(load)


async def paced(items: AsyncGenerator[T, None], interval: float = PROGRESS_SECONDS) -> AsyncGenerator[T, None]:
    """The newest item whenever there is one and `interval` seconds have passed; the last in any case.

    Raises:
        UmlError: as `items`; what came before has been yielded.
    """
    newest, news = deque[T](maxlen=1), asyncio.Event()

    async def read() -> None:
        async with aclosing(items):
            async for item in items:
                newest.append(item)
                news.set()

    reader = asyncio.create_task(read())
    reader.add_done_callback(lambda _: news.set())
    try:
        while newest or not reader.done():
            await news.wait()
            news.clear()
            if newest:
                yield newest.pop()
                await asyncio.wait({reader}, timeout=interval)
        reader.result()
    finally:
        await _end(reader)


async def watch_answer(
    client: AsyncUniversalClient, stream: AsyncStream, pace: Pace
) -> AsyncGenerator[str | ModelStatus, None]:
    """New text whenever something is new and the pace allows it, empty where that is reasoning or a tool call; before
    the first, the state of a model that loads.

    Raises:
        UmlError: the answer failed; what came before has been yielded.
    """
    parts: list[str] = []
    arrived = asyncio.Event()

    async def read() -> None:
        async for chunk in stream:
            if chunk.text or chunk.reasoning or chunk.calls:
                parts.append(chunk.text)
                arrived.set()

    reader = asyncio.create_task(read())
    reader.add_done_callback(lambda _: arrived.set())
    try:
        async for status in _until_first(client, stream, arrived):
            yield status
        while True:
            await arrived.wait()
            arrived.clear()
            ended = reader.done()
            if parts:
                text = "".join(parts)
                parts.clear()
                yield text
            if ended:
                break
            await asyncio.wait({reader}, timeout=pace.interval)
        reader.result()
    finally:
        await _end(reader)
        await stream.aclose()


async def _until_first(
    client: AsyncUniversalClient, stream: AsyncStream, arrived: asyncio.Event
) -> AsyncGenerator[ModelStatus, None]:
    wait = PATIENCE_SECONDS
    while True:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(arrived.wait(), wait)
        if arrived.is_set():
            return
        wait = PROGRESS_SECONDS * 2
        if stream.model:
            with contextlib.suppress(UmlError):
                yield await client.model(stream.model)


async def _end(task: asyncio.Task[Any]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError, UmlError):
        await task
