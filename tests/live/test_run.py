"""An answer that is stopped from outside: whoever reads it is told, and nothing is computed for it any more."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from jupyter_uml.errors import GenerationNotFound, GenerationStopped, InvalidRequest
from jupyter_uml.live import Run, Running
from jupyter_uml.types import Chunk, GenerateRequest, GenerationLabel, Message

pytestmark = pytest.mark.anyio

ASKED = GenerateRequest("r1", "demo", messages=(Message("user", "  Why\n is it\tso? "),))
SECONDS = 5.0


class Engine:
    """Gives a token whenever it is let to."""

    def __init__(self) -> None:
        self.may_go_on = asyncio.Event()
        self.begun, self.ended = asyncio.Event(), asyncio.Event()

    async def answer(self) -> AsyncGenerator[Chunk, None]:
        self.begun.set()
        try:
            while True:
                await self.may_go_on.wait()
                yield Chunk("r1", "a", 1)
        finally:
            await asyncio.sleep(0)  # letting go takes its time
            self.ended.set()


def entered(running: Running, label: GenerationLabel | None = None) -> Run:
    return running.enter("req_1", "demo", "key_1", "Ann", "v1/chat/completions", label)


async def read(run: Run, engine: Engine) -> None:
    async with aclosing(run.chunks(ASKED, engine.answer())) as chunks:
        async for _ in chunks:
            await asyncio.sleep(0)


@pytest.mark.parametrize("writes", [False, True])
async def test_whoever_reads_is_told(writes: bool) -> None:
    run, engine = entered(Running()), Engine()
    if writes:
        engine.may_go_on.set()
    reading = asyncio.create_task(read(run, engine))
    await engine.begun.wait()
    async with asyncio.timeout(SECONDS):
        await run.stop()
        assert engine.ended.is_set()
        with pytest.raises(GenerationStopped):
            await reading


async def test_a_reader_who_has_stopped_reading_keeps_nothing_going() -> None:
    run, engine = entered(Running()), Engine()
    engine.may_go_on.set()
    async with aclosing(run.chunks(ASKED, engine.answer())) as chunks, asyncio.timeout(SECONDS):
        await anext(chunks)
        await run.stop()
        assert engine.ended.is_set()
        with pytest.raises(GenerationStopped):
            await anext(chunks)


async def test_a_reader_who_comes_back_while_it_is_stopped() -> None:
    run, engine = entered(Running()), Engine()
    engine.may_go_on.set()
    async with aclosing(run.chunks(ASKED, engine.answer())) as chunks, asyncio.timeout(SECONDS):
        await anext(chunks)
        stopping = asyncio.create_task(run.stop())
        await asyncio.sleep(0)
        with pytest.raises(GenerationStopped):
            await anext(chunks)
        await stopping


async def test_what_is_computed_as_a_whole() -> None:
    run = entered(Running())
    computing = asyncio.create_task(run.result(asyncio.sleep(SECONDS * 10)))
    await asyncio.sleep(0)
    await run.stop()
    with pytest.raises(GenerationStopped):
        await computing
    with pytest.raises(GenerationStopped):  # nor does anything else begin for it
        await run.result(asyncio.sleep(SECONDS * 10))


async def test_what_was_asked_is_not_kept_by_its_error() -> None:
    """It may be megabytes, and garbage that refers to itself stays until a collection, which may be long."""

    class Asked: ...

    asked = Asked()
    gone = weakref.ref(asked)

    async def compute(asked: Asked) -> None:
        await asyncio.sleep(0)
        raise InvalidRequest("It is too long.")

    run = entered(Running())
    gc.disable()
    try:
        answering = asyncio.create_task(run.result(compute(asked)))
        await asyncio.wait({answering})
        assert isinstance(answering.exception(), InvalidRequest)
        del asked, answering
        assert gone() is None
    finally:
        gc.enable()


async def test_two_who_stop_it_at_once() -> None:
    """The second one neither cuts short how it ends nor makes it look as if its reader had gone."""
    run, engine = entered(Running()), Engine()
    reading = asyncio.create_task(read(run, engine))
    await engine.begun.wait()
    async with asyncio.timeout(SECONDS):
        await asyncio.gather(run.stop(), run.stop())
        assert engine.ended.is_set()
        with pytest.raises(GenerationStopped):
            await reading


async def test_what_has_just_ended_is_not_stopped_any_more() -> None:
    """Its task goes on with other things, such as the record of it."""
    for steps in range(1, 5):
        run, recorded = entered(Running()), asyncio.Event()

        async def handle(run: Run = run, recorded: asyncio.Event = recorded) -> None:
            await run.result(asyncio.sleep(0))
            await asyncio.sleep(0)
            recorded.set()

        handling = asyncio.create_task(handle())
        for _ in range(steps):
            await asyncio.sleep(0)
        await run.stop()
        outcome = (await asyncio.gather(handling, return_exceptions=True))[0]
        assert recorded.is_set() or isinstance(outcome, GenerationStopped), (steps, outcome)


async def test_a_reader_who_is_cancelled_was_not_stopped() -> None:
    run, engine = entered(Running()), Engine()
    reading = asyncio.create_task(read(run, engine))
    await engine.begun.wait()
    reading.cancel()
    await asyncio.wait([reading])
    assert reading.cancelled()
    assert engine.ended.is_set()


async def test_one_that_knows_better_how_it_is_stopped() -> None:
    run, stopped = entered(Running()), asyncio.Event()

    async def stop() -> None:
        stopped.set()

    run.stop_by = stop
    await run.stop()
    assert stopped.is_set()


async def test_what_it_says_of_itself() -> None:
    run, engine = entered(Running()), Engine()
    row = run.row(own=True)
    assert (row.id, row.model, row.who, row.kind) == ("req_1", "demo", "Ann", "client")
    assert (row.state, row.tokens, row.tokens_per_second) == ("waiting", 0, 0.0)
    engine.may_go_on.set()
    async with aclosing(run.chunks(ASKED, engine.answer())) as chunks:
        for _ in range(3):
            await anext(chunks)
        row = run.row(own=True)
        assert (row.state, row.tokens, row.question) == ("answering", 3, "Why is it so?")
        assert row.tokens_per_second > 0
        assert run.row(own=False).question == ""


async def test_what_people_know_it_by() -> None:
    running = Running()
    run = entered(running, GenerationLabel("cell", "c1", "Explain " + "x" * 500))
    assert (run.row(own=True).kind, len(run.row(own=True).question)) == ("cell", 120)
    inline = running.enter("req_2", "demo", "key_1", "Ann", "inline_completion")
    assert inline.row(own=True).kind == "inline"
    batch = running.enter("req_3", "demo", "key_1", "Ann", "v1/completions")
    request = GenerateRequest("r3", "demo", prompt="One row", priority="batch")
    async with aclosing(batch.chunks(request, Engine().answer())) as chunks:
        first = asyncio.create_task(anext(chunks))
        await asyncio.sleep(0)
        assert (batch.row(own=True).kind, batch.row(own=True).question) == ("batch", "One row")
        first.cancel()
        await asyncio.wait([first])


async def test_who_may_not_see_one_is_told_that_there_is_none() -> None:
    running = Running()
    run = entered(running)
    assert running.get("req_1", lambda _: True) is run
    for id_, allowed in (("req_1", False), ("req_2", True)):
        with pytest.raises(GenerationNotFound):
            running.get(id_, lambda _, allowed=allowed: allowed)  # type: ignore[misc]
    running.leave(run)
    assert len(running) == 0
