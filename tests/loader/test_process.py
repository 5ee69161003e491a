"""Whatever happens to server, worker or who waits for it: no process is left behind, alive or as a zombie."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from jupyter_uml.demo import demo_model_path
from jupyter_uml.errors import ModelLoadFailed
from jupyter_uml.loader.handle import WorkerEngine
from jupyter_uml.loader.process import WorkerProcess
from jupyter_uml.types import ModelSpec
from tests.conftest import is_worker, wait_until
from tests.loader.cases import endless, eventually
from tests.loader.hanging import COMPUTE, WAIT, hanging_at

anyio = pytest.mark.anyio

# A server of its own, which tells its worker's pid and how far it has come.
_SERVER = """
import asyncio, sys
from jupyter_uml.loader.handle import WorkerEngine
from jupyter_uml.loader.process import WorkerProcess
from jupyter_uml.types import ModelSpec
from tests.loader.cases import endless

phase, path = sys.argv[1:]
spawn = WorkerProcess.spawn.__func__

async def told(cls):
    process = await spawn(cls)
    tell("spawn", process.pid)
    return process

def tell(name, pid):
    if name == phase:
        print(pid, flush=True)

async def main():
    WorkerProcess.spawn = classmethod(told)
    engine = await WorkerEngine.start(ModelSpec("m", path), lambda _: tell("load", worker()), lambda _: None)
    tell("loaded", engine.pid)
    async for _ in engine.submit(endless()):
        tell("decode", engine.pid)
        if phase == "unload":
            break
    ending = asyncio.create_task(engine.close())
    await asyncio.sleep(0)
    tell("unload", engine.pid)
    await ending

def worker():
    import psutil
    return psutil.Process().children()[0].pid

asyncio.run(main())
"""


def gone(pid: int) -> bool:
    """Whether a process has ended; one that is nobody's child any more may wait for the system to take note of it."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def left() -> list[psutil.Process]:
    """Children of this process that are workers, or were and were not buried."""
    children = psutil.Process().children()
    return [child for child in children if is_worker(child) or child.status() == psutil.STATUS_ZOMBIE]


@pytest.mark.parametrize("phase", ["spawn", "load", "loaded", "decode", "unload"])
@pytest.mark.parametrize("stopped", [False, True])
def test_a_worker_goes_with_its_server(models: Path, phase: str, stopped: bool) -> None:
    if stopped and phase == "spawn":
        pytest.skip("a process that has not begun cannot do anything about it")
    command = [sys.executable, "-c", _SERVER, phase, str(models / "endless.gguf")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]) as server:
        assert server.stdout is not None
        pid = int(server.stdout.readline())
        if stopped:
            os.kill(pid, signal.SIGSTOP)
        server.kill()
        wait_until(lambda: gone(pid), 5)


@anyio
async def test_a_start_can_be_cancelled_at_any_time() -> None:
    spec = ModelSpec("demo", str(demo_model_path()))
    begin = time.monotonic()
    await (await WorkerEngine.start(spec, lambda _: None, lambda _: None)).close()
    whole = time.monotonic() - begin
    for turns in (0, 1, 2, 3, 4, 5, 7, 10):  # of the event loop
        await cancelled_start(spec, turns=turns)
    for part in range(1, 10):
        await cancelled_start(spec, seconds=whole * part / 10)
    assert not left()
    gc.collect()  # whoever was left open complains now


async def cancelled_start(spec: ModelSpec, turns: int = 0, seconds: float = 0.0) -> None:
    task = asyncio.create_task(WorkerEngine.start(spec, lambda _: None, lambda _: None))
    for _ in range(turns):
        await asyncio.sleep(0)
    if seconds:
        await asyncio.sleep(seconds)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await (await task).close()
    assert not left(), f"left after {turns} turns, {seconds} s"


@anyio
async def test_cancelling_twice_leaves_nothing_either() -> None:
    task = asyncio.create_task(WorkerProcess.spawn())
    process = await task
    os.kill(process.pid, signal.SIGSTOP)
    closing = asyncio.create_task(process.close())
    for _ in range(2):
        await asyncio.sleep(0)
        closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    await eventually(lambda: not left())


@pytest.mark.parametrize("stopped", [False, True])
def test_a_loop_that_ends_takes_its_workers_along(models: Path, stopped: bool) -> None:
    deaths: list[str] = []

    async def forgetful() -> None:
        spec = ModelSpec("m", str(models / "endless.gguf"))
        engine = await WorkerEngine.start(spec, lambda _: None, deaths.append)
        await anext(engine.submit(endless()))
        if stopped:
            os.kill(engine.pid, signal.SIGSTOP)

    asyncio.run(forgetful())
    assert not left()
    assert not deaths, "nobody shall bring it back"


@anyio
@pytest.mark.parametrize("body", [WAIT, COMPUTE])
async def test_a_worker_that_does_not_end_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> None:
    monkeypatch.setenv("PYTHONPATH", hanging_at(tmp_path, "jupyter_uml.worker", "_exit", body))
    engine = await WorkerEngine.start(ModelSpec("m", str(demo_model_path())), lambda _: None, lambda _: None)
    await engine.close()
    assert not left()


@anyio
@pytest.mark.parametrize(
    ("number", "words"), [(signal.SIGSEGV, "SIGSEGV"), (signal.SIGILL, "CPU lacks"), (signal.SIGKILL, "want of memory")]
)
async def test_an_end_while_loading_is_told_with_its_cause(number: int, words: str, models: Path) -> None:
    def strike(_: float) -> None:
        for worker in left():
            worker.send_signal(number)

    with pytest.raises(ModelLoadFailed, match=words) as caught:
        await WorkerEngine.start(ModelSpec("m", str(models / "endless.gguf")), strike, lambda _: None)
    assert str(models) not in str(caught.value)
    assert not left()


@anyio
async def test_a_start_that_fails_shows_the_end_of_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = "sys.stderr.write(f'cannot use {__file__} for this\\n'); sys.stderr.flush(); sys.exit(7)"
    monkeypatch.setenv("PYTHONPATH", hanging_at(tmp_path, "jupyter_uml.limits", "settle", body))
    with pytest.raises(ModelLoadFailed) as caught:
        await WorkerEngine.start(ModelSpec("m", str(demo_model_path())), lambda _: None, lambda _: None)
    assert "exit code 7" in str(caught.value)
    assert "cannot use … for this" in str(caught.value)
