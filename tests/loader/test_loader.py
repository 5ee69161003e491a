"""The loader with real workers: one load for all, clear failures, crashes survived, nothing left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import psutil
import pytest

from jupyter_uml.errors import (
    GenerationAborted,
    InsufficientMemory,
    InvalidRequest,
    ModelBusy,
    ModelLoadFailed,
    ModelRestarting,
    UmlError,
    WorkerDied,
)
from jupyter_uml.loader import Catalog, UniversalLoader
from jupyter_uml.loader import loader as loader_module
from jupyter_uml.loader.process import WorkerProcess
from jupyter_uml.types import Chunk, GenerateRequest, LoadSettings, Message, SamplingParams
from tests.conftest import endless_model, is_worker

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def loader_over(*folders: Path) -> AsyncIterator[UniversalLoader]:
    loader = UniversalLoader(Catalog(folders))
    try:
        yield loader
    finally:
        await loader.close()


def request(name: str = "r", params: SamplingParams | None = None, content: str = "Hello!") -> GenerateRequest:
    return GenerateRequest(name, "demo", messages=(Message("user", content),), params=params or SamplingParams())


def endless(name: str = "r", tokens: int | None = None) -> GenerateRequest:
    """A request that runs for seconds."""
    params = SamplingParams(temperature=1.0, seed=1, max_tokens=tokens)
    return GenerateRequest(name, "endless", messages=(Message("user", "Hello!"),), params=params)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    (folder / "endless.gguf").write_bytes(endless_model())
    return folder


def own_workers() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if is_worker(child)]


async def eventually(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


async def collect(loader: UniversalLoader, what: GenerateRequest) -> list[Chunk]:
    engine = await loader.engine(what.model)
    async with aclosing(engine.submit(what)) as chunks:
        return [chunk async for chunk in chunks]


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
        engine = await loader.engine("endless")
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
            await loader.engine("endless")
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


async def test_a_killed_worker_fails_its_streams_at_once_and_comes_back(models: Path) -> None:
    async with loader_over(models) as loader:
        pid = (await loader.load("endless")).pid
        assert pid is not None
        answers = [asyncio.create_task(collect(loader, endless(f"r{i}"))) for i in range(3)]
        await eventually(lambda: loader.status("endless").active == 3)
        killed = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        for answer in answers:
            with pytest.raises(WorkerDied):
                await answer
        assert time.monotonic() - killed < 1.0
        chunks = await collect(loader, endless("after", 3))
        assert chunks[-1].finish_reason
        assert loader.status("endless").pid != pid


async def test_a_model_that_keeps_crashing_is_left_alone_until_asked_for() -> None:
    async with loader_over() as loader:
        await loader.load("demo")
        for _ in range(loader_module.CRASHES):
            await eventually(lambda: loader.status("demo").state == "loaded")
            pid = loader.status("demo").pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            await eventually(lambda pid=pid: loader.status("demo").pid != pid)  # type: ignore[misc]
        assert loader.status("demo").state == "failed"
        with pytest.raises(ModelRestarting) as caught:
            await loader.engine("demo")
        assert caught.value.retry_after
        assert (await loader.load("demo")).state == "loaded"


@pytest.mark.parametrize("kept", [0, 3, 4, 100, 5000, 200_000, 6_000_000])
async def test_a_truncated_file_is_a_clear_error(tmp_path: Path, demo_bytes: bytes, kept: int) -> None:
    (tmp_path / "broken.gguf").write_bytes(demo_bytes[:kept])
    async with loader_over(tmp_path) as loader:
        with pytest.raises(ModelLoadFailed) as caught:
            await loader.load("broken")
        assert str(tmp_path) not in str(caught.value)
        row = loader.status("broken")
        assert row.state == "failed"
        assert row.error is not None
        assert row.error["code"] == "model_load_failed"
        assert not own_workers()


async def test_a_known_bad_file_does_not_start_a_worker_for_every_request(tmp_path: Path, demo_bytes: bytes) -> None:
    path = tmp_path / "broken.gguf"
    path.write_bytes(demo_bytes[:5000])
    async with loader_over(tmp_path) as loader:
        for _ in range(2):
            with pytest.raises(ModelLoadFailed):
                await loader.engine("broken")
        path.write_bytes(demo_bytes)  # the download was finished after all
        assert (await loader.engine("broken")).info.architecture == "llama"


async def test_a_file_that_went_away_is_a_clear_error(tmp_path: Path, demo_bytes: bytes) -> None:
    path = tmp_path / "gone.gguf"
    path.write_bytes(demo_bytes)
    async with loader_over(tmp_path) as loader:
        loader.catalog.entries()
        path.unlink()
        with pytest.raises(ModelLoadFailed, match="gone"):
            await loader.load("gone")


async def test_too_little_memory_is_told_with_both_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    async with loader_over() as loader:
        for available in (1 << 20, 20 << 20):  # less than the file; enough for the file, not for its context
            monkeypatch.setattr(loader_module, "available_memory", lambda available=available: available)
            with pytest.raises(InsufficientMemory) as caught:
                await loader.load("demo")
            assert caught.value.details["available_bytes"] == available
            assert int(caught.value.details["needed_bytes"] or 0) > available


async def test_the_environment_of_a_worker_holds_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "hunter2")
    async with loader_over() as loader:
        pid = (await loader.load("demo")).pid
        assert "SECRET_TOKEN" not in psutil.Process(pid).environ()


async def test_errors_of_a_request_do_not_hurt_the_worker() -> None:
    async with loader_over() as loader:
        pid = (await loader.load("demo")).pid
        for bad in (request("a", content="x " * 5000), GenerateRequest("b", "demo", prompt=(1 << 25,))):
            with pytest.raises(UmlError):
                await collect(loader, bad)
        assert (await collect(loader, request("c", SamplingParams(max_tokens=2))))[-1].finish_reason
        assert loader.status("demo").pid == pid


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


async def test_closing_ends_everything_also_what_is_just_loading_or_gone(tmp_path: Path, demo_bytes: bytes) -> None:
    (tmp_path / "gone.gguf").write_bytes(demo_bytes)
    async with loader_over(tmp_path) as loader:
        await loader.load("gone")
        await loader.load("demo", wait=False)
        (tmp_path / "gone.gguf").unlink()
        await asyncio.sleep(0)
        await loader.close()
        assert not own_workers()
        with pytest.raises(GenerationAborted):
            await loader.load("demo")


async def test_a_worker_that_hangs_is_killed(models: Path) -> None:
    async with loader_over(models) as loader:
        pid = (await loader.load("endless")).pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        await eventually(lambda: psutil.Process(pid).status() == psutil.STATUS_STOPPED)
        await loader.unload("endless", force=True)
        assert not psutil.pid_exists(pid)


async def test_an_abort_reaches_the_engine(models: Path) -> None:
    """With one slot the next request can only run when the one before has left it."""
    async with loader_over(models) as loader:
        await loader.load("endless", LoadSettings(n_parallel=1, n_ctx=32768))
        engine = await loader.engine("endless")
        async with aclosing(engine.submit(endless())) as chunks:
            await anext(chunks)
        async with asyncio.timeout(2):
            await collect(loader, endless("next", 1))


async def test_the_same_id_twice_gives_two_whole_answers(models: Path) -> None:
    async with loader_over(models) as loader:
        first, second = await asyncio.gather(collect(loader, endless("x", 5)), collect(loader, endless("x", 7)))
        assert [sum(chunk.tokens for chunk in chunks) for chunks in (first, second)] == [5, 7]
        assert {chunk.request_id for chunk in first + second} == {"x"}


@pytest.mark.parametrize(
    "bad",
    [
        request(content="lone \ud800 surrogate"),
        request(params=SamplingParams(max_tokens="5")),  # type: ignore[arg-type]
        request(params=SamplingParams(temperature="x")),  # type: ignore[arg-type]
        request(params=SamplingParams(seed=1 << 70)),
    ],
)
async def test_what_cannot_be_sent_costs_its_sender_only(bad: GenerateRequest) -> None:
    async with loader_over() as loader:
        pid = (await loader.load("demo")).pid
        with pytest.raises(InvalidRequest):
            await collect(loader, bad)
        assert loader.status("demo").active == 0
        assert (await collect(loader, request("ok", SamplingParams(max_tokens=2))))[-1].finish_reason
        assert loader.status("demo").pid == pid


async def test_a_bad_file_is_not_tried_for_every_request(
    tmp_path: Path, demo_bytes: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken.gguf").write_bytes(demo_bytes[:5000])
    spawned: list[object] = []
    spawn = WorkerProcess.spawn

    async def counted() -> WorkerProcess:
        spawned.append(None)
        return await spawn()

    monkeypatch.setattr(WorkerProcess, "spawn", counted)
    async with loader_over(tmp_path) as loader:
        for _ in range(5):
            with pytest.raises(ModelLoadFailed):
                await loader.engine("broken")
        assert len(spawned) == 1
        with pytest.raises(ModelLoadFailed):
            await loader.load("broken")
        assert len(spawned) == 2


async def test_the_log_of_a_dead_worker_is_kept(models: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with loader_over(models) as loader:
        pid = (await loader.load("endless")).pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        await eventually(lambda: loader.status("endless").pid not in (pid, None))
    assert f"(pid {pid}) died. Its log:" in caplog.text


async def test_a_reader_that_stalls_delays_nobody(models: Path) -> None:
    async with loader_over(models) as loader:
        engine = await loader.engine("endless")
        stalled = engine.submit(endless())
        await anext(stalled)
        started = time.monotonic()
        await loader.unload("endless", force=True)
        assert time.monotonic() - started < 5
        with pytest.raises(GenerationAborted):
            async for _ in stalled:
                pass


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


async def test_a_change_of_settings_makes_others_wait_and_fails_nobody(models: Path) -> None:
    async with loader_over(models) as loader:
        await loader.load("endless", LoadSettings(n_ctx=512))
        answer = asyncio.create_task(collect(loader, endless(tokens=200)))
        await eventually(lambda: loader.status("endless").active == 1)
        row = await loader.load("endless", LoadSettings(n_ctx=2048), wait=False)
        assert row.state == "unloading", "it does not wait for the answer under way"
        later = asyncio.create_task(collect(loader, endless("later", 3)))
        assert (await answer)[-1].finish_reason == "length"
        assert (await later)[-1].finish_reason == "length"
        settings = loader.status("endless").settings
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
