"""What was promised is not there for others: in this server, in other ones, and until its workers are gone."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from jupyter_uml.loader.handle import WorkerEngine
from jupyter_uml.loader.memory import ledger as ledger_module
from jupyter_uml.loader.memory.file_lock import FileLock
from jupyter_uml.loader.memory.ledger import GpuReading, Ledger, Need
from jupyter_uml.loader.memory.machine import Gpu, Machine, available_memory, private_bytes, started_at
from jupyter_uml.loader.memory.sheets import FOREIGN_SECONDS
from jupyter_uml.types import LoadSettings, ModelSpec
from tests.loader.memory.estimate_models import Shape, make

pytestmark = pytest.mark.anyio
MIB, GIB = 1 << 20, 1 << 30
THERE = 20 * GIB
ROOT = Path(__file__).parents[3]


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose free memory does not change."""
    monkeypatch.setattr(ledger_module, "this_machine", lambda promised: Machine(32 * GIB, THERE - promised))


@pytest.fixture
async def ledger(tmp_path: Path, still: None) -> AsyncIterator[Ledger]:
    ledger = Ledger(tmp_path)
    yield ledger
    await ledger.close()


async def left(ledger: Ledger, leaving: tuple[int, ...] = (), file: str = "") -> int:
    """Bytes of RAM for one more load."""
    await ledger.written()
    return (await ledger.machine(leaving, file=file)).ram_available


@contextmanager
def process(n_bytes: int = 0) -> Iterator[subprocess.Popen[bytes]]:
    """One that has so many bytes of its own."""
    code = f"b = bytearray(b'x') * {n_bytes}; print(flush=True); import sys; sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as worker:
        assert worker.stdout is not None
        worker.stdout.readline()
        yield worker
        worker.kill()


def private(pid: int) -> int:
    found = private_bytes(pid, started_at(pid) or 0.0)
    assert found is not None
    return found


async def test_a_promise_counts_until_it_is_released(ledger: Ledger) -> None:
    promise = ledger.promise("one", Need(3 * GIB))
    assert promise.ram == 3 * GIB
    assert await left(ledger) == THERE - 3 * GIB
    ledger.promise("two", Need(2 * GIB))
    promise.release()
    promise.release()
    assert await left(ledger) == THERE - 2 * GIB


async def test_what_a_worker_has_taken_counts_no_second_time_and_comes_free_with_it(ledger: Ledger) -> None:
    with process(200 * MIB) as worker:
        promise = ledger.promise("one", Need(500 * MIB))
        promise.started(worker.pid)
        taken = private(worker.pid)
        assert 200 * MIB < taken < 260 * MIB
        assert await left(ledger) == pytest.approx(THERE - 500 * MIB + taken, abs=MIB)
        assert await left(ledger, leaving=(worker.pid,)) == pytest.approx(THERE + taken, abs=MIB)
    assert await left(ledger) == THERE, "its worker is gone"


async def test_a_worker_that_took_more_than_promised_is_owed_nothing(ledger: Ledger) -> None:
    with process(100 * MIB) as worker:
        ledger.promise("one", Need(10 * MIB)).started(worker.pid)
        assert await left(ledger) == THERE


async def test_pages_of_a_file_count_while_they_are_used_and_once_for_all_who_map_it(ledger: Ledger) -> None:
    with process() as worker:
        for need in (Need(3 * GIB, mapped=2 * GIB, file="a"), Need(3 * GIB, mapped=2 * GIB, file="a")):
            ledger.promise("one", need).started(worker.pid)
        ledger.promise("two", Need(GIB, mapped=GIB, file="b"))
        taken = private(worker.pid)
        assert await left(ledger) == pytest.approx(THERE - 5 * GIB + 2 * taken, abs=MIB)
        assert await left(ledger, file="a") == pytest.approx(THERE - 3 * GIB + 2 * taken, abs=MIB)


