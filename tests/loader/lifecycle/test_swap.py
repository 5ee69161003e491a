"""Other settings for a model that runs: the new worker takes over, the old one ends what it has begun."""

from __future__ import annotations

import asyncio
from pathlib import Path

import psutil
import pytest

from jupyter_uml.errors import GenerationAborted, InvalidRequest, ModelLoadFailed, Overloaded, UmlError, WorkerDied
from jupyter_uml.loader.handle import WorkerEngine
from jupyter_uml.loader.lifecycle import departures
from jupyter_uml.types import LoadSettings
from tests.loader.cases import eventually, own_workers
from tests.loader.lifecycle.stage import COARSE, PLAIN, WIDE, Asked, staged, workers_of

pytestmark = pytest.mark.anyio
LONG = LoadSettings(n_ctx=32768, n_parallel=1, n_threads=1)
LONGER = LoadSettings(n_parallel=2)
TOKENS = 30_000  # of an answer that takes many seconds


async def test_a_stream_ends_whole_on_the_old_worker_while_new_requests_go_to_the_new_one(trio: Path) -> None:
    async with staged(trio) as loader:
        await loader.load("ann", PLAIN)
        before = Asked(loader, "ann", 300, held=True)
        await before.begun.wait()
        row = await loader.load("ann", WIDE)
        assert row.pid != before.pid
        assert row.settings is not None
        assert row.settings.n_parallel == 2
        assert len(own_workers()) == 2, "the old worker is there as long as it answers"
        after = Asked(loader, "ann")
        await after.answered()
        assert after.pid == row.pid
        await before.answered()
        await eventually(lambda: [worker.pid for worker in own_workers()] == [row.pid])


async def test_the_old_worker_answers_until_the_new_one_is_loaded(trio: Path) -> None:
    async with staged(trio) as loader:
        pid = (await loader.load("ann", PLAIN)).pid
        change = asyncio.create_task(loader.load("ann", WIDE))
        await eventually(lambda: len(own_workers()) == 2)
        meanwhile = Asked(loader, "ann")
        await meanwhile.answered(5)
        assert meanwhile.pid == pid or change.done()
        await change


@pytest.mark.parametrize("asked", [None, PLAIN, LoadSettings(n_ctx=256), LoadSettings(n_parallel=1, n_threads=1)])
async def test_settings_that_are_satisfied_load_nothing(trio: Path, asked: LoadSettings | None) -> None:
    async with staged(trio) as loader:
        first = await loader.load("ann", WIDE)
        again = await loader.load("ann", asked)
        assert (again.pid, again.settings) == (first.pid, first.settings)
        assert len(own_workers()) == 1


async def test_what_was_wished_before_is_kept_where_both_can_be(trio: Path) -> None:
    async with staged(trio) as loader:
        await loader.load("ann", LoadSettings(n_ctx=1024, n_parallel=1, n_threads=1))
        row = await loader.load("ann", LoadSettings(n_parallel=3))
        assert row.settings is not None
        assert (row.settings.n_ctx, row.settings.n_parallel) == (1024, 3)


async def test_two_who_wish_for_different_things_at_once_both_hear_what_runs(trio: Path) -> None:
    async with staged(trio) as loader:
        rows = await asyncio.gather(*(loader.load("ann", wished) for wished in (PLAIN, WIDE, PLAIN, WIDE)))
        assert all(row.state == "loaded" and row.settings is not None for row in rows)
        settings = loader.status("ann").settings
        assert settings is not None
        assert settings.n_parallel == 2
        await eventually(lambda: len(own_workers()) == 1)


async def test_opposite_wishes_at_once_end(trio: Path) -> None:
    """Nobody can have both: each gets its own or hears an error; nothing goes to and fro for ever."""
    async with staged(trio) as loader:
        async with asyncio.timeout(20):
            ends = await asyncio.gather(
                *(loader.load("ann", wished) for wished in (PLAIN, COARSE) * 3), return_exceptions=True
            )
        assert not [end for end in ends if isinstance(end, BaseException) and not isinstance(end, UmlError)]
        await eventually(lambda: len(own_workers()) == 1)


