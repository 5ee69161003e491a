"""Answers with a label, on a server and in this process: no token is lost whatever breaks, and Stop stops."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from jupyter_uml.client import AsyncUniversalClient, TimedOut, UniversalClient
from jupyter_uml.client.retry import RetryPolicy
from jupyter_uml.errors import (
    ConnectionFailed,
    GenerationAborted,
    GenerationNotFound,
    InvalidRequest,
    ModelNotFound,
    StreamInterrupted,
)
from jupyter_uml.types import GenerationLabel
from tests.client.conftest import Place
from tests.client.proxy import BreakingProxy
from tests.client.stub_server import Events, Reply, StubServer, delta, event
from tests.conftest import Server, wait_until

LABEL = GenerationLabel("cell", "c1", "How?")
SAME: dict[str, Any] = {"model": "endless", "seed": 3, "temperature": 0.9, "deterministic": True, "max_tokens": 60}
ENDLESS: dict[str, Any] = {"model": "endless", "label": LABEL}
IDLE_SECONDS = 0.25
OTHER_PROCESS = """
import sys
from jupyter_uml.client import UniversalClient
from jupyter_uml.types import GenerationLabel
with UniversalClient(sys.argv[1], sys.argv[2]) as client:
    asked = dict(model="endless", seed=3, temperature=0.9, deterministic=True, max_tokens=60)
    with client.stream("How?", label=GenerationLabel("cell", "c1", "How?"), **asked) as stream:
        next(stream)
        print(stream.id, flush=True)
        sys.stdin.read()
