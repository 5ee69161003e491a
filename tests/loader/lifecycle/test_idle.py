"""How long a model stays: time-outs, what a request says about it, notebooks that hold it, and pins."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from jupyter_uml.loader import UniversalLoader
from jupyter_uml.loader.lifecycle import holds
from jupyter_uml.types import Hold
from tests.loader.cases import eventually, own_workers
from tests.loader.lifecycle.stage import PLAIN, Asked, staged

pytestmark = pytest.mark.anyio
SHORT = 0.3  # seconds


async def is_gone(loader: UniversalLoader, seconds: float = 2.0) -> None:
    await eventually(lambda: loader.status("ann").state == "available", seconds)
    assert not own_workers()


async def stays(loader: UniversalLoader) -> None:
    await asyncio.sleep(3 * SHORT)
    assert loader.status("ann").state == "loaded"


async def test_a_model_that_nobody_uses_is_unloaded(trio: Path) -> None:
    async with staged(trio, keep_alive=SHORT) as loader:
        row = await loader.load("ann", PLAIN)
        assert row.expires_in is not None
        assert 0 < row.expires_in <= SHORT
        await is_gone(loader)


async def test_every_use_begins_the_time_anew(trio: Path) -> None:
    async with staged(trio, keep_alive=SHORT) as loader:
        pid = (await loader.load("ann", PLAIN)).pid
        for _ in range(5):
            await asyncio.sleep(SHORT / 2)
            await Asked(loader, "ann", 1).answered()
        assert loader.status("ann").pid == pid
        await is_gone(loader)


async def test_the_time_begins_when_the_answer_has_ended(trio: Path) -> None:
    async with staged(trio, keep_alive=SHORT) as loader:
        asked = Asked(loader, "ann", held=True)
        await asked.begun.wait()
        await stays(loader)
        await asked.answered()
        ended = time.monotonic()
        await is_gone(loader)
        assert time.monotonic() - ended >= SHORT * 0.9


async def test_a_request_says_how_long(trio: Path) -> None:
    async with staged(trio) as loader:
        await Asked(loader, "ann", hold=Hold(keep_alive=SHORT)).answered()
        assert (loader.status("ann").expires_in or 9) <= SHORT
        await is_gone(loader)


async def test_nought_is_at_once(trio: Path) -> None:
    async with staged(trio) as loader:
        await Asked(loader, "ann", hold=Hold(keep_alive=0)).answered()
        await is_gone(loader, 1.0)


async def test_nought_waits_for_the_answers_of_others(trio: Path) -> None:
    async with staged(trio) as loader:
        other = Asked(loader, "ann", 200, held=True)
        await other.begun.wait()
        await Asked(loader, "ann", hold=Hold(keep_alive=0)).answered()
        await asyncio.sleep(SHORT)
        assert loader.status("ann").active == 1
        await other.answered()


async def test_minus_one_is_never(trio: Path) -> None:
    async with staged(trio, keep_alive=SHORT) as loader:
        await Asked(loader, "ann", hold=Hold(keep_alive=-1)).answered()
        assert loader.status("ann").expires_in is None
        await stays(loader)


async def test_whoever_loads_says_how_long_for_those_who_say_nothing(trio: Path) -> None:
    async with staged(trio, keep_alive=SHORT) as loader:
        await loader.load("ann", PLAIN, hold=Hold(keep_alive=-1))
        await Asked(loader, "ann").answered()
        assert loader.status("ann").expires_in is None
        await loader.load("ann", hold=Hold(keep_alive=100))
        await Asked(loader, "ann").answered()
        assert 99 < (loader.status("ann").expires_in or 0) <= 100
        await loader.unload("ann")
        await Asked(loader, "ann").answered()
        assert (loader.status("ann").expires_in or 9) <= SHORT, "an unload forgets it"


async def test_a_load_that_says_nought_says_it_for_once(trio: Path) -> None:
    async with staged(trio) as loader:
        await loader.load("ann", PLAIN, hold=Hold(keep_alive=0))
        await is_gone(loader)
        await Asked(loader, "ann").answered()
        await stays(loader)


async def test_a_server_may_be_told_never(trio: Path) -> None:
    async with staged(trio, keep_alive=-1) as loader:
        await loader.load("ann", PLAIN)
        await stays(loader)
        assert loader.status("ann").expires_in is None


async def test_a_pinned_model_stays(trio: Path) -> None:
    async with staged(trio, keep_alive=SHORT) as loader:
        row = await loader.load("ann", PLAIN, pin=True)
        assert (row.pinned, row.expires_in) == (True, None)
        await stays(loader)
        assert not (await loader.load("ann", pin=False)).pinned
        await is_gone(loader)


async def test_a_pin_survives_a_crash(trio: Path) -> None:
    async with staged(trio) as loader:
        await loader.load("ann", PLAIN, pin=True)
        (worker,) = own_workers()
        worker.kill()
        await eventually(lambda: loader.status("ann").pid not in (None, worker.pid))
        assert loader.status("ann").pinned


async def test_a_notebook_holds_what_it_uses_until_it_is_closed(trio: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holds, "RELEASED_SECONDS", SHORT)
    async with staged(trio, keep_alive=SHORT) as loader:
        await Asked(loader, "ann", hold=Hold(kernel="k")).answered()
        assert (loader.status("ann").kernels, loader.status("ann").expires_in) == (1, None)
        assert loader.kernels() == {"k"}
        await stays(loader)
        loader.release("k")
        assert loader.kernels() == frozenset()
        await is_gone(loader)


async def test_the_last_notebook_lets_go(trio: Path) -> None:
    async with staged(trio, keep_alive=SHORT) as loader:
        for kernel in ("k1", "k2"):
            await Asked(loader, "ann", hold=Hold(kernel=kernel)).answered()
        loader.release("k1")
        await stays(loader)
        loader.release("k2")
        await is_gone(loader)


async def test_a_notebook_that_is_closed_in_the_middle_of_its_request_holds_nothing(trio: Path) -> None:
    async with staged(trio, keep_alive=SHORT) as loader:
        asked = Asked(loader, "ann", held=True, hold=Hold(kernel="k"))
        await asked.begun.wait()
        loader.release("k")
        await asked.answered()
        assert loader.kernels() == frozenset()
        await is_gone(loader)


async def test_a_notebook_that_is_closed_while_the_model_loads_for_it_holds_nothing(trio: Path) -> None:
    async with staged(trio, keep_alive=SHORT) as loader:
        asked = Asked(loader, "ann", hold=Hold(kernel="k"))
        await eventually(lambda: bool(own_workers()))
        loader.release("k")
        await asked.answered()
        assert loader.kernels() == frozenset()
        await is_gone(loader)


async def test_an_unloaded_model_is_held_by_nobody(trio: Path) -> None:
    async with staged(trio) as loader:
        await Asked(loader, "ann", hold=Hold(kernel="k")).answered()
        await loader.unload("ann")
        assert loader.kernels() == frozenset()
        assert loader.status("ann").kernels == 0
