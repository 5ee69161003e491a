"""`Live` over a real loader: it looks when something has changed, for those who watch, and only while they do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing
from pathlib import Path
from typing import Any

import pytest

from jupyter_uml.errors import Overloaded
from jupyter_uml.live import Live, Message, Running, View
from jupyter_uml.live.live import MAX_WATCHERS_EACH
from jupyter_uml.loader.catalog.catalog import Catalog
from jupyter_uml.loader.catalog.profiles import ProfileFolder
from jupyter_uml.loader.handle import WorkerEngine
from jupyter_uml.loader.health import HealthMonitor
from jupyter_uml.loader.loader import UniversalLoader
from jupyter_uml.service import Service
from jupyter_uml.types import LoadSettings, ModelSpec

SECONDS = 20.0
AT_ONCE = 1.0
LONG = 60.0  # a beat that no test waits for

pytestmark = pytest.mark.anyio


@pytest.fixture
async def live() -> AsyncIterator[Live]:
    service = Service(UniversalLoader(Catalog()))
    live = Live(service, Running())
    async with asyncio.timeout(SECONDS):
        yield live
    live.close()
    await service.aclose()


def looks() -> bool:
    """Whether anything looks at what has changed."""
    return any(task.get_name() == "live" for task in asyncio.all_tasks())


async def settled(live: Live) -> None:
    """The files have been read, which is the first news."""
    async with aclosing(live.messages(View(), 0.5)) as messages:
        async for message in messages:
            if message is None:
                return


async def test_nothing_runs_where_nobody_watches(live: Live) -> None:
    assert not looks()
    async with aclosing(live.messages(View(), LONG)) as one, aclosing(live.messages(View(), LONG)) as other:
        assert (await anext(one) or {})["order"] == ["demo"]
        assert await anext(other)
        assert looks()
        await one.aclose()
        assert looks()
    await asyncio.sleep(0)
    assert not looks()


async def test_the_first_message_waits_until_the_disks_were_looked_at(
    tmp_path: Path, demo_bytes: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a thread, whoever has begun that: a disk that is slow holds up nobody else."""
    (tmp_path / "other.gguf").write_bytes(demo_bytes)
    catalog = Catalog([tmp_path])
    monkeypatch.setattr(catalog, "_scan", lambda: pytest.fail("the event loop waits for the disk"))
    service = Service(UniversalLoader(catalog))
    live = Live(service, Running())
    starting = asyncio.create_task(service.loader.start())
    await asyncio.sleep(0)
    async with asyncio.timeout(SECONDS), aclosing(live.messages(View(), LONG)) as messages:
        assert set((await anext(messages) or {})["order"]) == {"demo", "other"}
    await starting
    live.close()
    await service.aclose()


async def test_the_first_message_is_not_older_than_the_question(live: Live) -> None:
    await settled(live)
    async with aclosing(live.messages(View(), LONG)) as early:
        await anext(early)
        await live._service.load("demo", LoadSettings(n_threads=1))
        async with aclosing(live.messages(View(), LONG)) as late:
            assert [row["state"] for row in (await anext(late) or {})["models"]] == ["loaded"]


async def test_what_changes_together_is_told_together(live: Live) -> None:
    await settled(live)
    async with aclosing(live.messages(View(), LONG)) as messages:
        await anext(messages)
        for number in range(50):
            live.running.enter(f"req_{number}", "demo", "local", "local", "v1/completions")
            await asyncio.sleep(0)
        assert len((await anext(messages) or {})["running"]) == 50


async def test_figures_are_of_all_rows_that_are_up(tmp_path: Path) -> None:
    """A profile has those of its model."""
    catalog = Catalog(profiles=ProfileFolder(tmp_path))
    service = Service(UniversalLoader(catalog, monitor=HealthMonitor(0.05)))
    live = Live(service, Running())
    async with asyncio.timeout(SECONDS), aclosing(live.messages(View(), LONG)) as messages:
        await anext(messages)
        await service.save_profile("brief", {"model": "demo"})
        await service.load("brief", LoadSettings(n_threads=1))
        samples: dict[str, Any] = {}
        while not samples:
            samples = (await anext(messages) or {}).get("samples", {})
        assert samples["demo"] == samples["brief"]
    live.close()
    await service.aclose()


async def test_how_far_a_load_is(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each step is told as it happens, whatever else is quiet."""
    start, steps = WorkerEngine.start, asyncio.Queue[float]()

    async def slowly(
        spec: ModelSpec, on_progress: Callable[[float], None], on_death: Callable[[str], None], **more: Any
    ) -> WorkerEngine:
        while (fraction := await steps.get()) < 1:
            on_progress(fraction)
        return await start(spec, on_progress, on_death, **more)

    monkeypatch.setattr(WorkerEngine, "start", slowly)
    await settled(live)
    async with aclosing(live.messages(View(), LONG)) as messages:
        await anext(messages)
        loading = asyncio.create_task(live._service.load("demo", LoadSettings(n_threads=1)))
        for fraction in (0.25, 0.5, 0.75):
            steps.put_nowait(fraction)
            began = time.monotonic()
            while _progress(await anext(messages)) != fraction:
                pass
            assert time.monotonic() - began < AT_ONCE
        steps.put_nowait(1)
        await loading


def _progress(message: Message | None) -> float | None:
    rows = (message or {}).get("models", [])
    return rows[0]["progress"] if rows else None


async def test_whoever_takes_long_gets_the_newest(live: Live) -> None:
    await settled(live)
    async with aclosing(live.messages(View(), LONG)) as lazy, aclosing(live.messages(View(), LONG)) as eager:
        await anext(lazy)
        await anext(eager)
        for number in range(3):
            live.running.enter(f"req_{number}", "demo", "local", "local", "v1/completions")
            while len((await anext(eager) or {}).get("running", ())) <= number:
                pass
        assert len((await anext(lazy) or {})["running"]) == 3


async def test_silence_is_told_as_well(live: Live) -> None:
    await settled(live)
    async with aclosing(live.messages(View(), 0.05)) as messages:
        assert await anext(messages)
        assert [await anext(messages) for _ in range(3)] == [None] * 3


async def test_one_look_that_fails_does_not_end_all(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    await settled(live)
    loader = live._service.loader
    async with aclosing(live.messages(View(), LONG)) as messages:
        await anext(messages)
        with monkeypatch.context() as patch:
            failed = asyncio.Event()

            def fail() -> None:
                failed.set()
                raise OSError

            patch.setattr(loader, "statuses", fail)
            loader.news.tell()
            await failed.wait()
        live.running.enter("req_1", "demo", "local", "local", "v1/completions")
        assert (await anext(messages) or {})["running"]


async def test_their_number_is_bounded(live: Live) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(MAX_WATCHERS_EACH):
            await anext(await stack.enter_async_context(aclosing(live.messages(View(), LONG))))
        with pytest.raises(Overloaded):
            await anext(live.messages(View(), LONG))


async def test_closing_ends_all(live: Live) -> None:
    async with aclosing(live.messages(View(), LONG)) as messages:
        await anext(messages)
        waiting = asyncio.create_task(anext(messages, "the end"))
        await asyncio.sleep(0)
        live.close()
        assert await waiting == "the end"
        with pytest.raises(Overloaded):
            await anext(live.messages(View(), LONG))