async def test_a_change_that_fails_leaves_the_old_worker_as_it_was(trio: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with staged(trio) as loader:
        pid = (await loader.load("ann", PLAIN)).pid

        async def start(*_: object, **__: object) -> WorkerEngine:
            raise ModelLoadFailed("No.")

        with monkeypatch.context() as patch:
            patch.setattr(WorkerEngine, "start", start)
            with pytest.raises(ModelLoadFailed):
                await loader.load("ann", WIDE)
        row = loader.status("ann")
        assert (row.state, row.pid) == ("loaded", pid)
        asked = Asked(loader, "ann")
        await asked.answered()
        assert asked.pid == pid
        assert (await loader.load("ann", WIDE)).pid != pid


async def test_an_impossible_change_is_refused_before_anything_happens(trio: Path) -> None:
    async with staged(trio) as loader:
        pid = (await loader.load("ann", PLAIN)).pid
        with pytest.raises(InvalidRequest) as caught:
            await loader.load("ann", LoadSettings(n_ctx=1 << 20))
        assert caught.value.param == "n_ctx"
        assert loader.status("ann").pid == pid


async def test_unloading_in_the_middle_of_a_change_ends_both_workers(trio: Path) -> None:
    async with staged(trio) as loader:
        await loader.load("ann", LONG)
        asked = Asked(loader, "ann", TOKENS)
        await asked.begun.wait()
        change = asyncio.create_task(loader.load("ann", LONGER))
        await eventually(lambda: len(own_workers()) == 2)
        assert (await loader.unload("ann", force=True)).state == "available"
        assert not own_workers()
        with pytest.raises(GenerationAborted):
            await change
        await asked.ended()
        assert isinstance(asked.error, GenerationAborted)


async def test_a_third_wish_while_the_first_worker_still_drains(trio: Path) -> None:
    """There are never more than two workers, and no answer is lost."""
    async with staged(trio) as loader:
        await loader.load("ann", PLAIN)
        first = Asked(loader, "ann", 300, held=True)
        await first.begun.wait()
        await loader.load("ann", WIDE)
        second = Asked(loader, "ann", 300, held=True)
        await second.begun.wait()
        third = asyncio.create_task(loader.load("ann", LoadSettings(n_ctx=1024)))
        await asyncio.sleep(1.0)
        assert len(workers_of(trio)["ann"]) == 2
        await first.answered()
        row = await third
        await second.answered()
        assert row.settings is not None
        assert (row.settings.n_ctx, row.settings.n_parallel) == (1024, 2)
        await eventually(lambda: len(own_workers()) == 1)


async def test_a_third_wish_does_not_wait_for_ever_for_the_first_worker(trio: Path) -> None:
    async with staged(trio, queue_seconds=0.5) as loader:
        await loader.load("ann", PLAIN)
        first = Asked(loader, "ann", held=True)
        await first.begun.wait()
        second = (await loader.load("ann", WIDE)).pid
        async with asyncio.timeout(5):
            with pytest.raises(Overloaded) as caught:
                await loader.load("ann", COARSE)
        assert caught.value.retry_after
        assert (loader.status("ann").state, loader.status("ann").pid) == ("loaded", second)
        await first.answered()
        assert (await loader.load("ann", COARSE)).pid != second


async def test_unloading_does_not_wait_for_ever_for_a_worker_that_was_replaced(
    trio: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(departures, "DRAIN_SECONDS", 0.5)
    async with staged(trio) as loader:
        await loader.load("ann", LONG)
        asked = Asked(loader, "ann", TOKENS)
        await asked.begun.wait()
        await loader.load("ann", LONGER)
        async with asyncio.timeout(5):
            assert (await loader.unload("ann")).state == "available"
        assert not own_workers()
        await asked.ended()
        assert isinstance(asked.error, GenerationAborted)


async def test_the_old_worker_dies_while_it_drains_and_the_new_one_stays(trio: Path) -> None:
    async with staged(trio) as loader:
        old = (await loader.load("ann", LONG)).pid
        asked = Asked(loader, "ann", TOKENS)
        await asked.begun.wait()
        new = (await loader.load("ann", LONGER)).pid
        psutil.Process(old).kill()
        await asked.ended(5)
        assert isinstance(asked.error, WorkerDied)
        await Asked(loader, "ann").answered()
        assert loader.status("ann").pid == new
        assert [worker.pid for worker in own_workers()] == [new]
