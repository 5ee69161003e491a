"""Answers and loads, step by step and at a pace."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from jupyter_uml.client import AsyncStream, AsyncUniversalClient, UniversalClient
from jupyter_uml.client.stream import Opened
from jupyter_uml.errors import InsufficientMemory, WorkerDied
from jupyter_uml.kernel import follow
from jupyter_uml.kernel.follow import (
    BYTES_PER_SECOND,
    FRAME_SECONDS,
    Pace,
    paced,
    watch_answer,
    watch_load,
)
from jupyter_uml.types import CallDelta, Chunk, GenerateRequest, ModelStatus
from tests.client.stub_server import Reply, StubServer, model_row


def stream_of(chunks: AsyncGenerator[Chunk, None]) -> AsyncStream:
    async def stop(_: str) -> None: ...

    async def begin(_: GenerateRequest) -> Opened:
        return Opened("demo", chunks, stop)

    return AsyncStream(GenerateRequest("r", "demo"), begin)


def run(chunks: AsyncGenerator[Chunk, None]) -> list[str]:
    async def main() -> list[str]:
        client = AsyncUniversalClient("http://127.0.0.1:9/uml")
        stream = stream_of(chunks)
        return [event async for event in watch_answer(client, stream, Pace()) if isinstance(event, str)]

    return asyncio.run(main())


def test_a_burst_is_shown_in_few_steps_and_whole() -> None:
    async def burst() -> AsyncGenerator[Chunk, None]:
        for number in range(1000):
            yield Chunk("r", f"{number} ")
        yield Chunk("r", finish_reason="stop")

    steps = run(burst())
    assert "".join(steps) == "".join(f"{number} " for number in range(1000))
    assert len(steps) <= 2


def test_reasoning_and_calls_are_news_too() -> None:
    async def silent() -> AsyncGenerator[Chunk, None]:
        yield Chunk("r", reasoning="Hm.")
        yield Chunk("r", calls=(CallDelta(0, "{}", "1", "f"),))
        yield Chunk("r", finish_reason="tool_calls")

    assert run(silent())
    assert not any(run(silent()))


def test_the_first_token_is_shown_at_once() -> None:
    shown = asyncio.Event()

    async def slow() -> AsyncGenerator[Chunk, None]:
        yield Chunk("r", "first")
        await shown.wait()  # the second comes only after the first has been seen
        yield Chunk("r", " second", finish_reason="stop")

    async def main() -> list[str]:
        texts = []
        async for event in watch_answer(AsyncUniversalClient("http://127.0.0.1:9/uml"), stream_of(slow()), Pace()):
            texts.append(str(event))
            shown.set()
        return texts

    assert asyncio.run(main()) == ["first", " second"]


def test_what_came_before_an_error_is_shown_first() -> None:
    async def failing() -> AsyncGenerator[Chunk, None]:
        yield Chunk("r", "half")
        raise WorkerDied("gone")

    async def main() -> list[str]:
        texts: list[str] = []
        stream = stream_of(failing())
        with pytest.raises(WorkerDied):
            texts.extend([str(e) async for e in _collecting(watch_answer(_client(), stream, Pace()), texts)])
        return texts

    assert asyncio.run(main()) == ["half"]


async def _collecting(events: AsyncGenerator[Any, None], into: list[str]) -> AsyncGenerator[Any, None]:
    async for event in events:
        into.append(event)
        if False:
            yield event


def _client() -> AsyncUniversalClient:
    return AsyncUniversalClient("http://127.0.0.1:9/uml")


def test_leaving_closes_the_stream() -> None:
    closed = threading.Event()

    async def endless() -> AsyncGenerator[Chunk, None]:
        try:
            while True:
                yield Chunk("r", "x")
                await asyncio.sleep(0)
        finally:
            closed.set()

    async def main() -> None:
        events = watch_answer(_client(), stream_of(endless()), Pace())
        await anext(events)
        await events.aclose()

    asyncio.run(main())
    assert closed.is_set()


def test_while_nothing_comes_the_models_state_is_shown(
    stub: StubServer, stub_client: UniversalClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "PATIENCE_SECONDS", 0.01)
    monkeypatch.setattr(follow, "PROGRESS_SECONDS", 0.01)
    stub.answer("models/demo", Reply(model_row(state="loading", progress=0.5)))
    seen = asyncio.Event()

    async def late() -> AsyncGenerator[Chunk, None]:
        await seen.wait()
        yield Chunk("r", "text", finish_reason="stop")

    async def main() -> list[str | ModelStatus]:
        events = []
        async for event in watch_answer(stub_client.aio, stream_of(late()), Pace()):
            events.append(event)
            seen.set()
        return events

    first, *_, last = stub_client.background.run(main())
    assert isinstance(first, ModelStatus)
    assert first.progress == 0.5
    assert last == "text"


def test_a_long_answer_is_sent_less_often() -> None:
    pace = Pace()
    pace.sent(1000)
    assert pace.interval == FRAME_SECONDS
    pace.sent(10 * BYTES_PER_SECOND)
    assert pace.interval == 10


def test_a_load_reports_and_ends_loaded(stub: StubServer, stub_client: UniversalClient) -> None:
    gate = threading.Event()
    stub.answer("models/demo", Reply(model_row(state="loading", progress=0.25)))
    stub.answer("load_model", Reply(model_row()))
    stub.hold("load_model", gate)
    states = []
    for row in stub_client.background.iterate(watch_load(stub_client.aio, "demo", {"n_ctx": 512}, interval=0.01)):
        states.append((row.state, row.progress))
        gate.set()
    assert states[0] == ("loading", 0.25)
    assert states[-1] == ("loaded", None)
    assert stub.asked("load_model")[0]["n_ctx"] == 512


def test_a_load_that_fails(stub: StubServer, stub_client: UniversalClient) -> None:
    stub.answer("load_model", Reply({"error": InsufficientMemory("demo", 2, 1).to_dict()}, 503))
    with pytest.raises(InsufficientMemory):
        list(stub_client.background.iterate(watch_load(stub_client.aio, "demo", {})))


# --- at a pace ---------------------------------------------------------------------------------


def test_of_many_items_the_first_and_the_last_are_shown() -> None:
    async def burst() -> AsyncGenerator[int, None]:
        for number in range(1000):
            yield number
            await asyncio.sleep(0)

    async def main() -> list[int]:
        return [item async for item in paced(burst(), interval=0.2)]

    shown = asyncio.run(main())
    assert shown[-1] == 999
    assert len(shown) <= 3


def test_an_item_after_which_nothing_comes_is_shown_all_the_same() -> None:
    seen = asyncio.Event()

    async def stalls() -> AsyncGenerator[str, None]:
        yield "first"
        yield "waits"
        await seen.wait()

    async def main() -> list[str]:
        shown = []
        async for item in paced(stalls(), interval=0.01):
            shown.append(item)
            if item == "waits":
                seen.set()
        return shown

    assert asyncio.run(main())[-1] == "waits"


def test_what_came_before_a_failure_is_shown_and_leaving_closes() -> None:
    closed = []

    async def fails() -> AsyncGenerator[int, None]:
        try:
            yield 1
            raise WorkerDied("gone")
        finally:
            closed.append(True)

    shown: list[int] = []

    async def main() -> None:
        async for item in paced(fails(), interval=0):
            shown.append(item)

    with pytest.raises(WorkerDied):
        asyncio.run(main())
    assert (shown, closed) == ([1], [True])