"""


def idle(client: UniversalClient) -> bool:
    return client.model("endless").active == 0


# --- here and there --------------------------------------------------------------------------


def it_is_the_same_answer_and_can_be_read_again(client: UniversalClient) -> None:
    plain = client.chat("How?", **SAME)
    kept = client.chat("How?", label=LABEL, **SAME)
    assert (kept.text, kept.usage and kept.usage.completion_tokens) == (plain.text, 60)
    row = client.generations()[0]
    assert (row.state, row.model, row.kind, row.cell, row.question) == ("done", "endless", "cell", "c1", "How?")
    assert (row.tokens, row.read, row.error) == (60, True, None)
    with client.attach(row.id) as again:
        chunks = list(again)
    assert again.model == "endless"
    assert again.answer.text == plain.text
    assert chunks[-1].finish_reason == again.answer.finish_reason == plain.finish_reason
    client.stop(row.id)
    with pytest.raises(GenerationNotFound):
        client.generation(row.id)


def leaving_early_stops_the_engine(client: UniversalClient) -> None:
    with client.stream("How?", **ENDLESS) as stream:
        next(stream)
        left = time.monotonic()
    assert idle(client)
    assert time.monotonic() - left < IDLE_SECONDS
    assert client.generation(stream.id).state == "stopped"
    assert stream.text
    client.stop(stream.id)


def stopping_is_told_to_whoever_reads(client: UniversalClient) -> None:
    with client.stream("How?", **ENDLESS) as stream:
        next(stream)
        left = time.monotonic()
        assert client.stop(stream.id).state == "stopped"
        assert idle(client)
        assert time.monotonic() - left < IDLE_SECONDS
        with pytest.raises(GenerationAborted):
            list(stream)
    client.stop(stream.id)


def detaching_leaves_it_running_for_whoever_attaches(client: UniversalClient) -> None:
    with client.stream("How?", label=LABEL, **{**SAME, "max_tokens": 200}) as stream:
        next(stream)
        stream.detach()
        assert list(stream) == []
    row = client.generation(stream.id)
    assert (row.state, row.read) == ("running", False)
    with client.attach(stream.id) as rest:
        assert list(rest)[-1].finish_reason == "length"
    assert rest.answer.text == client.chat("How?", **{**SAME, "max_tokens": 200}).text
    client.stop(stream.id)


def time_is_up(client: UniversalClient) -> None:
    with pytest.raises(TimedOut), client.stream("How?", timeout=0.3, **ENDLESS) as stream:
        list(stream)
    assert idle(client)
    assert client.generation(stream.id).state == "stopped"
    client.stop(stream.id)


def an_error_is_told_as_ever(client: UniversalClient) -> None:
    with pytest.raises(ModelNotFound):
        client.chat("How?", model="no-such-model", label=LABEL)
    assert "no-such-model" not in {row.model for row in client.generations()}, "there is nothing to come back to"
    with pytest.raises(GenerationNotFound):
        list(client.attach("0" * 32))
    with pytest.raises(GenerationNotFound):
        client.stop("0" * 32)
    with pytest.raises(InvalidRequest):
        client.chat("How?", model="endless", label=LABEL, temperature=-1)


def a_task_that_is_cancelled_stops_its_answer(client: UniversalClient) -> None:
    async def main() -> None:
        stream = client.aio.stream("How?", **ENDLESS)
        begun = asyncio.Event()

        async def read() -> None:
            async for _ in stream:
                begun.set()

        reader = asyncio.create_task(read())
        await begun.wait()
        reader.cancel()
        await asyncio.gather(reader, return_exceptions=True)
        assert (await client.aio.generation(stream.id)).state == "stopped"
        await client.aio.stop(stream.id)

    client.background.run(main())
    assert idle(client)


def closing_ends_it_for_whoever_reads(client: UniversalClient) -> None:
    async def main() -> None:
        stream = client.aio.stream("How?", **ENDLESS)
        await anext(stream)

        async def read() -> None:
            async for _ in stream:
                pass

        reader = asyncio.create_task(read())
        await asyncio.sleep(0)  # it waits for the next chunk
        await stream.aclose()
        await reader
        assert stream.answer.finish_reason == "aborted"
        assert (await client.aio.stop(stream.id)).state == "stopped"

    client.background.run(main())
    assert idle(client)


CHECKS = (
    it_is_the_same_answer_and_can_be_read_again,
    leaving_early_stops_the_engine,
    stopping_is_told_to_whoever_reads,
    detaching_leaves_it_running_for_whoever_attaches,
    time_is_up,
    an_error_is_told_as_ever,
    a_task_that_is_cancelled_stops_its_answer,
    closing_ends_it_for_whoever_reads,
)


@pytest.mark.parametrize("check", CHECKS)
def test_on_a_server(server: Server, check: Callable[[UniversalClient], None]) -> None:
    with UniversalClient(server.url, server.token) as client:
        client.load("endless", n_threads=1)
        check(client)


@pytest.mark.parametrize("place", ["this process"], indirect=True)
def test_in_this_process(place: Place) -> None:
    """All in one, since each would load the model anew."""
    place.client.load("endless", n_threads=1)
    for check in CHECKS:
        check(place.client)


# --- what breaks on the way ------------------------------------------------------------------


@pytest.mark.parametrize("cuts", [[1500], [0, 900, 1, 4000, 60], [250, 0, 2222, 0, 0]])
def test_lost_connections_lose_no_token(server: Server, cuts: list[int]) -> None:
    """Cut before the answer, in its head, in the middle of an event, and again in what is read instead."""
    server.post("load_model", {"model": "endless", "n_threads": 1})

    async def main() -> None:
        proxy = BreakingProxy(server.url, cuts)
        retry = RetryPolicy(back_off=0.01)
        async with proxy.opened() as url, AsyncUniversalClient(url, server.token, retry=retry) as client:
            async with client.stream("How?", label=LABEL, **SAME) as stream:
                async for _ in stream:
                    pass
            assert proxy.connections > len(cuts)
            async with AsyncUniversalClient(server.url, server.token) as direct:
                whole = await direct.chat("How?", **SAME)
                assert stream.answer.text == whole.text
                assert stream.answer.usage is not None
                assert stream.answer.usage.completion_tokens == 60
                rows = [row for row in await direct.generations() if row.id == stream.id]
                assert [row.state for row in rows] == ["done"], "asked once, however often it was sent"
                await direct.stop(stream.id)

    asyncio.run(main())


def test_a_process_that_is_killed_loses_nothing(server: Server) -> None:
    server.post("load_model", {"model": "endless", "n_threads": 1})
    command = [sys.executable, "-c", OTHER_PROCESS, server.url, server.token]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        generation_id = process.stdout.readline().strip()
        process.send_signal(signal.SIGKILL)
    with UniversalClient(server.url, server.token) as client:
        with client.attach(generation_id) as stream:
            list(stream)
        assert stream.answer.text == client.chat("How?", **SAME).text
        assert client.generation(generation_id).state == "done"
        client.stop(generation_id)


def test_a_server_that_is_gone_for_good_is_an_error_in_the_end() -> None:
    stub = StubServer()
    stub.answer("v1/chat/completions", Events([b"id: 1\n" + delta("Hel")], cut=True))
    retry = RetryPolicy(connection_attempts=1, back_off=0.01, deadline=0.2)
    with UniversalClient(stub.url, "key", retry=retry) as client:
        stream = client.stream("How?", model="demo", label=LABEL)
        assert next(stream).text == "Hel"
        stub.close()
        with pytest.raises((ConnectionFailed, StreamInterrupted)):
            next(stream)
        assert stream.text == "Hel"


def test_a_server_that_was_started_anew_has_lost_it(stub: StubServer) -> None:
    stub.answer("v1/chat/completions", Events([b"id: 1\n" + delta("Hel")], cut=True))
    gone = {"error": {"message": "no such generation", "code": "generation_not_found"}}
    with UniversalClient(stub.url, "key", retry=RetryPolicy(back_off=0.01)) as client:
        stream = client.stream("How?", model="demo", label=LABEL)
        next(stream)
        path = f"generations/{stream.id}/events"
        stub.answer(path, Reply(gone, 404))
        with pytest.raises(StreamInterrupted, match="started anew"):
            next(stream)
        assert next(headers for _, asked, headers, _ in stub.requests if asked == path)["Last-Event-Id"] == "1"


def test_an_error_of_the_answer_is_not_asked_for_again(stub: StubServer) -> None:
    died = {"error": {"message": "gone", "code": "worker_died"}}
    stub.answer("v1/chat/completions", Events([b"id: 1\n" + delta("Hel"), b"id: 2\n" + event(died, "error")]))
    with UniversalClient(stub.url, "key") as client, client.stream("How?", model="demo", label=LABEL) as stream:
        next(stream)
        with pytest.raises(Exception, match="gone"):
            next(stream)
    assert [method for method, *_ in stub.requests] == ["POST"], "nor stopped: it has ended"


def test_what_the_server_is_told(stub: StubServer) -> None:
    stub.answer("v1/chat/completions", Events([b"id: 1\n" + delta("Hel")], cut=False))
    label = GenerationLabel("panel", None, "ß" * 600)
    with UniversalClient(stub.url, "key") as client:
        stream = client.stream("How?", model="demo", label=label)
        next(stream)
        stream.detach()
    _, _, headers, _ = stub.requests[0]
    assert headers["X-Generation-Id"] == stream.id
    assert headers["X-Generation-Label"].isascii()
    assert len(headers["X-Generation-Label"]) <= 2048
    wait_until(lambda: len(stub.requests) == 1)
