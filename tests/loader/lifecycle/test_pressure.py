"""Little memory: who makes room, who does not, who waits, and what is said to those for whom there is none."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from jupyter_uml.errors import GenerationAborted, InsufficientMemory, InvalidRequest, Overloaded
from jupyter_uml.loader import UniversalLoader
from jupyter_uml.loader import loader as loader_module
from jupyter_uml.loader.lifecycle import line
from jupyter_uml.loader.memory.ledger import Ledger
from jupyter_uml.protocol.statuses import headers_of, status_of
from jupyter_uml.types import Hold, LoadSettings, ModelState
from tests.loader.cases import eventually, own_workers
from tests.loader.lifecycle.stage import PLAIN, WIDE, Asked, staged, workers_of

pytestmark = pytest.mark.anyio
Limits = dict[int, int]


def states(loader: UniversalLoader) -> dict[str, ModelState]:
    return {row.id: row.state for row in loader.statuses()}


async def load(loader: UniversalLoader, *names: str, pin: bool | None = None) -> None:
    for name in names:
        await loader.load(name, PLAIN, pin=pin)


async def test_the_one_that_was_used_longest_ago_makes_room(trio: Path, limits: Limits) -> None:
    async with staged(trio, limits[2]) as loader:
        await load(loader, "ann", "bob")
        await Asked(loader, "ann").answered()
        await load(loader, "cyd")
        assert states(loader) == {"ann": "loaded", "bob": "available", "cyd": "loaded"}
        assert len(own_workers()) == 2


async def test_one_that_no_notebook_holds_makes_room_first(trio: Path, limits: Limits) -> None:
    async with staged(trio, limits[2]) as loader:
        await loader.load("ann", PLAIN, hold=Hold(kernel="k"))
        await load(loader, "bob", "cyd")
        assert states(loader)["ann"] == "loaded"
        assert loader.status("ann").kernels == 1
        await load(loader, "bob")
        await load(loader, "cyd")
        assert states(loader)["ann"] == "loaded"


async def test_one_that_a_notebook_holds_makes_room_where_nothing_else_could(trio: Path, limits: Limits) -> None:
    async with staged(trio, limits[1]) as loader:
        await loader.load("ann", PLAIN, hold=Hold(kernel="k"))
        await load(loader, "bob")
        assert states(loader)["ann"] == "available"


async def test_a_busy_model_survives_and_its_answer_ends_whole(trio: Path, limits: Limits) -> None:
    async with staged(trio, limits[1]) as loader:
        asked = Asked(loader, "ann", 300, held=True)
        await asked.begun.wait()
        pid = loader.status("ann").pid
        loading = asyncio.create_task(loader.load("bob", PLAIN))
        await eventually(lambda: loader.status("bob").state == "queued")
        await asyncio.sleep(2 * line.PATIENCE + 0.5)  # longer than a model in use goes on taking requests
        assert loader.status("bob").state == "queued"
        assert loader.status("ann").pid == pid
        await asked.answered()
        row = await loading
        assert (row.state, loader.status("ann").state) == ("loaded", "available")
        assert len(own_workers()) == 1


async def test_those_who_ask_for_a_queued_model_are_told_how_many_wait(trio: Path, limits: Limits) -> None:
    async with staged(trio, limits[1]) as loader:
        asked = Asked(loader, "ann", held=True)
        await asked.begun.wait()
        waiting = [Asked(loader, "bob") for _ in range(3)]
        await eventually(lambda: loader.status("bob").state == "queued")
        assert loader.status("bob").waiting == 3
        await asked.answered()
        for each in waiting:
            await each.answered()
        assert loader.status("bob").waiting == 0


async def test_a_pinned_model_survives_and_the_error_names_both_numbers(trio: Path, limits: Limits) -> None:
    async with staged(trio, limits[1]) as loader:
        await load(loader, "ann", pin=True)
        pid = loader.status("ann").pid
        started = time.monotonic()
        with pytest.raises(InsufficientMemory) as caught:
            await load(loader, "bob")
        assert time.monotonic() - started < 2.0, "there is nothing to wait for"
        needed, available = (int(caught.value.details[name] or 0) for name in ("needed_bytes", "available_bytes"))
        assert 0 < available < needed < limits[1]
        for number in (needed, available):
            assert f"{number / 2**30:.2f}" in caught.value.message
        assert (loader.status("ann").pid, loader.status("ann").pinned) == (pid, True)
        assert len(own_workers()) == 1
        await load(loader, "ann", pin=False)
        await load(loader, "bob")
        assert states(loader)["ann"] == "available"


async def test_a_model_that_is_pinned_while_others_make_room_survives(trio: Path, limits: Limits) -> None:
    large = LoadSettings(n_ctx=4096, n_parallel=1, kv_type="f16", n_threads=1)
    async with staged(trio, limits[2]) as loader:
        await load(loader, "ann", "bob")
        pid = loader.status("bob").pid
        assert set((await loader.estimate("cyd", large)).unloads) == {"ann", "bob"}
        loading = asyncio.create_task(loader.load("cyd", large))
        async with asyncio.timeout(10):
            while loader.status("ann").state != "unloading":  # which may not last for long
                await asyncio.sleep(0)
        await load(loader, "bob", pin=True)
        with pytest.raises(InsufficientMemory):
            await loading
        assert (loader.status("bob").pid, loader.status("bob").pinned) == (pid, True)


async def test_a_load_that_is_called_off_just_when_it_gets_its_memory_gives_it_back(
    trio: Path, limits: Limits, monkeypatch: pytest.MonkeyPatch
) -> None:
    written, telling = Ledger.written, asyncio.Event()

    async def slowly(ledger: Ledger) -> None:
        """The disk on which other servers are told of it takes a while."""
        telling.set()
        await asyncio.sleep(0.1)
        await written(ledger)

    async with staged(trio, limits[1]) as loader:
        before = (await loader.estimate("ann", PLAIN)).available_bytes
        with monkeypatch.context() as patch:
            patch.setattr(Ledger, "written", slowly)
            loading = asyncio.create_task(loader.load("ann", PLAIN))
            await telling.wait()
            await loader.unload("ann")
            with pytest.raises(GenerationAborted):
                await loading
        assert (await loader.estimate("ann", PLAIN)).available_bytes == before
        assert (await loader.load("bob", PLAIN)).state == "loaded"


async def test_what_could_never_fit_is_refused_at_once_and_costs_nobody(trio: Path, limits: Limits) -> None:
    async with staged(trio, limits[1]) as loader:
        await load(loader, "ann")
        pid = loader.status("ann").pid
        with pytest.raises(InsufficientMemory) as caught:
            await loader.load("bob", LoadSettings(n_ctx=32768, n_parallel=8, kv_type="f16", n_threads=1))
        assert int(caught.value.details["needed_bytes"] or 0) > int(caught.value.details["available_bytes"] or 0)
        assert loader.status("ann").pid == pid


async def test_whoever_waits_too_long_is_told(trio: Path, limits: Limits) -> None:
    async with staged(trio, limits[1], queue_seconds=0.5) as loader:
        asked = Asked(loader, "ann", held=True)
        await asked.begun.wait()
        with pytest.raises((InsufficientMemory, Overloaded)) as caught:
            await loader.load("bob", PLAIN)
        assert status_of(caught.value) == 503
        assert headers_of(caught.value)["Retry-After"]
        await asked.answered()
        assert (await loader.load("bob", PLAIN)).state == "loaded"


async def test_the_line_of_loads_is_bounded(trio: Path, limits: Limits, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line, "LONGEST", 1)
    async with staged(trio, limits[1]) as loader:
        asked = Asked(loader, "ann", held=True)
        await asked.begun.wait()
        waiting = asyncio.create_task(loader.load("bob", PLAIN))
        await eventually(lambda: loader.status("bob").state == "queued")
        with pytest.raises(Overloaded) as caught:
            await loader.load("cyd", PLAIN)
        assert (status_of(caught.value), "Retry-After" in headers_of(caught.value)) == (503, True)
        await asked.answered()
        assert (await waiting).state == "loaded"
        assert (await loader.load("cyd", PLAIN)).state == "loaded"


async def test_the_requests_that_wait_for_a_model_are_bounded(
    trio: Path, limits: Limits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loader_module, "MAX_WAITING", 3)
    async with staged(trio, limits[1]) as loader:
        asked = [Asked(loader, "ann") for _ in range(5)]
        for each in asked:
            await each.ended()
        errors = [each.error for each in asked]
        assert errors[:3] == [None] * 3
        for error in errors[3:]:
            assert isinstance(error, Overloaded)
            assert (status_of(error), "Retry-After" in headers_of(error)) == (503, True)


async def test_what_can_never_be_is_told_at_once_though_others_wait(trio: Path, limits: Limits) -> None:
    async with staged(trio, limits[1]) as loader:
        asked = Asked(loader, "ann", held=True)
        await asked.begun.wait()
        waiting = Asked(loader, "bob")
        await eventually(lambda: loader.status("bob").state == "queued")
        async with asyncio.timeout(2):
            with pytest.raises(InvalidRequest):
                await loader.load("cyd", LoadSettings(n_ctx=1 << 20))
        await asked.answered()
        await waiting.answered()


async def test_a_load_that_waits_can_be_called_off(trio: Path, limits: Limits) -> None:
    async with staged(trio, limits[1]) as loader:
        asked = Asked(loader, "ann", held=True)
        await asked.begun.wait()
        waiting = Asked(loader, "bob")
        await eventually(lambda: loader.status("bob").state == "queued")
        assert (await loader.unload("bob")).state == "available"
        await waiting.ended(2)
        assert isinstance(waiting.error, GenerationAborted)
        await asked.answered()
        assert states(loader) == {"ann": "loaded", "bob": "available", "cyd": "available"}


async def test_a_model_that_is_always_asked_for_does_not_keep_others_out(trio: Path, limits: Limits) -> None:
    """Its clients wait for a while then, and lose nothing."""
    async with staged(trio, limits[1]) as loader:
        await load(loader, "ann")
        asked: list[Asked] = []
        enough = asyncio.Event()

        async def client() -> None:
            while not enough.is_set():
                asked.append(Asked(loader, "ann", 100))
                await asked[-1].answered()

        clients = [asyncio.create_task(client()) for _ in range(3)]
        try:
            await eventually(lambda: loader.status("ann").active > 0)
            await Asked(loader, "bob").answered(15)
            since = len(asked)
            await eventually(lambda: len(asked) > since + 3, 15)
        finally:
            enough.set()
            await asyncio.gather(*clients)
        assert all(each.error is None for each in asked)


async def test_more_clients_than_models_than_room_and_all_are_answered_in_a_fair_order(
    trio: Path, limits: Limits
) -> None:
    """50 clients, three models, room for one: nobody waits much longer than those who came at the same time."""
    async with staged(trio, limits[1]) as loader:
        names = ("ann", "bob", "cyd")
        order: list[str] = []
        pids: set[int] = set()

        async def client(name: str) -> None:
            asked = Asked(loader, name, 10)
            await asked.answered(60)
            order.append(name)
            pids.add(asked.pid or 0)

        first = Asked(loader, "ann", held=True)
        await first.begun.wait()
        clients = []
        for name in names:
            clients += [asyncio.create_task(client(name)) for _ in range(17)]
            await eventually(lambda name=name: loader.status(name).state in ("loaded", "queued"))
        first.let_go()
        await asyncio.gather(*clients)
        turns = [name for place, name in enumerate(order) if not place or order[place - 1] != name]
        assert turns == list(names), "each model has one turn, in the order in which they were asked for"
        assert len(pids) == 3


async def test_settings_that_do_not_fit_beside_the_old_ones_wait_for_its_answers(trio: Path, limits: Limits) -> None:
    async with staged(trio, limits[1]) as loader:
        await load(loader, "ann")
        asked = Asked(loader, "ann", 300, held=True)
        await asked.begun.wait()
        change = asyncio.create_task(loader.load("ann", LoadSettings(n_ctx=512, n_parallel=2)))
        await asyncio.sleep(0.5)
        assert [len(workers) for workers in workers_of(trio).values()] == [1]
        assert not change.done()
        await asked.answered()
        row = await change
        assert row.pid != asked.pid
        assert row.settings is not None
        assert row.settings.n_parallel == 2
        assert [len(workers) for workers in workers_of(trio).values()] == [1]


async def test_a_change_that_waits_behind_another_load_does_not_keep_its_room(trio: Path, limits: Limits) -> None:
    async with staged(trio, limits[1]) as loader:
        await load(loader, "ann")
        async with asyncio.timeout(15):
            bob, ann = await asyncio.gather(loader.load("bob", PLAIN), loader.load("ann", WIDE))
        assert bob.settings is not None
        assert ann.settings is not None
        assert ann.settings.n_parallel == 2
        assert len(own_workers()) == 1


async def test_a_second_server_on_this_machine_keeps_to_its_own_limit(trio: Path, limits: Limits) -> None:
    """A limit is of one server's models; what the machine has is shared (see `test_two_servers.py`)."""
    async with staged(trio, limits[1]) as first, staged(trio, limits[1]) as second:
        await load(first, "ann")
        await load(second, "ann")
        assert (first.status("ann").state, second.status("ann").state) == ("loaded", "loaded")
        assert len(own_workers()) == 2
