"""Time-outs: of every call, of whole streams, the engine's work included."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from typing import Any

import pytest

from jupyter_uml.client import AsyncUniversalClient, RetryPolicy, UniversalClient
from jupyter_uml.errors import InvalidRequest, Overloaded, TimedOut, UmlError
from tests.client.conftest import Place
from tests.client.stub_server import WHOLE_ANSWER, Events, Reply, StubServer, delta
from tests.conftest import Server, wait_until

QUESTION = "How do I load a model?"
CHAT = "v1/chat/completions"
BUSY: dict[str, Any] = {"error": {"message": "busy", "code": "overloaded"}}


def test_an_answer_that_takes_too_long_is_stopped_in_the_engine(place: Place) -> None:
    place.client.load("endless", n_threads=1)
    began = time.monotonic()
    with pytest.raises(TimedOut, match=r"0\.4 s") as caught:
        place.client.chat(QUESTION, model="endless", timeout=0.4)
    assert isinstance(caught.value, TimeoutError)
    assert caught.value.details["seconds"] == 0.4
    assert 0.4 <= time.monotonic() - began < 2
    wait_until(lambda: place.client.model("endless").active == 0, 1)


@pytest.mark.parametrize("websocket", [False, True])
def test_a_stream_keeps_what_came_in_time(server: Server, websocket: bool) -> None:
    with UniversalClient(server.url, server.token, timeout=0.5, websocket=websocket) as client:
        client.load("endless", timeout=math.inf)
        with pytest.raises(TimedOut), client.stream(QUESTION, model="endless") as stream:
            for _ in stream:
                pass
        assert stream.text
        assert stream.answer.finish_reason == "aborted"
        wait_until(lambda: server.model("endless")["active"] == 0, 1)
        assert client.chat(QUESTION, model="endless", max_tokens=3, timeout=30).finish_reason == "length"


def test_a_reader_who_is_slow_uses_the_time_up(stub: StubServer) -> None:
    stub.answer(CHAT, Events(WHOLE_ANSWER))
    with UniversalClient(stub.url) as client, client.stream("?", model="m", timeout=0.2) as stream:
        assert next(stream).text == "Hel"
        time.sleep(0.25)  # the reader's own work
        with pytest.raises(TimedOut):
            list(stream)


def test_a_whole_answer_in_time_is_whole(stub: StubServer) -> None:
    stub.answer(CHAT, Events(WHOLE_ANSWER))
    with UniversalClient(stub.url, timeout=20) as client:
        assert client.chat("?", model="m").text == "Hello"
        assert [chunk.text for chunk in client.stream("?", model="m")] == ["Hel", "lo", ""]


@pytest.mark.parametrize(("verb", "path"), [("health", "health"), ("default_model", "models"), ("keys", "keys")])
def test_every_call_has_the_clients_time_out(stub: StubServer, verb: str, path: str) -> None:
    gate = threading.Event()
    stub.hold(path, gate)
    with UniversalClient(stub.url, timeout=0.2) as client:
        with pytest.raises(TimedOut):
            getattr(client, verb)()
        client.timeout = None
        assert client.aio.timeout is None
    gate.set()


def test_waits_between_repetitions_count(stub: StubServer) -> None:
    stub.answer(CHAT, Reply(BUSY, 503, {"Retry-After": "30"}))
    with UniversalClient(stub.url) as client:
        began = time.monotonic()
        with pytest.raises(TimedOut):
            client.chat("?", model="m", timeout=0.3)
        assert time.monotonic() - began < 3
    assert len(stub.requests) == 1


@pytest.mark.parametrize(
    ("policy", "attempts"), [(RetryPolicy(deadline=0), 1), (RetryPolicy(deadline=0.5, back_off=0.3), 2)]
)
def test_a_client_repeats_as_it_is_told(stub: StubServer, policy: RetryPolicy, attempts: int) -> None:
    stub.answer(CHAT, Reply(BUSY, 503, {"Retry-After": "0"}))
    with UniversalClient(stub.url, retry=policy) as client, pytest.raises(Overloaded):
        client.chat("?", model="m")
    assert len(stub.requests) == attempts


def test_cancelling_is_not_taken_for_a_time_out(stub: StubServer) -> None:
    began = threading.Event()

    async def started() -> None:
        began.set()
        await asyncio.sleep(5)

    async def main() -> None:
        async with AsyncUniversalClient(stub.url, timeout=60) as client:
            task = asyncio.create_task(client.chat("?", model="m"))
            await asyncio.to_thread(began.wait)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    stub.answer(CHAT, Events([delta("half"), started]))
    asyncio.run(main())
    assert stub.hung_up.wait(5)


@pytest.mark.parametrize("seconds", [0, -1, math.nan, "5", True])
def test_a_time_out_that_is_none(stub: StubServer, seconds: Any) -> None:
    with pytest.raises(InvalidRequest) as caught:
        UniversalClient(stub.url, timeout=seconds)
    assert caught.value.param == "timeout"
    with UniversalClient(stub.url) as client:
        for call in (client.chat, client.embed, client.load):
            with pytest.raises(UmlError, match="timeout"):
                call("demo", timeout=seconds)
    assert not stub.requests
