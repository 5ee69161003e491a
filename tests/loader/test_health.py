"""Figures of workers over time, and the end of those that hang."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from itertools import pairwise
from pathlib import Path

import psutil
import pytest

from jupyter_uml.demo import demo_model_path
from jupyter_uml.errors import ModelLoadFailed, WorkerDied
from jupyter_uml.loader import health as health_module
from jupyter_uml.loader.handle import WorkerEngine
from jupyter_uml.loader.health import OTHERS, HealthMonitor
from jupyter_uml.loader.vitals.watchdog import Patience
from jupyter_uml.types import Chunk, GenerateRequest, LoadSettings, ModelSpec, SamplingParams
from tests.loader.cases import endless, eventually, own_workers, request
from tests.loader.hanging import COMPUTE, WAIT, hanging_at

pytestmark = pytest.mark.anyio

QUICK = Patience(handshake=20, silence=1.0, standstill=1.0, uncounted=2.0, interval=0.1)


@asynccontextmanager
async def watched(
    path: Path, patience: Patience = QUICK, interval: float = 0.1, n_ctx: int = 1024
) -> AsyncIterator[tuple[HealthMonitor, WorkerEngine, list[str]]]:
    """A worker under a monitor, and where its last words go."""
    deaths: list[str] = []
    spec = ModelSpec("m", str(path), LoadSettings(n_ctx=n_ctx, n_parallel=2, n_threads=1, n_batch=512))
    engine = await WorkerEngine.start(spec, lambda _: None, deaths.append, patience)
    monitor = HealthMonitor(interval)
    monitor.watch("m", engine)
    try:
        yield monitor, engine, deaths
    finally:
        await engine.close()
        await monitor.close()


async def answer(engine: WorkerEngine, what: GenerateRequest) -> list[Chunk]:
    return [chunk async for chunk in engine.submit(what)]


def has_history(monitor: HealthMonitor, model: str) -> bool:
    return bool(monitor.history(model))


# --- figures ---


async def test_the_first_sample_of_a_worker_is_not_waited_for(models: Path) -> None:
    async with watched(models / "endless.gguf", interval=60) as (monitor, engine, _):
        for model in ("m", "n"):
            monitor.watch(model, engine)
            began = time.monotonic()
            await eventually(lambda model=model: has_history(monitor, model))
            assert time.monotonic() - began < 1
        await asyncio.sleep(0.05)
        assert [len(monitor.history(model)) for model in ("m", "n")] == [1, 1]  # nobody else's


async def test_samples_tell_what_a_worker_does(models: Path) -> None:
    async with watched(models / "endless.gguf") as (monitor, engine, _):
        task = asyncio.create_task(answer(engine, endless(tokens=1500)))
        await eventually(lambda: any(sample.active for sample in monitor.history("m")))
        await task
        await eventually(lambda: monitor.history("m")[-1].active == 0)
        samples = monitor.history("m")
        assert min(sample.memory_bytes for sample in samples) > 10 << 20
        assert max(sample.cpu_percent for sample in samples) > 20
        assert max(sample.tokens_per_second for sample in samples) > 10
        told = sum(now.tokens_per_second * (now.time - before.time) for before, now in pairwise(samples))
        assert 500 < told < 2000  # what came before the first of them is not in it
        await eventually(lambda: monitor.history("m")[-1].tokens_per_second == 0)
        assert engine.tokens_per_second is None
        (first,) = {sample.first_token for sample in samples} - {None}
        assert first is not None
        assert 0 < first < 5
        assert [sample.time for sample in samples] == sorted(sample.time for sample in samples)
        assert abs(samples[-1].time - time.time()) < 5
        assert monitor.latest("m") == monitor.history("m")[-1]
        monitor.forget("m", engine)
        assert monitor.latest("m") is None
        assert monitor.history("m")


async def test_requests_are_counted_by_their_end(models: Path) -> None:
    async with watched(models / "endless.gguf") as (monitor, engine, deaths):
        await answer(engine, request("a", SamplingParams(max_tokens=3)))
        stream = engine.submit(endless("b"))
        await anext(stream)
        await stream.aclose()
        running = asyncio.create_task(answer(engine, endless("c")))
        await eventually(lambda: engine.active == 1 and not engine.waiting)
        assert engine.pid is not None
        os.kill(engine.pid, signal.SIGKILL)
        with pytest.raises(WorkerDied):
            await running
        counters = monitor.counters()["m"]
        assert counters.requests == {"length": 1, "cancelled": 1, "failed": 1}
        assert counters.completion_tokens == 3
        assert counters.prompt_tokens > 0
        assert counters.first_token.count == 3
        assert "killed by the system" in deaths[0]


async def test_requests_without_a_first_token_wait(models: Path) -> None:
    async with watched(models / "endless.gguf") as (_, engine, _):
        os.kill(engine.pid, signal.SIGSTOP)
        tasks = [asyncio.create_task(answer(engine, request(str(i), SamplingParams(max_tokens=2)))) for i in range(3)]
        await eventually(lambda: engine.active == 3)
        assert engine.waiting == 3
        os.kill(engine.pid, signal.SIGCONT)
        await asyncio.gather(*tasks)
        assert engine.waiting == 0


async def test_counting_goes_on_over_restarts_and_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health_module, "MOST_COUNTED", 2)
    monitor = HealthMonitor()
    for model in ("a", "b", "c", "d", "a"):
        monitor.count_load(model, 2.0)
        monitor.count_crash(model)
        monitor.count_eviction(model)
    counters = monitor.counters()
    assert {model: each.loads for model, each in counters.items()} == {"a": 2, "b": 1, OTHERS: 2}
    assert (counters["a"].crashes, counters["a"].evictions, counters["a"].load.sum) == (2, 2, 4.0)


async def test_histories_have_a_bound(monkeypatch: pytest.MonkeyPatch, models: Path) -> None:
    monkeypatch.setattr(health_module, "MOST_HISTORIES", 3)
    async with watched(models / "endless.gguf", interval=0.02) as (monitor, engine, _):
        for number in range(6):
            monitor.watch(f"other{number}", engine)
            await eventually(partial(has_history, monitor, f"other{number}"))
            monitor.forget(f"other{number}", engine)
        kept = [model for model in ("m", *(f"other{number}" for number in range(6))) if monitor.history(model)]
        assert kept == ["m", "other4", "other5"]


# --- hangs ---


async def test_a_stopped_worker_is_killed_and_its_requests_end(models: Path) -> None:
    async with watched(models / "endless.gguf") as (_, engine, deaths):
        running = asyncio.create_task(answer(engine, endless()))
        await eventually(lambda: engine.active == 1 and not engine.waiting)
        stopped = time.monotonic()
        os.kill(engine.pid, signal.SIGSTOP)
        with pytest.raises(WorkerDied):
            await running
        assert 0.9 < time.monotonic() - stopped < 5
        assert "no sign of life" in deaths[0]


@pytest.mark.parametrize(("body", "words"), [(COMPUTE, "came no further"), (WAIT, "did nothing")])
async def test_a_worker_that_comes_no_further_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, words: str
) -> None:
    monkeypatch.setenv("PYTHONPATH", hanging_at(tmp_path, "jupyter_uml.engine.context", "Context.decode", body))
    async with watched(demo_model_path()) as (_, engine, deaths):
        with pytest.raises(WorkerDied):
            await answer(engine, request())
        assert words in deaths[0]


async def test_a_long_prefill_is_no_hang(models: Path) -> None:
    """A batch takes longer than a worker may do nothing."""
    short = Patience(silence=1.0, standstill=0.25, interval=0.05)
    async with watched(models / "endless.gguf", short, interval=0.05, n_ctx=1 << 12) as (monitor, engine, deaths):
        prompt = tuple([100] * 4_000)
        begin = time.monotonic()
        what = GenerateRequest("r", "m", prompt=prompt, params=SamplingParams(max_tokens=1))
        chunks = await answer(engine, what)
        assert chunks[-1].usage is not None
        assert chunks[-1].usage.prompt_tokens == 4_000
        assert time.monotonic() - begin > 2 * short.standstill, "too quick to say anything"
        assert not deaths
        assert max(sample.waiting for sample in monitor.history("m")) == 1


async def test_an_idle_worker_is_left_alone(models: Path) -> None:
    short = Patience(silence=0.5, standstill=0.2, uncounted=0.2, interval=0.05)
    async with watched(models / "endless.gguf", short, interval=0.05) as (monitor, engine, deaths):
        await eventually(lambda: len(monitor.history("m")) > 30)
        assert psutil.pid_exists(engine.pid)
        assert not deaths


@pytest.mark.parametrize(
    ("module", "function", "body", "words"),
    [
        ("jupyter_uml.limits", "settle", WAIT, "did not start in 1 s"),
        ("jupyter_uml.engine.context", "Context.__init__", WAIT, "did nothing"),
        ("jupyter_uml.engine.context", "Context.__init__", COMPUTE, "came no further"),
    ],
)
async def test_a_start_that_hangs_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, function: str, body: str, words: str
) -> None:
    monkeypatch.setenv("PYTHONPATH", hanging_at(tmp_path, module, function, body))
    handshake = 1.0 if module.endswith("limits") else 20.0
    patience = Patience(handshake=handshake, silence=5.0, standstill=1.0, uncounted=1.0, interval=0.1)
    with pytest.raises(ModelLoadFailed, match=words) as caught:
        await WorkerEngine.start(ModelSpec("m", str(demo_model_path())), lambda _: None, lambda _: None, patience)
    assert caught.value.retry_after
    assert not own_workers()
