"""Two servers on one machine that is small: each counts what the other has been promised."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from jupyter_uml.errors import InsufficientMemory, UmlError
from jupyter_uml.loader import UniversalLoader
from jupyter_uml.loader.memory import machine
from jupyter_uml.loader.memory.ledger import Ledger
from tests.loader.cases import eventually
from tests.loader.lifecycle.other_server import SmallMachine, workers_of
from tests.loader.lifecycle.stage import PLAIN, staged

pytestmark = pytest.mark.anyio


class OtherServer:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def heard(self) -> str:
        assert self.process.stdout is not None
        async with asyncio.timeout(30):
            return (await self.process.stdout.readline()).decode().strip()

    def tell(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n".encode())

    async def do(self, line: str) -> str:
        self.tell(line)
        return await self.heard()

    async def stop(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        await asyncio.wait_for(self.process.wait(), 20)


@asynccontextmanager
async def two_servers(
    trio: Path, ledger: Path, n_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[UniversalLoader, OtherServer]]:
    small = SmallMachine(n_bytes, os.getpid())
    monkeypatch.setattr(machine, "available_memory", small.available)
    monkeypatch.setattr(machine, "total_memory", small.total)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.loader.lifecycle.other_server"),
        *map(str, (trio, ledger, n_bytes)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    other = OtherServer(process)
    small.servers.append(process.pid)
    try:
        assert await other.heard() == "ready"
        async with staged(trio, ledger=Ledger(ledger)) as loader:
            yield loader, other
    finally:
        await other.stop()


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "ledger"


async def test_what_the_other_has_loaded_is_not_free(
    trio: Path, limits: dict[int, int], ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with two_servers(trio, ledger, limits[1], monkeypatch) as (loader, other):
        assert await other.do("load ann") == "done"
        estimate = await loader.estimate("bob", PLAIN)
        assert not estimate.fits
        assert estimate.available_bytes < estimate.needed_bytes
        with pytest.raises(InsufficientMemory):
            await loader.load("bob", PLAIN)
        assert await other.do("unload ann") == "done"
        assert (await loader.load("bob", PLAIN)).state == "loaded"
        assert await other.do("load ann") == "insufficient_memory"


async def test_of_two_who_begin_at_once_one_gets_the_memory(
    trio: Path, limits: dict[int, int], ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with two_servers(trio, ledger, limits[1], monkeypatch) as (loader, other):
        for _ in range(3):
            other.tell("load ann")
            (ours,) = await asyncio.gather(loader.load("bob", PLAIN), return_exceptions=True)
            theirs = await other.heard()
            assert not isinstance(ours, BaseException) or isinstance(ours, UmlError), ours
            refused = [isinstance(ours, InsufficientMemory), theirs == "insufficient_memory"]
            assert sorted(refused) == [False, True], (ours, theirs)
            await loader.unload("bob")
            assert await other.do("unload ann") == "done"


async def test_a_server_that_was_killed_holds_nothing(
    trio: Path, limits: dict[int, int], ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with two_servers(trio, ledger, limits[1], monkeypatch) as (loader, other):
        assert await other.do("load ann") == "done"
        (worker,) = workers_of(other.process.pid)
        other.process.kill()
        await eventually(lambda: not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE)
        assert (await loader.load("bob", PLAIN)).state == "loaded"


async def test_a_worker_that_the_other_has_started_again_counts_once(
    trio: Path, limits: dict[int, int], ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with two_servers(trio, ledger, limits[2], monkeypatch) as (loader, other):
        assert await other.do("load ann") == "done"
        (worker,) = workers_of(other.process.pid)
        worker.kill()

        def restarted() -> bool:
            return [each.pid for each in workers_of(other.process.pid)] not in ([], [worker.pid])

        await eventually(restarted)
        assert await other.do("load ann") == "done"
        assert (await loader.load("bob", PLAIN)).state == "loaded"
        await loader.load("bob", pin=True)
        with pytest.raises(InsufficientMemory):
            await loader.load("cyd", PLAIN)
