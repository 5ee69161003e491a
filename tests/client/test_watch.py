"""`watch`, `running` and `stop_running`, of a server and of this process: the same is told, and it survives both."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import aclosing

import pytest

from jupyter_uml.client import AsyncUniversalClient
from jupyter_uml.client.http_transport import HTTPTransport
from jupyter_uml.client.retry import RetryPolicy
from jupyter_uml.errors import AuthenticationFailed, ConnectionFailed, GenerationNotFound, GenerationStopped
from jupyter_uml.types import ServerState
from tests.client.conftest import Place
from tests.client.stub_server import Events, Reply, StubServer, event
from tests.conftest import Server, wait_until

SECONDS = 20.0
ROW = {"id": "demo", "state": "available", "size_bytes": 1, "source": "demo"}
FIRST = {"order": ["demo"], "models": [ROW], "pulls": [], "running": [], "version": "0.1.0"}


def state(message: object) -> bytes:
    return event(message, "state")


def a_client(stub: StubServer) -> AsyncUniversalClient:
    transport = HTTPTransport(stub.url, "uml_x", retry=RetryPolicy(connection_attempts=1), silence=1.0)
    return AsyncUniversalClient(transport=transport)


async def states(client: AsyncUniversalClient, until: Callable[[ServerState], bool]) -> list[ServerState]:
    """All up to the first of this kind."""
    seen: list[ServerState] = []
    async with asyncio.timeout(SECONDS), aclosing(client.watch()) as watched:
        async for one in watched:
            seen.append(one)
            if until(one):
                return seen
    raise AssertionError("it ended")


def loaded(seen: ServerState, model: str = "demo") -> bool:
    return any(row.id == model and row.state == "loaded" for row in seen.models)


class TestBothPlaces:
    def test_a_load_is_seen(self, place: Place) -> None:
        place.client.unload("demo", force=True)
        watched = place.client.watch()
        first = next(watched)
        assert {row.id for row in first.models} >= {"demo", "endless"}
        assert first.memory.total_bytes > 0
        assert first.version
        assert first.connected
        assert not loaded(first)
        place.client.load("demo", n_threads=1)
        began = time.monotonic()
        assert any(loaded(seen) for seen in watched)
        assert time.monotonic() - began < 1.0
        assert any(seen.samples for seen in watched)
        watched.close()  # type: ignore[attr-defined]
        place.client.unload("demo", force=True)

    def test_an_answer_under_way_is_seen_and_stopped(self, place: Place) -> None:
        place.client.load("endless", n_threads=1)
        with place.client.stream("Tell me", model="endless") as stream:
            next(iter(stream))
            (row,) = place.client.running()
            assert (row.model, row.own, row.question, row.state) == ("endless", True, "Tell me", "answering")
            assert place.client.stop_running(row.id).id == row.id
            with pytest.raises(GenerationStopped):
                list(stream)
        wait_until(lambda: not place.client.running())
        with pytest.raises(GenerationNotFound):
            place.client.stop_running(row.id)
        assert not place.client.model("endless").active
        place.client.unload("endless", force=True)

    def test_a_request_of_the_sdk_is_seen_as_well(self, place: Place) -> None:
        place.client.load("endless", n_threads=1)
        answer = place.sdk.completions.create(model="endless", prompt="Once", stream=True)
        next(iter(answer))
        (row,) = place.client.running()
        assert (row.model, row.question) == ("endless", "Once")
        assert row.route == "v1/completions"
        answer.close()
        wait_until(lambda: not place.client.running())
        place.client.unload("endless", force=True)


class TestConnections:
    pytestmark = pytest.mark.anyio

    async def test_time_goes_on_though_nobody_tells(self, stub: StubServer) -> None:
        stub.answer("events", Events([state({**FIRST, "models": [{**ROW, "expires_in": 60.0}]})]))
        async with a_client(stub) as client:
            left = (await states(client, lambda seen: not seen.connected))[-1].models[0].expires_in
        assert left is not None
        assert 30 < left < 60

    async def test_what_is_new_is_put_into_what_was_known(self, stub: StubServer) -> None:
        new = {**ROW, "id": "new", "state": "loaded", "memory_bytes": 5}
        memory = {"total_bytes": 10, "available_bytes": 5}
        pieces = [
            state(FIRST),
            state({"models": [new], "order": ["new", "demo"], "samples": {"new": {"time": 1.0}}}),
            state({"memory": memory, "field of a newer server": 1}),
            state({"order": ["demo"]}),
            state({"version": "end"}),
        ]
        stub.answer("events", Events(pieces))
        async with a_client(stub) as client:
            told = client._states()
            async with asyncio.timeout(SECONDS), aclosing(told):
                seen = [await anext(told) for _ in pieces]
        orders = [[row.id for row in one.models] for one in seen[:4]]
        assert orders == [["demo"], ["new", "demo"], ["new", "demo"], ["demo"]]
        assert [list(one.samples) for one in seen[:4]] == [[], ["new"], ["new"], []]
        assert seen[2].memory.available_bytes == 5

    async def test_a_slow_reader_gets_the_newest(self, stub: StubServer) -> None:
        """What has been sent meanwhile is in it."""
        gate = threading.Event()
        many = [state({"models": [{**ROW, "progress": number / 100}]}) for number in range(100)]
        stub.answer("events", Events([state(FIRST), stub.until(gate), *many, stub.until(threading.Event())]))
        async with a_client(stub) as client, asyncio.timeout(SECONDS), aclosing(client.watch()) as watched:
            await anext(watched)
            gate.set()
            seen = [await anext(watched)]
            while seen[-1].models[0].progress != 0.99:
                await asyncio.sleep(0.1)
                seen.append(await anext(watched))
        assert len(seen) < 5

    async def test_a_connection_that_is_lost_is_made_anew(self, stub: StubServer) -> None:
        again = {**FIRST, "order": ["other"], "models": [{**ROW, "id": "other"}], "version": "later"}
        gate = threading.Event()
        first = Events([state(FIRST), stub.until(gate)], cut=True)
        stub.answer("events", first, Reply(status=503), Events([state(again), stub.until(threading.Event())]))
        async with a_client(stub) as client, asyncio.timeout(SECONDS), aclosing(client.watch()) as watched:
            seen = [await anext(watched)]
            gate.set()
            seen += [await anext(watched), await anext(watched)]
        assert [one.connected for one in seen] == [True, False, True]
        assert [row.id for row in seen[1].models] == ["demo"]  # as it was last
        assert [row.id for row in seen[2].models] == ["other"]  # of before nothing is left

    async def test_a_server_that_was_never_there(self) -> None:
        client = AsyncUniversalClient("http://127.0.0.1:9/uml", retry=RetryPolicy(connection_attempts=1))
        with pytest.raises(ConnectionFailed):
            await states(client, lambda _: True)

    async def test_a_key_that_is_revoked_ends_it(self, stub: StubServer) -> None:
        error = {"error": {"message": "This API key is not valid.", "code": "invalid_api_key"}}
        stub.answer("events", Events([state(FIRST), event(error, "error")]))
        async with a_client(stub) as client:
            with pytest.raises(AuthenticationFailed):
                await states(client, lambda now: not now.connected)

    async def test_a_client_that_is_closed_watches_no_more(self, server: Server) -> None:
        client = AsyncUniversalClient(server.url, server.token)
        async with asyncio.timeout(SECONDS), aclosing(client.watch()) as watched:
            assert (await anext(watched)).connected
            await client.aclose()
            assert [seen async for seen in watched if not seen.connected] == []

    async def test_what_is_no_server_of_ours(self, stub: StubServer) -> None:
        stub.answer("events", Events([state({"models": "many"})]))
        async with a_client(stub) as client:
            with pytest.raises(ConnectionFailed):
                await states(client, lambda _: False)


@pytest.mark.anyio
async def test_a_slow_watcher_of_this_process_gets_the_newest(place: Place) -> None:
    """Whatever loop it is on, nothing piles up before it."""
    client = AsyncUniversalClient(transport=await place.client.aio.transport())
    async with asyncio.timeout(SECONDS), aclosing(client.watch()) as watched:
        await anext(watched)
        for _ in range(3):
            await asyncio.to_thread(place.client.load, "demo", n_threads=1)
            await asyncio.to_thread(place.client.unload, "demo", force=True)
        seen = [await anext(watched)]
        while any(row.id == "demo" and row.state != "available" for row in seen[-1].models):
            seen.append(await anext(watched))
    assert len(seen) < 8
