"""The loader with real workers: one load for all, settings, unloading, and what races with what."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from pathlib import Path

import psutil
import pytest

from jupyter_uml.errors import (
    GenerationAborted,
    InvalidRequest,
    ModelBusy,
)
from jupyter_uml.types import LoadSettings, SamplingParams
from tests.loader.cases import collect, endless, engine_of, eventually, loader_over, own_workers, request

pytestmark = pytest.mark.anyio


async def test_fifty_callers_are_one_load() -> None:
    async with loader_over() as loader:
        rows = await asyncio.gather(*(loader.load("demo") for _ in range(50)))
        assert len({row.pid for row in rows}) == 1
        assert len(own_workers()) == 1
        assert all(row.state == "loaded" for row in rows)


async def test_a_request_loads_the_model_just_in_time() -> None:
    async with loader_over() as loader:
        answers = await asyncio.gather(
            *(collect(loader, request(f"r{i}", SamplingParams(max_tokens=5))) for i in range(20))
        )
        assert all(chunks[-1].finish_reason for chunks in answers)
        assert len(own_workers()) == 1


async def test_loading_reports_its_progress_and_can_be_called_off() -> None:
    async with loader_over() as loader:
        row = await loader.load("demo", wait=False)
        assert row.state == "loading"
        assert row.progress is not None
        assert (await loader.unload("demo")).state == "available"
        assert not own_workers()
        assert (await loader.load("demo")).state == "loaded"


async def test_the_same_settings_are_not_loaded_again_and_others_are() -> None:
    async with loader_over() as loader:
        first = await loader.load("demo", LoadSettings(n_ctx=512))
        assert (await loader.load("demo", LoadSettings(n_ctx=256))).pid == first.pid
        assert (await loader.load("demo")).pid == first.pid
        other = await loader.load("demo", LoadSettings(n_ctx=1024))
        assert other.pid != first.pid
        assert other.settings is not None
        assert other.settings.n_ctx == 1024


async def test_an_impossible_setting_does_not_cost_the_loaded_model() -> None:
    async with loader_over() as loader:
        pid = (await loader.load("demo")).pid
        with pytest.raises(InvalidRequest) as caught:
            await loader.load("demo", LoadSettings(n_ctx=1 << 20))
        assert caught.value.param == "n_ctx"
        assert loader.status("demo").pid == pid


async def test_memory_is_back_when_unload_returns() -> None:
    async with loader_over() as loader:
        pid = (await loader.load("demo")).pid
        assert pid is not None
        assert (loader.status("demo").memory_bytes or 0) > 10 << 20
        await loader.unload("demo")
        assert not psutil.pid_exists(pid)
        assert (await loader.unload("demo")).state == "available"


async def test_closing_the_stream_ends_the_generation_in_the_engine(models: Path) -> None:
    async with loader_over(models) as loader:
        engine = await engine_of(loader, "endless")
        async with aclosing(engine.submit(endless())) as chunks:
            await anext(chunks)
            assert engine.active == 1
        assert engine.active == 0
        started = time.monotonic()
        await collect(loader, endless("next", 1))
        assert time.monotonic() - started < 1.0


async def test_an_answer_under_way_is_finished_before_unloading(models: Path) -> None:
    async with loader_over(models) as loader:
        answer = asyncio.create_task(collect(loader, endless(tokens=500)))
        await eventually(lambda: loader.status("endless").active == 1)
        unloading = asyncio.create_task(loader.unload("endless"))
        await eventually(lambda: loader.status("endless").state == "unloading")
        with pytest.raises(ModelBusy):
            await engine_of(loader, "endless")
        assert (await answer)[-1].finish_reason in ("stop", "length")
        assert (await unloading).state == "available"


async def test_force_ends_answers_with_an_error(models: Path) -> None:
    async with loader_over(models) as loader:
        answers = [asyncio.create_task(collect(loader, endless(f"r{i}"))) for i in range(6)]
        await eventually(lambda: loader.status("endless").active == 6)
        await loader.unload("endless", force=True)
        for answer in answers:
            with pytest.raises(GenerationAborted):
                await answer


async def test_a_caller_that_gives_up_while_it_unloads_leaves_no_half_unloaded_model(models: Path) -> None:
    async with loader_over(models) as loader:
        answer = asyncio.create_task(collect(loader, endless()))
        await eventually(lambda: loader.status("endless").active == 1)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(loader.unload("endless"), 0.05)
        await loader.unload("endless", force=True)
        with pytest.raises(GenerationAborted):
            await answer
        assert (await loader.load("endless")).state == "loaded"


async def test_an_abort_reaches_the_engine(models: Path) -> None:
    """With one slot the next request can only run when the one before has left it."""
    async with loader_over(models) as loader:
        await loader.load("endless", LoadSettings(n_parallel=1, n_ctx=32768))
        engine = await engine_of(loader, "endless")
        async with aclosing(engine.submit(endless())) as chunks:
            await anext(chunks)
        async with asyncio.timeout(2):
            await collect(loader, endless("next", 1))


async def test_the_same_id_twice_gives_two_whole_answers(models: Path) -> None:
    async with loader_over(models) as loader:
        first, second = await asyncio.gather(collect(loader, endless("x", 5)), collect(loader, endless("x", 7)))
        assert [sum(chunk.tokens for chunk in chunks) for chunks in (first, second)] == [5, 7]
        assert {chunk.request_id for chunk in first + second} == {"x"}


async def test_calling_off_a_load_twice_still_ends_its_worker() -> None:
    async with loader_over() as loader:
        await loader.load("demo", wait=False)
        await eventually(lambda: bool(own_workers()))
        (worker,) = own_workers()
        worker.suspend()
        await asyncio.gather(loader.unload("demo"), loader.unload("demo"))
        assert not worker.is_running()
        assert (await loader.load("demo")).state == "loaded"
        assert len(own_workers()) == 1


async def test_a_change_of_settings_fails_nobody(models: Path) -> None:
    async with loader_over(models) as loader:
        await loader.load("endless", LoadSettings(n_ctx=512))
        answer = asyncio.create_task(collect(loader, endless(tokens=200)))
        await eventually(lambda: loader.status("endless").active == 1)
        row = await loader.load("endless", LoadSettings(n_ctx=2048), wait=False)
        assert row.state == "loaded", "it goes on answering"
        assert row.progress is not None, "and is being loaded anew"
        later = asyncio.create_task(collect(loader, endless("later", 3)))
        assert (await answer)[-1].finish_reason == "length"
        assert (await later)[-1].finish_reason == "length"
        settings = (await loader.load("endless", LoadSettings(n_ctx=2048))).settings
        assert settings is not None
        assert settings.n_ctx == 2048


async def test_unloading_and_loading_at_once_ends_in_one_of_the_two() -> None:
    async with loader_over() as loader:
        for _ in range(5):
            await loader.load("demo")
            await asyncio.gather(loader.unload("demo"), loader.load("demo", wait=False), return_exceptions=True)
            await eventually(lambda: loader.status("demo").state in ("loaded", "available"))
            assert len(own_workers()) == (loader.status("demo").state == "loaded")


@pytest.mark.parametrize("name", ["n_ctx", "n_parallel", "n_threads"])
async def test_settings_out_of_bounds_are_refused(name: str) -> None:
    async with loader_over() as loader:
        with pytest.raises(InvalidRequest) as caught:
            await loader.load("demo", LoadSettings(**{name: 0}))  # type: ignore[arg-type]
        assert caught.value.param == name
