"""Closing the loader at an awkward moment: no process, no task and no descriptor is left."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import psutil
import pytest

from jupyter_uml.errors import GenerationAborted, UmlError
from jupyter_uml.loader import UniversalLoader
from jupyter_uml.types import Hold
from tests.loader.cases import children, come_since, eventually, own_workers
from tests.loader.lifecycle.stage import PLAIN, WIDE, Asked, make_loader

pytestmark = pytest.mark.anyio
Moment = Callable[[UniversalLoader], Awaitable[list[asyncio.Task[object]]]]


async def reading_a_header(loader: UniversalLoader) -> list[asyncio.Task[object]]:
    before = children()
    asked: asyncio.Task[object] = asyncio.create_task(loader.estimate("ann"))
    await eventually(lambda: bool(come_since(before)))
    asked.cancel()
    return [asked]


async def starting(loader: UniversalLoader) -> list[asyncio.Task[object]]:
    asked = Asked(loader, "ann")
    await eventually(lambda: bool(own_workers()))
    return [asked.task]


async def answering(loader: UniversalLoader) -> list[asyncio.Task[object]]:
    asked = Asked(loader, "ann", 400)
    await asked.begun.wait()
    return [asked.task]


async def waiting_for_room(loader: UniversalLoader) -> list[asyncio.Task[object]]:
    asked = Asked(loader, "ann", 400, held=True)
    await asked.begun.wait()
    waiting = Asked(loader, "bob")
    await eventually(lambda: loader.status("bob").state == "queued")
    asked.let_go()
    return [asked.task, waiting.task]


async def draining(loader: UniversalLoader) -> list[asyncio.Task[object]]:
    asked = Asked(loader, "ann", 400, held=True)
    await asked.begun.wait()
    unloading: asyncio.Task[object] = asyncio.create_task(loader.unload("ann"))
    await eventually(lambda: loader.status("ann").state == "unloading")
    asked.let_go()
    return [asked.task, unloading]


async def changing_settings(loader: UniversalLoader) -> list[asyncio.Task[object]]:
    asked = Asked(loader, "ann", 400)
    await asked.begun.wait()
    change: asyncio.Task[object] = asyncio.create_task(loader.load("ann", WIDE))
    await asyncio.sleep(0.1)
    return [asked.task, change]


async def coming_back_from_a_crash(loader: UniversalLoader) -> list[asyncio.Task[object]]:
    await loader.load("ann", PLAIN)
    own_workers()[0].kill()
    await eventually(lambda: loader.status("ann").state == "restarting")
    return []


async def just_about_to_expire(loader: UniversalLoader) -> list[asyncio.Task[object]]:
    await Asked(loader, "ann", hold=Hold(keep_alive=0)).answered()
    return []


async def loading_unwatched(loader: UniversalLoader) -> list[asyncio.Task[object]]:
    await loader.load("ann", PLAIN, wait=False)
    return []


MOMENTS: list[Moment] = [
    reading_a_header,
    starting,
    answering,
    waiting_for_room,
    draining,
    changing_settings,
    coming_back_from_a_crash,
    just_about_to_expire,
    loading_unwatched,
]


@pytest.mark.parametrize("moment", MOMENTS, ids=lambda moment: moment.__name__)
async def test_nothing_is_left(trio: Path, limits: dict[int, int], moment: Moment) -> None:
    me, others = psutil.Process(), children()
    tasks, descriptors = asyncio.all_tasks(), me.num_fds()
    loader = make_loader(trio, limits[1])
    await loader.start()
    under_way = await moment(loader)
    async with asyncio.timeout(10):
        await loader.close()
        ends = await asyncio.gather(*under_way, return_exceptions=True)
    for end in ends:
        assert not isinstance(end, BaseException) or isinstance(end, UmlError | asyncio.CancelledError), end
    assert not come_since(others)
    assert not asyncio.all_tasks() - tasks, "tasks left behind"
    await eventually(lambda: me.num_fds() <= descriptors, 1.0)


async def test_an_estimate_under_way_hears_that_the_server_stops(trio: Path) -> None:
    loader, before = make_loader(trio), children()
    await loader.start()
    asked = asyncio.create_task(loader.estimate("ann"))
    await eventually(lambda: bool(come_since(before)))
    await loader.close()
    with pytest.raises(GenerationAborted):
        await asked


async def test_a_closed_loader_loads_nothing(trio: Path) -> None:
    loader = make_loader(trio)
    await loader.start()
    await loader.close()
    await loader.close()
    with pytest.raises(GenerationAborted):
        await loader.load("ann", PLAIN)
    await Asked(loader, "bob").ended()
    assert not own_workers()
    await loader.catalog.close()
