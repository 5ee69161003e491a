"""Generations that run, end, fail, are stopped, and are forgotten; and that nothing of them is left."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace

import pytest

from jupyter_uml.errors import (
    EventsForgotten,
    GenerationAborted,
    GenerationConflict,
    GenerationNotFound,
    Overloaded,
    UmlError,
    WorkerDied,
)
from jupyter_uml.generations import BOUNDS, Asked, Bounds, Generation, Generations, Work
from jupyter_uml.types import GenerationLabel

pytestmark = pytest.mark.anyio


def asked(name: str = "a" * 8, owner: str = "me", digest: bytes = b"1", kernel: str | None = None) -> Asked:
    return Asked(owner, name, digest, GenerationLabel("cell", "c1", "Why?"), kernel)


def says(text: str, size: int = 1) -> Work[str]:
    async def work(generation: Generation[str]) -> None:
        for letter in text:
            generation.add(letter, size)
            await asyncio.sleep(0)

    return work


def endless(stopped: Callable[[], object] = lambda: None) -> Work[str]:
    """Says one thing and goes on; tells when it is stopped."""

    async def work(generation: Generation[str]) -> None:
        generation.add("…", 1)
        try:
            await asyncio.Event().wait()
        finally:
            stopped()

    return work


def fails(text: str = "", error: Exception | None = None) -> Work[str]:
    async def work(generation: Generation[str]) -> None:
        await says(text)(generation)
        raise error or WorkerDied("gone")

    return work


async def read(generation: Generation[str], after: int = 0) -> str:
    async with asyncio.timeout(5), aclosing(generation.items(after)) as items:
        return "".join([item async for _, item in items])


@asynccontextmanager
async def opened(bounds: Bounds = BOUNDS) -> AsyncIterator[Generations[str]]:
    generations: Generations[str] = Generations(bounds)
    try:
        yield generations
    finally:
        await generations.aclose()
        assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("generation")]


async def test_it_goes_on_without_a_reader_and_is_read_afterwards() -> None:
    async with opened() as generations:
        generation = generations.begin(asked(kernel="k1"), says("abc"))
        async with aclosing(generation.items()) as items:
            await anext(items)
        assert await read(generation) == "abc"
        assert await read(generations.get("me", "a" * 8), 2) == "c"
        row = generation.status()
        assert (row.state, row.kind, row.cell, row.kernel, row.question) == ("done", "cell", "c1", "k1", "Why?")


async def test_to_ask_twice_is_to_ask_once() -> None:
    async with opened() as generations:
        first = generations.begin(asked(), says("abc"))
        assert generations.begin(asked(), fails()) is first
        assert await read(first) == "abc"
        assert generations.begin(asked(), fails()) is first, "also when it has ended"
        with pytest.raises(GenerationConflict):
            generations.begin(asked(digest=b"2"), says("x"))


async def test_two_principals_may_have_the_same_id() -> None:
    async with opened() as generations:
        mine = generations.begin(asked(owner="me"), says("mine"))
        yours = generations.begin(asked(owner="you", digest=b"2"), says("yours"))
        assert (await read(mine), await read(yours)) == ("mine", "yours")
        assert generations.get("you", "a" * 8) is yours
        assert generations.all("me") == [mine]
        await generations.stop("you", "a" * 8)
        assert generations.all("you") == []
        assert generations.get("me", "a" * 8) is mine


async def test_stopping_waits_for_the_end_and_keeps_what_has_come() -> None:
    ended: list[str] = []
    async with opened() as generations:
        generation = generations.begin(asked(), endless(lambda: ended.append("engine")))
        reader = asyncio.create_task(read(generation))
        async with aclosing(generation.items()) as items:
            await anext(items)
        assert (await generations.stop("me", "a" * 8)).state == "stopped"
        assert ended == ["engine"]
        with pytest.raises(GenerationAborted):
            await reader
        assert generations.begin(asked(), says("anew")) is generation, "what was stopped does not begin again"
        await generations.stop("me", "a" * 8)
        with pytest.raises(GenerationNotFound):
            generations.get("me", "a" * 8)


async def test_a_stop_before_the_first_step_is_one() -> None:
    async with opened() as generations:
        generation = generations.begin(asked(), says("abc"))
        reader = asyncio.create_task(read(generation))
        assert (await generations.stop("me", "a" * 8)).state == "stopped"
        with pytest.raises(GenerationAborted):
            await reader
        await generations.stop("me", "a" * 8)
        assert generations.all("me") == [], "as any that has ended it can be forgotten"


async def test_a_stop_that_overtakes_its_request_is_one() -> None:
    async with opened() as generations:
        with pytest.raises(GenerationNotFound):
            await generations.stop("me", "a" * 8)
        with pytest.raises(GenerationAborted):
            generations.begin(asked(), says("x"))
        assert await read(generations.begin(asked(owner="you"), says("x"))) == "x"
        assert await read(generations.begin(asked(), says("x"))) == "x", "once"


async def test_failures_are_told_after_what_came_and_kept() -> None:
    async with opened() as generations:
        generation = generations.begin(asked(), fails("ab"))
        for _ in range(2):
            async with aclosing(generation.items()) as items:
                assert [await anext(items), await anext(items)] == [(1, "a"), (2, "b")]
                with pytest.raises(WorkerDied):
                    await anext(items)
        assert (generation.status().state, generation.status().error) == ("failed", "gone")
        assert generations.begin(asked(), says("x")) is generation


async def test_what_failed_before_it_said_anything_is_begun_anew() -> None:
    async with opened() as generations:
        with pytest.raises(WorkerDied):
            await read(generations.begin(asked(), fails()))
        assert len(generations.all("me")) == 1
        assert await read(generations.begin(asked(), says("x"))) == "x"
        assert len(generations.all("me")) == 1


async def test_an_unforeseen_failure_tells_nothing_of_itself(caplog: pytest.LogCaptureFixture) -> None:
    async with opened() as generations:
        with pytest.raises(UmlError) as caught:
            await read(generations.begin(asked(), fails(error=ValueError("secret"))))
        assert "secret" not in caught.value.message
    assert "secret" in caplog.text


async def test_rows_are_the_newest_first_and_by_kernel() -> None:
    async with opened() as generations:
        for number, kernel in enumerate(["k1", "k2", "k1"]):
            generations.begin(asked(f"number-{number}", kernel=kernel), says("x"))
        assert [found.asked.id for found in generations.all("me")] == ["number-2", "number-1", "number-0"]
        assert [found.asked.id for found in generations.all("me", "k1")] == ["number-2", "number-0"]


async def test_a_kernel_that_is_gone_has_its_own_stopped() -> None:
    async with opened() as generations:
        gone = generations.begin(asked("of-gone-1", kernel="k1"), endless())
        over = generations.begin(asked("of-gone-2", kernel="k1"), says("x"))
        other = generations.begin(asked("of-other", kernel="k2"), endless())
        await read(over)
        assert generations.kernels() == {"k1", "k2"}
        generations.release("k1")
        with pytest.raises(GenerationAborted):
            await read(gone)
        assert generations.kernels() == {"k2"}
        assert [found.state for found in (gone, over, other)] == ["stopped", "done", "running"]


async def test_readers_are_bounded_and_leave_their_place() -> None:
    async with opened(replace(BOUNDS, readers=1)) as generations:
        generation = generations.begin(asked(), endless())
        async with aclosing(generation.items()) as items:
            await anext(items)
            with pytest.raises(Overloaded):
                await read(generation)
        async with aclosing(generation.items()) as items:
            await anext(items)


async def test_ended_ones_make_place_for_new_ones() -> None:
    async with opened(replace(BOUNDS, each=2)) as generations:
        running = generations.begin(asked("running!"), endless())
        await read(generations.begin(asked("ended..1"), says("x")))
        generations.begin(asked("ended..2"), says("x"))
        assert {found.asked.id for found in generations.all("me")} == {"running!", "ended..2"}
        await read(generations.get("me", "ended..2"))
        generations.begin(asked("endless!"), endless())
        with pytest.raises(Overloaded):
            generations.begin(asked("too-many"), says("x"))
        assert running.is_running
        generations.begin(asked("too-many", owner="you"), says("x"))


async def test_a_log_beyond_its_bytes_loses_its_beginning_and_no_reader_anything() -> None:
    async with opened(replace(BOUNDS, log=100)) as generations:
        text = "0123456789" * 5
        generation = generations.begin(asked(), says(text, size=10))
        assert await read(generation) == text
        assert generation.log.size <= 100
        with pytest.raises(EventsForgotten):
            await read(generation)
        assert await read(generation, 45) == text[45:]


async def test_one_owner_takes_nothing_from_another() -> None:
    async with opened(replace(BOUNDS, log=100, owner=100, total=1000)) as generations:
        yours = generations.begin(asked(owner="you"), says("x" * 9, size=10))
        await read(yours)
        old = generations.begin(asked("the-old-one"), says("x" * 6, size=10))
        await read(old)
        new = generations.begin(asked("the-new-one"), says("x" * 6, size=10))
        assert await read(new) == "x" * 6
        assert generations.all("me") == [new], "one's own that has ended makes room"
        assert generations.all("you") == [yours]


async def test_memory_is_bounded_however_many_write() -> None:
    bounds = replace(BOUNDS, log=200, owner=400, total=1000)
    async with opened(bounds) as generations:
        work = [
            generations.begin(asked(f"number-{number}", owner=f"{number % 7}"), says("x" * 50, size=10))
            for number in range(40)
        ]
        results = await asyncio.gather(*map(read, work))
        assert results == ["x" * 50] * 40, "whoever reads along loses nothing"
        kept = [found.log.size for owner in range(7) for found in generations.all(str(owner))]
        assert sum(kept) <= bounds.total
        assert kept


async def test_after_a_while_it_is_forgotten_and_nothing_is_left() -> None:
    async with opened(replace(BOUNDS, keep_seconds=0.01)) as generations:
        generation = generations.begin(asked(), says("abc"))
        assert await read(generation) == "abc"
        gone = weakref.ref(generation)
        del generation
        async with asyncio.timeout(5):
            while generations.all("me"):
                await asyncio.sleep(0.01)
        gc.collect()
        assert gone() is None


async def test_closing_stops_everything() -> None:
    ended: list[int] = []
    async with opened() as generations:
        for number in range(3):
            generations.begin(asked(f"number-{number}"), endless(lambda: ended.append(1)))
        await asyncio.sleep(0)
    assert len(ended) == 3
    with pytest.raises(GenerationAborted):
        generations.begin(asked(), says("x"))
