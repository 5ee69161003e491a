"""What goes wrong with a model costs nobody else: bad files, dead and hanging workers, requests that cannot be sent."""

from __future__ import annotations

import asyncio
import os
import signal
import struct
import time
from contextlib import aclosing
from pathlib import Path

import psutil
import pytest

from jupyter_uml.demo import demo_model_path
from jupyter_uml.errors import (
    GenerationAborted,
    InsufficientMemory,
    InvalidRequest,
    ModelLoadFailed,
    ModelRestarting,
    UmlError,
    WorkerDied,
)
from jupyter_uml.loader import Catalog, UniversalLoader
from jupyter_uml.loader import handle as handle_module
from jupyter_uml.loader.handle import WorkerEngine
from jupyter_uml.loader.lifecycle import crashes
from jupyter_uml.loader.memory.ledger import Ledger
from jupyter_uml.loader.memory.planner import Planner
from jupyter_uml.loader.process import WorkerProcess
from jupyter_uml.types import GenerateRequest, ModelSpec, SamplingParams
from tests.loader.cases import collect, endless, engine_of, eventually, loader_over, own_workers, request

pytestmark = pytest.mark.anyio


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


async def test_an_answer_that_nobody_reads_is_ended(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be longer than memory is large."""
    monkeypatch.setattr(handle_module, "MAX_UNREAD", 50)
    async with loader_over(models) as loader:
        engine = await engine_of(loader, "endless")
        async with aclosing(engine.submit(endless("r1"))) as chunks:
            await anext(chunks)
            await eventually(lambda: loader.status("endless").active == 0)
            with pytest.raises(GenerationAborted, match="not read"):
                assert len([chunk async for chunk in chunks]) == 0
        assert (await collect(loader, endless("after", 3)))[-1].finish_reason


async def test_a_model_that_keeps_crashing_is_left_alone_until_asked_for() -> None:
    async with loader_over() as loader:
        await loader.load("demo")
        for _ in range(crashes.MOST):
            await eventually(lambda: loader.status("demo").state == "loaded")
            pid = loader.status("demo").pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            await eventually(lambda pid=pid: loader.status("demo").pid != pid)  # type: ignore[misc]
        assert loader.status("demo").state == "failed"
        with pytest.raises(ModelRestarting) as caught:
            await engine_of(loader, "demo")
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


async def test_what_ends_the_worker_is_told_in_a_sentence_above_the_end_of_its_log(tmp_path: Path) -> None:
    """A file for which llama.cpp aborts; the planner, which would refuse it, is not asked."""
    path, said = tmp_path / "model.gguf", b"llama.block_count" + struct.pack("<I", 4)
    content = demo_model_path().read_bytes()
    path.write_bytes(content.replace(said + struct.pack("<I", 6), said + struct.pack("<I", 1 << 30)))
    with pytest.raises(ModelLoadFailed) as caught:
        await WorkerEngine.start(ModelSpec("model", str(path)), lambda _: None, lambda _: None)
    sentences, heading, *log = caught.value.message.split("\n")
    assert sentences.startswith("model could not be loaded. The worker process was ended")
    assert (sentences[-1], heading) == (".", "The end of its log:")
    assert "GGML_ASSERT" in "".join(log)
    assert not own_workers()


async def test_a_bad_file_that_was_mended_is_tried_again(tmp_path: Path, demo_bytes: bytes) -> None:
    path = tmp_path / "broken.gguf"
    path.write_bytes(demo_bytes[:5000])
    async with loader_over(tmp_path) as loader:
        for _ in range(2):
            with pytest.raises(ModelLoadFailed):
                await engine_of(loader, "broken")
        path.write_bytes(demo_bytes)  # the download was finished after all
        assert (await engine_of(loader, "broken")).info.architecture == "llama"


async def test_a_file_that_went_away_is_a_clear_error(tmp_path: Path, demo_bytes: bytes) -> None:
    path = tmp_path / "gone.gguf"
    path.write_bytes(demo_bytes)
    async with loader_over(tmp_path) as loader:
        loader.catalog.entries()
        path.unlink()
        with pytest.raises(ModelLoadFailed, match="gone"):
            await loader.load("gone")


# Less than the file; enough for the file, not for its context.
@pytest.mark.parametrize("limit", [1 << 20, 20 << 20])
async def test_too_little_memory_is_told_with_both_figures(limit: int, tmp_path: Path) -> None:
    catalog = Catalog()
    planner = Planner(catalog, ledger=Ledger(tmp_path, limit))
    loader = UniversalLoader(catalog, planner=planner)
    try:
        with pytest.raises(InsufficientMemory) as caught:
            await loader.load("demo")
        assert 0 < int(caught.value.details["available_bytes"] or 0) <= limit
        assert int(caught.value.details["needed_bytes"] or 0) > limit
    finally:
        await loader.close()


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
    without_tensor = demo_bytes.replace(b"blk.0.attn_q.weight", b"blk.0.attn_x.weight")
    (tmp_path / "broken.gguf").write_bytes(without_tensor)  # a sound file, but not to llama.cpp
    spawned: list[object] = []
    spawn = WorkerProcess.spawn

    async def counted() -> WorkerProcess:
        spawned.append(None)
        return await spawn()

    monkeypatch.setattr(WorkerProcess, "spawn", counted)
    async with loader_over(tmp_path) as loader:
        for _ in range(5):
            with pytest.raises(ModelLoadFailed):
                await engine_of(loader, "broken")
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
        engine = await engine_of(loader, "endless")
        stalled = engine.submit(endless())
        await anext(stalled)
        started = time.monotonic()
        await loader.unload("endless", force=True)
        assert time.monotonic() - started < 5
        with pytest.raises(GenerationAborted):
            async for _ in stalled:
                pass
