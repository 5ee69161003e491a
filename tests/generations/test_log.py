"""A log and its readers."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from jupyter_uml.errors import EventsForgotten, InvalidRequest, WorkerDied
from jupyter_uml.generations import Log

pytestmark = pytest.mark.anyio


async def all_of(log: Log[str], after: int = 0) -> list[tuple[int, str]]:
    async with asyncio.timeout(5), aclosing(log.read(after)) as items:
        return [item async for item in items]


def filled(text: str, size: int = 1) -> Log[str]:
    log: Log[str] = Log()
    for letter in text:
        log.append(letter, size)
    return log


@pytest.mark.parametrize("after", [0, 1, 2, 3])
async def test_it_is_read_from_any_place(after: int) -> None:
    log = filled("abc")
    log.end()
    assert await all_of(log, after) == [(1, "a"), (2, "b"), (3, "c")][after:]


async def test_readers_get_what_comes_each_at_his_own_pace() -> None:
    log = filled("ab")
    quick, late = asyncio.create_task(all_of(log)), asyncio.create_task(all_of(log, 1))
    slow: list[str] = []
    async with aclosing(log.read()) as items:
        for letter in "cdef":
            slow.append((await anext(items))[1])
            log.append(letter, 1)
        log.end()
        assert [letter for _, letter in await quick] == list("abcdef")
        assert [letter for _, letter in await late] == list("bcdef")
        slow += [letter async for _, letter in items]
    assert slow == list("abcdef")


async def test_a_reader_waits_for_the_end() -> None:
    log = filled("a")
    reader = asyncio.create_task(all_of(log))
    for _ in range(5):
        await asyncio.sleep(0)
    assert not reader.done()
    log.end()
    assert await reader == [(1, "a")]


async def test_an_error_comes_after_the_last_item_and_to_everybody() -> None:
    log = filled("ab")
    log.end(WorkerDied("gone"))
    raised = []
    for after in (0, 2):
        async with aclosing(log.read(after)) as items:
            assert [await anext(items) for _ in range(2 - after)] == [(1, "a"), (2, "b")][after:]
            with pytest.raises(WorkerDied) as caught:
                await anext(items)
        raised.append(caught.value)
    assert raised[0] is not raised[1], "each has a traceback of its own"


async def test_a_place_that_is_still_to_come_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="no event 3"):
        await all_of(filled("ab"), 3)


async def test_what_was_dropped_is_missed_and_what_is_kept_is_read() -> None:
    log = filled("abcdefgh", size=10)
    assert log.shorten(40) == 50, "to three quarters, so that not every item drops one"
    assert (log.size, log.last) == (30, 8)
    log.end()
    with pytest.raises(EventsForgotten) as caught:
        await all_of(log, 4)
    assert caught.value.details["first"] == 6
    assert await all_of(log, 5) == [(6, "f"), (7, "g"), (8, "h")]


async def test_a_reader_that_falls_behind_is_told() -> None:
    log = filled("abc", size=10)
    async with aclosing(log.read()) as items:
        assert await anext(items) == (1, "a")
        log.shorten(0)
        with pytest.raises(EventsForgotten):
            await anext(items)


async def test_the_newest_item_stays_however_little_there_is_room() -> None:
    log = filled("abc", size=10)
    assert log.shorten(0) == 20
    log.append("d", 10)
    log.end()
    assert await all_of(log, 2) == [(3, "c"), (4, "d")]