async def test_a_limit_is_for_the_models_of_this_server(tmp_path: Path, still: None) -> None:
    ledger, other = Ledger(tmp_path, limit=4 * GIB), Ledger(tmp_path)
    assert (await ledger.machine()).ram_total == 4 * GIB
    other.promise("other", Need(15 * GIB))
    await other.written()
    assert await left(ledger) == 4 * GIB
    with process(100 * MIB) as worker:
        ledger.promise("one", Need(3 * GIB, mapped=GIB, file="a")).started(worker.pid)
        assert await left(ledger) == GIB, "also what it has taken already"
        assert await left(ledger, file="a") == 2 * GIB
        assert await left(ledger, leaving=(worker.pid,)) == 4 * GIB
    other.promise("more", Need(3 * GIB))
    await other.written()
    assert await left(ledger) == 2 * GIB, "the machine has no more"
    await asyncio.gather(ledger.close(), other.close())


async def test_gpu_memory_counts_until_a_reading_shows_that_it_is_taken(ledger: Ledger) -> None:
    def gpus(at: float) -> GpuReading:
        return GpuReading((Gpu("CUDA0", 24 * GIB, 16 * GIB), Gpu("CUDA1", 24 * GIB, 8 * GIB)), at)

    async def free(reading: GpuReading, *leaving: int) -> list[int]:
        return [gpu.free // GIB for gpu in (await ledger.machine(leaving, reading)).gpus]

    with process() as worker:
        promise = ledger.promise("one", Need(GIB, gpu=6 * GIB))
        promise.started(worker.pid)
        assert promise.gpu == 6 * GIB
        before = gpus(time.time())
        assert await free(before) == [12, 6]
        promise.loaded()
        after = gpus(time.time())
        assert await free(before) == [12, 6]
        assert await free(after) == [16, 8]
        assert await free(before, worker.pid) == [16, 8]
        assert await free(after, worker.pid) == [20, 10]


# --- several servers ---


async def test_the_next_who_decides_sees_what_was_promised(ledger: Ledger, tmp_path: Path) -> None:
    async with ledger.deciding():
        ledger.promise("one", Need(GIB))
    assert len(list(tmp_path.glob("*.json"))) == 1


@contextmanager
def promising(folder: Path, n_bytes: int, times: int) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.loader.memory.promising_server", str(folder), str(n_bytes), str(times)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=ROOT) as server:
        assert line(server) == "ready"
        yield server
        if server.poll() is None:
            tell(server)


def line(server: subprocess.Popen[str]) -> str:
    assert server.stdout is not None
    return server.stdout.readline().strip()


def tell(server: subprocess.Popen[str]) -> None:
    assert server.stdin is not None
    server.stdin.write("\n")
    server.stdin.flush()


async def test_two_servers_that_promise_at_the_same_time_never_promise_more_than_there_is(tmp_path: Path) -> None:
    there = available_memory()
    with ExitStack() as stack:
        servers = [stack.enter_context(promising(tmp_path, int(0.3 * there), 3)) for _ in range(2)]
        for server in servers:
            tell(server)
        assert sum(int(line(server)) for server in servers) == 3
        machine = await Ledger(tmp_path).machine()
        assert machine.ram_available < 0.2 * there
        assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
    assert not list(tmp_path.glob("*.json")), "who ends as it should takes its promises back"


async def test_promises_of_a_server_that_was_killed_do_not_count(ledger: Ledger, tmp_path: Path) -> None:
    with promising(tmp_path, GIB, 2) as server:
        tell(server)
        assert line(server) == "2"
        assert await left(ledger) == THERE - 2 * GIB
        server.send_signal(signal.SIGKILL)
        server.wait()
        assert await left(ledger) == THERE
        assert not list(tmp_path.glob("*.json"))


async def test_numbers_of_processes_that_were_given_again_do_not_count(ledger: Ledger, tmp_path: Path) -> None:
    other = Ledger(tmp_path)
    with process() as worker:
        other.promise("one", Need(GIB)).started(worker.pid)
        await other.written()
        (path,) = tmp_path.glob("*.json")
        sheet = json.loads(path.read_bytes())
        assert await left(ledger) < THERE - GIB + 100 * MIB
        sheet["rows"][0]["created"] -= 60
        path.write_text(json.dumps(sheet))
        assert await left(ledger) == THERE
        sheet["created"] -= 60
        path.write_text(json.dumps(sheet))
        assert await left(ledger) == THERE
        assert not path.exists()
    await other.close()


@pytest.mark.parametrize("content", [b"", b"[]", b'{"server": "x"}', b"\xff" * 50])
async def test_files_that_cannot_be_understood_are_removed(content: bytes, ledger: Ledger, tmp_path: Path) -> None:
    ledger.promise("one", Need(GIB))
    await ledger.written()
    (own,) = tmp_path.glob("*.json")
    damaged = own.with_name(f"{own.name.split('-')[0]}-1-ab.json")
    damaged.write_bytes(content)
    assert await left(ledger) == THERE - GIB
    assert not damaged.exists()


async def test_files_of_another_machine_are_left_alone_until_nobody_can_want_them(
    ledger: Ledger, tmp_path: Path
) -> None:
    foreign = tmp_path / "0123456789ab-1-ab.json"
    foreign.write_text('{"server": 1, "created": 0, "rows": []}')
    assert await left(ledger) == THERE
    assert foreign.exists()
    long_ago = time.time() - FOREIGN_SECONDS - 9
    os.utime(foreign, (long_ago, long_ago))
    assert await left(ledger) == THERE
    assert not foreign.exists()


async def test_a_folder_that_takes_nothing_is_no_reason_to_fail(
    tmp_path: Path, still: None, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    ledger = Ledger(tmp_path / "file" / "uml")
    async with ledger.deciding():
        ledger.promise("one", Need(GIB))
    assert await left(ledger) == THERE - GIB
    assert "cannot be waited for" in caplog.text
    assert "cannot be told" in caplog.text
    await ledger.close()


# --- the lock ---


async def test_a_server_that_decides_for_too_long_is_not_waited_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with FileLock(tmp_path / "lock").held(5):
        started = time.monotonic()
        async with FileLock(tmp_path / "lock").held(0.1):
            assert 0.1 <= time.monotonic() - started < 3
    assert "is not waited for" in caplog.text


async def test_who_is_cancelled_while_it_waits_leaves_no_lock_behind(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def wait() -> None:
        async with FileLock(tmp_path / "lock").held(60):
            raise AssertionError

    async with FileLock(tmp_path / "lock").held(5):
        waiting = asyncio.create_task(wait())
        await asyncio.sleep(0.05)
        waiting.cancel()
        await asyncio.wait([waiting])
        assert waiting.cancelled()
    async with FileLock(tmp_path / "lock").held(5):
        pass
    assert not caplog.text


async def test_the_loop_goes_on_while_a_lock_is_waited_for(tmp_path: Path) -> None:
    order = []

    async def second() -> None:
        async with FileLock(tmp_path / "lock").held(60):
            order.append("second")

    async with FileLock(tmp_path / "lock").held(5):
        waiting = asyncio.create_task(second())
        for _ in range(20):
            await asyncio.sleep(0.005)
        order.append("first")
    await waiting
    assert order == ["first", "second"]


# --- real workers ---


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere free memory is not known as exactly")
async def test_evicting_a_worker_gives_what_was_said(tmp_path: Path) -> None:
    """Nearly all of this one is its KV cache; what others on this machine take or give meanwhile may spoil a try."""
    path = make(tmp_path / "model.gguf", Shape("llama", 1024, 4, 16, 16, 2816))
    settings = LoadSettings(n_ctx=16384, n_parallel=4, n_threads=1, n_gpu_layers=0)
    errors = []
    for _ in range(4):
        ledger = Ledger(tmp_path / "ledger")
        promise = ledger.promise("model", Need(2 * GIB))
        engine = await WorkerEngine.start(ModelSpec("model", str(path), settings), lambda _: None, lambda _: None)
        promise.started(engine.pid)
        before, said = available_memory(), await left(ledger, leaving=(engine.pid,))
        await engine.close()
        now = await left(ledger)
        given = now - before
        errors.append(abs(now - said) / given)
        await ledger.close()
        if errors[-1] < 0.05 and given > 0.9 * GIB:
            return
    raise AssertionError(errors)
