"""Turns under load: bounded, fair, and given back by whoever vanishes."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from jupyter_uml.access import FairQueue
from jupyter_uml.errors import Overloaded

pytestmark = pytest.mark.anyio


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


async def turns(count: int = 20) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


@asynccontextmanager
async def all_taken(queue: FairQueue) -> AsyncIterator[asyncio.Event]:
    """Every turn is taken until the event is set."""
    done = asyncio.Event()

    async def hold() -> None:
        async with queue.slot("holder"):
            await done.wait()

    holders = [asyncio.ensure_future(hold()) for _ in range(queue.max_running)]
    await turns()
    yield done
    done.set()
    await asyncio.gather(*holders)


async def test_so_many_run_and_no_more() -> None:
    queue = FairQueue(3, 100)
    most = 0

    async def request(name: str) -> None:
        nonlocal most
        async with queue.slot(name):
            most = max(most, queue.running)
            await asyncio.sleep(0)

    await asyncio.gather(*(request(f"{n % 7}") for n in range(60)))
    assert (most, queue.running, queue.waiting) == (3, 0, 0)


async def test_a_notebook_does_not_wait_behind_a_batch_of_a_thousand() -> None:
    queue, order = FairQueue(1, 2000), []

    async def request(name: str) -> None:
        async with queue.slot(name, 100):
            order.append(name)
            await asyncio.sleep(0)

    batch = [asyncio.ensure_future(request("batch")) for _ in range(1000)]
    await turns()
    before = len(order)
    await request("notebook")
    assert len(order) - before <= 3
    await asyncio.gather(*batch)


async def test_a_full_queue_says_when_to_come_again() -> None:
    clock = Clock()
    queue = FairQueue(1, 10, clock=clock)
    for _ in range(20):
        async with queue.slot("ann"):
            clock.now += 3
    async with all_taken(queue) as done:
        waiting = [asyncio.ensure_future(one_turn(queue, "ann")) for _ in range(10)]
        await turns()
        with pytest.raises(Overloaded) as caught:
            await one_turn(queue, "ann")
        assert caught.value.retry_after == pytest.approx(15, rel=0.2), "half of ten at three seconds each"
        done.set()
    await asyncio.gather(*waiting)


async def one_turn(queue: FairQueue, name: str, **options: Any) -> str:
    async with queue.slot(name, **options):
        return name


async def test_who_floods_the_queue_makes_room_for_others() -> None:
    queue = FairQueue(1, 10)
    async with all_taken(queue) as done:
        flood = [asyncio.ensure_future(one_turn(queue, "flood")) for _ in range(10)]
        await turns()
        other = asyncio.ensure_future(one_turn(queue, "other"))
        await turns()
        done.set()
    assert await other == "other"
    results = await asyncio.gather(*flood, return_exceptions=True)
    assert [type(result) for result in results] == [str] * 9 + [Overloaded]


async def test_who_gives_up_waiting_leaves_nothing() -> None:
    queue = FairQueue(1, 10)
    async with all_taken(queue) as done:
        waiting = [asyncio.ensure_future(one_turn(queue, "ann")) for _ in range(5)]
        await turns()
        for task in waiting[:4]:
            task.cancel()
        await turns()
        assert queue.waiting == 1
        done.set()
    assert await waiting[4] == "ann"
    assert queue.running == 0


async def test_who_is_cancelled_in_the_moment_of_being_let_in_gives_the_turn_on() -> None:
    queue = FairQueue(1, 10)
    async with all_taken(queue) as done:
        first = asyncio.ensure_future(one_turn(queue, "ann"))
        second = asyncio.ensure_future(one_turn(queue, "bob"))
        await turns()
        done.set()
        while queue.waiting == 2:  # until `first` has been let in, but does not run yet
            await asyncio.sleep(0)
        first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert await asyncio.wait_for(second, 5) == "bob"
    assert (queue.running, queue.waiting) == (0, 0)


async def test_an_error_in_a_turn_gives_it_back() -> None:
    queue = FairQueue(1, 10)
    with pytest.raises(ValueError, match="mine"):
        async with queue.slot("ann"):
            raise ValueError("mine")
    assert await one_turn(queue, "bob") == "bob"


async def test_more_or_fewer_may_run_from_now_on() -> None:
    queue = FairQueue(1, 10)
    async with all_taken(queue):
        waiting = asyncio.ensure_future(one_turn(queue, "ann"))
        await turns()
        queue.resize(2)
        assert await asyncio.wait_for(waiting, 5) == "ann"
        queue.resize(1)
        late = asyncio.ensure_future(one_turn(queue, "bob"))
        await turns()
        assert not late.done()
    assert await late == "bob"


async def test_interactive_before_batch_and_what_was_really_taken_counts() -> None:
    queue, order = FairQueue(1, 100), []

    async def request(name: str, **options: Any) -> None:
        async with queue.slot(name, **options) as slot:
            order.append(name)
            slot.settle(50 if name == "dear" else 1)

    async with all_taken(queue) as done:
        names = ["batch", "dear", "cheap", "dear", "cheap", "cheap"]
        options = {"batch": {"priority": "batch"}}
        tasks = [asyncio.ensure_future(request(name, **options.get(name, {}))) for name in names]
        await turns()
        done.set()
        await asyncio.gather(*tasks)
    assert order == ["dear", "cheap", "cheap", "cheap", "dear", "batch"]


@pytest.mark.parametrize("seed", range(5))
async def test_after_a_storm_of_cancelled_requests_all_is_as_it_was(seed: int) -> None:
    chance = random.Random(seed)
    queue = FairQueue(3, 20)

    async def request(name: str) -> None:
        with suppress(Overloaded):
            async with queue.slot(name, chance.uniform(1, 100), chance.choice(["interactive", "batch"])) as slot:
                assert queue.running <= 6  # three of each priority
                await turns(chance.randrange(4))
                slot.settle(chance.uniform(0, 100))

    tasks = []
    for n in range(500):
        tasks.append(asyncio.ensure_future(request(f"{n % 6}")))
        if chance.random() < 0.5:
            await asyncio.sleep(0)
        if chance.random() < 0.4:
            chance.choice(tasks).cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert [task.exception() for task in tasks if not task.cancelled() and task.exception()] == []
    assert (queue.running, queue.waiting, queue._turns) == (0, 0, {})


async def test_batch_requests_that_run_keep_no_interactive_one_waiting() -> None:
    queue = FairQueue(2, 10)
    done = asyncio.Event()

    async def batch() -> None:
        async with queue.slot("ann", priority="batch"):
            await done.wait()

    running = [asyncio.ensure_future(batch()) for _ in range(5)]
    await turns()
    assert (queue.running, queue.waiting) == (2, 3)
    async with asyncio.timeout(5), queue.slot("ann"), queue.slot("bob"):
        assert queue.running == 4
        third = asyncio.ensure_future(one_turn(queue, "cid"))
        await turns()
        assert not third.done()  # of these no more than two, either
    assert await third == "cid"
    assert (queue.running, queue.waiting) == (2, 3)
    done.set()
    await asyncio.gather(*running)
    assert queue.running == 0


async def test_a_turn_may_end_before_its_block() -> None:
    queue = FairQueue(1, 10)
    async with queue.slot("slow reader") as turn:
        turn.end()
        async with asyncio.timeout(5), queue.slot("next"):
            turn.end()
            assert queue.running == 1
    assert queue.running == 0
