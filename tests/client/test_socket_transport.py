"""Answers over one WebSocket: on a real server, and on one that does whatever a test wants."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from jupyter_uml.client import AsyncUniversalClient, UniversalClient
from jupyter_uml.client import socket as socket_module
from jupyter_uml.client.socket_transport import SocketTransport
from jupyter_uml.errors import (
    AuthenticationFailed,
    ConnectionFailed,
    ModelNotFound,
    PayloadTooLarge,
    StreamInterrupted,
)
from jupyter_uml.types import GenerateRequest, GenerationLabel, Message
from tests.conftest import Server, wait_until

pytestmark = pytest.mark.anyio

QUESTION = "How do I load a model?"
GREEDY: dict[str, Any] = {"model": "demo", "temperature": 0, "max_tokens": 12}


def sockets_of(client: AsyncUniversalClient) -> int:
    assert isinstance(client._transport, SocketTransport)
    return len(client._transport._sockets.here().open)


# --- a real server ----------------------------------------------------------------------------


async def test_fifty_answers_at_once_over_one_socket(server: Server) -> None:
    short = {"max_tokens": 5, "deterministic": True}
    questions = [f"What is {number}?" for number in range(50)]
    async with (
        AsyncUniversalClient(server.url, server.token, websocket=True) as client,
        AsyncUniversalClient(server.url, server.token) as http,
    ):
        asked = [client.chat(question, **GREEDY | short) for question in questions]
        answers = await asyncio.gather(*asked)
        assert sockets_of(client) == 1
        for number in (0, 17, 49):
            same = await http.chat(questions[number], **GREEDY | short)
            assert (answers[number].text, answers[number].finish_reason) == (same.text, same.finish_reason)
            assert answers[number].usage is not None
            assert answers[number].timings is not None
        assert len(await client.models()) >= 2  # the rest goes over HTTP


async def test_one_is_left_and_the_other_goes_on(server: Server) -> None:
    async with AsyncUniversalClient(server.url, server.token, websocket=True) as client:
        async with client.stream(QUESTION, model="endless", max_tokens=400) as stays:
            async with client.stream(QUESTION, model="endless") as left:
                await anext(left)
                await anext(stays)
                assert server.model("endless")["active"] == 2
            await asyncio.to_thread(wait_until, lambda: server.model("endless")["active"] < 2, 1)
            rest = [chunk async for chunk in stays]
        assert rest[-1].finish_reason == "length"
        assert left.answer.finish_reason == "aborted"
        assert sockets_of(client) == 1


def test_the_synchronous_client_and_its_errors(server: Server) -> None:
    with UniversalClient(server.url, server.token, websocket=True) as client:
        assert [chunk.text for chunk in client.stream(QUESTION, **GREEDY)]
        with pytest.raises(ModelNotFound):
            client.chat(QUESTION, model="no-such-model")
        assert client.complete("Load", model="demo", max_tokens=2).finish_reason == "length"
    assert client.chat(QUESTION, **GREEDY).text  # it opens again
    client.close()


def test_an_answer_that_is_kept_can_be_read_again(server: Server) -> None:
    with UniversalClient(server.url, server.token, websocket=True) as client:
        with client.stream(QUESTION, **GREEDY, label=GenerationLabel()) as stream:
            text = "".join(chunk.text for chunk in stream)
        with client.attach(stream.id) as again:
            assert "".join(chunk.text for chunk in again) == text


async def test_a_server_that_is_killed_cuts_all_answers(own_server: Server) -> None:
    async with AsyncUniversalClient(own_server.url, own_server.token, websocket=True) as client:
        streams = [client.stream(QUESTION, model="endless") for _ in range(3)]
        for stream in streams:
            await anext(stream)
        workers = own_server.workers()
        own_server.process.kill()
        for stream in streams:
            with pytest.raises(StreamInterrupted):
                async for _ in stream:
                    pass
            assert stream.text
        own_server.process.wait()
        with pytest.raises(ConnectionFailed):
            await client.chat(QUESTION, **GREEDY)
    wait_until(lambda: not any(worker.is_running() for worker in workers))


# --- a server that does as it is told ---------------------------------------------------------

READY = {"type": "ready", "version": "0", "max_generations": 3, "max_message_bytes": 10_000}
REQUEST = GenerateRequest("r1", "demo", messages=(Message("user", "hi"),))


class Peer:
    """One socket, seen from the server. `heard`: all messages of the client."""

    def __init__(self, connection: ServerConnection, number: int) -> None:
        self.connection, self.number = connection, number
        self.heard: list[dict[str, Any]] = []

    async def say(self, kind: str, id_: str | None = None, **fields: Any) -> None:
        message = {"type": kind, **({"id": id_} if id_ else {}), **fields}
        await self.connection.send(json.dumps(message))

    async def hear(self, kind: str) -> dict[str, Any]:
        while True:
            message = json.loads(await self.connection.recv())
            self.heard.append(message)
            if message["type"] == kind:
                return dict(message)

    async def delta(self, id_: str, text: str) -> None:
        await self.say("delta", id_, data={"choices": [{"index": 0, "delta": {"content": text}}]})

    async def answer(self, id_: str, *texts: str) -> None:
        await self.say("started", id_, request_id="req_1")
        for text in texts:
            await self.delta(id_, text)
        end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
        await self.say("delta", id_, data=end)
        await self.say("done", id_, cancelled=False)


@asynccontextmanager
async def peer(act: Callable[[Peer], Awaitable[None]]) -> AsyncIterator[tuple[SocketTransport, list[Peer]]]:
    """A transport to a server each of whose sockets does `act`, and these sockets."""
    peers: list[Peer] = []

    async def handle(connection: ServerConnection) -> None:
        peers.append(Peer(connection, len(peers)))
        await act(peers[-1])

    async with serve(handle, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        transport = SocketTransport(f"http://127.0.0.1:{port}/uml", "secret", kernel="k-1")
        try:
            yield transport, peers
        finally:
            await transport.aclose()


async def text_of(transport: SocketTransport, request: GenerateRequest = REQUEST) -> str:
    async with aclosing(transport.generate(request)) as chunks:
        return "".join([chunk.text async for chunk in chunks])


async def answer_all(peer: Peer) -> None:
    await peer.say(**{"kind": "ready", **{k: v for k, v in READY.items() if k != "type"}})
    while True:
        await peer.answer((await peer.hear("start"))["id"], "Hel", "lo")


async def greet(peer: Peer) -> None:
    await peer.connection.send(json.dumps(READY))


async def test_the_key_travels_in_the_header() -> None:
    async def act(peer: Peer) -> None:
        await greet(peer)
        await peer.answer((await peer.hear("start"))["id"], "Hello")

    async with peer(act) as (transport, peers):
        assert await text_of(transport) == "Hello"
    (only,) = peers
    request = only.connection.request
    assert request is not None
    assert request.path == "/uml/ws"
    assert request.headers["Authorization"] == "Bearer secret"
    assert request.headers["X-Jupyter-Kernel"] == "k-1"
    assert "secret" not in json.dumps(only.heard)


async def test_more_answers_than_one_socket_carries() -> None:
    go = asyncio.Event()

    async def act(peer: Peer) -> None:
        await greet(peer)
        ids = [(await peer.hear("start"))["id"] for _ in range(3 if peer.number == 0 else 2)]
        await go.wait()
        for id_ in ids:
            await peer.answer(id_, f"{peer.number}")
        await peer.connection.wait_closed()

    async with peer(act) as (transport, peers):
        work = [asyncio.create_task(text_of(transport)) for _ in range(5)]
        while len(peers) < 2 or len(peers[1].heard) < 2:
            await asyncio.sleep(0.01)
        go.set()
        assert sorted(await asyncio.gather(*work)) == ["0", "0", "0", "1", "1"]


async def test_a_socket_that_died_unnoticed_is_replaced() -> None:
    async def act(peer: Peer) -> None:
        await greet(peer)
        await peer.answer((await peer.hear("start"))["id"], f"{peer.number}")
        if peer.number == 0:
            await peer.hear("start")  # hears of it, and is gone

    async with peer(act) as (transport, _):
        assert [await text_of(transport), await text_of(transport)] == ["0", "1"]


async def test_an_answer_that_had_begun_is_not_asked_for_twice() -> None:
    async def act(peer: Peer) -> None:
        await greet(peer)
        id_ = (await peer.hear("start"))["id"]
        await peer.say("started", id_, request_id="req_1")
        if peer.number:
            await peer.answer(id_, "again")
            await peer.connection.wait_closed()

    async with peer(act) as (transport, peers):
        with pytest.raises(StreamInterrupted):
            await text_of(transport)
        assert len(peers) == 1
        assert await text_of(transport) == "again"  # the next request has another socket


async def test_a_refusal_is_asked_again_when_the_server_says() -> None:
    async def act(peer: Peer) -> None:
        await greet(peer)
        busy = {"message": "busy", "type": "t", "param": None, "code": "overloaded", "retry_after": 0}
        await peer.say("error", (await peer.hear("start"))["id"], error=busy)
        await peer.answer((await peer.hear("start"))["id"], "now")

    async with peer(act) as (transport, peers):
        assert await text_of(transport) == "now"
    assert len(peers) == 1


async def test_leaving_early_says_so() -> None:
    over = asyncio.Event()

    async def act(peer: Peer) -> None:
        await greet(peer)
        id_ = (await peer.hear("start"))["id"]
        await peer.delta(id_, "half")
        assert (await peer.hear("cancel"))["id"] == id_
        await peer.delta(id_, "too late")
        await peer.say("done", id_, cancelled=True)
        await peer.answer((await peer.hear("start"))["id"], "next")
        over.set()

    async with peer(act) as (transport, peers):
        async with aclosing(transport.generate(REQUEST)) as chunks:
            assert (await anext(chunks)).text == "half"
        assert await text_of(transport) == "next"
        await over.wait()
    assert len(peers) == 1


async def test_an_answer_that_nobody_reads_is_bounded_and_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket_module, "MAX_WAITING", 5)

    async def act(peer: Peer) -> None:
        await greet(peer)
        unread = (await peer.hear("start"))["id"]
        await peer.delta(unread, "first ")
        other = (await peer.hear("start"))["id"]
        for number in range(50):
            await peer.delta(unread, f"{number} ")
        await peer.answer(other, "whole")
        assert (await peer.hear("cancel"))["id"] == unread
        await peer.say("done", unread, cancelled=True)
        await peer.answer((await peer.hear("start"))["id"], "next")

    async with peer(act) as (transport, peers):
        unread = transport.generate(REQUEST)
        texts = [(await anext(unread)).text]
        assert await text_of(transport) == "whole"
        with pytest.raises(StreamInterrupted, match="wait to be read"):  # noqa: PT012
            async for chunk in unread:
                texts.append(chunk.text)
        assert "".join(texts) == "first 0 1 2 3 4 "
        assert await text_of(transport) == "next"
    assert [message["type"] for message in peers[0].heard] == ["start", "start", "cancel", "start"]


async def test_what_is_too_large_is_not_sent() -> None:
    async with peer(answer_all) as (transport, peers):
        large = GenerateRequest("r2", "demo", messages=(Message("user", "x" * 10_000),))
        with pytest.raises(PayloadTooLarge):
            await text_of(transport, large)
        assert await text_of(transport) == "Hello"
    assert len(peers[0].heard) == 1


@pytest.mark.parametrize(
    "rubbish", ["{", "[]", '{"type": "delta"}', '{"type": "delta", "id": []}', '"text"', "[" * 9999]
)
async def test_what_cannot_be_understood_ends_the_socket(rubbish: str) -> None:
    async def act(peer: Peer) -> None:
        await greet(peer)
        id_ = (await peer.hear("start"))["id"]
        await peer.delta(id_, "half")
        await peer.connection.send(rubbish)
        await peer.delta(id_, "more")
        await peer.connection.close()

    async with peer(act) as (transport, _):
        with pytest.raises(StreamInterrupted):
            await text_of(transport)


@pytest.mark.parametrize("data", [None, 5, "text", {"choices": 3}, {"choices": [5]}])
async def test_a_part_of_another_shape_ends_the_answer_only(data: Any) -> None:
    async def act(peer: Peer) -> None:
        await greet(peer)
        id_ = (await peer.hear("start"))["id"]
        await peer.say("delta", id_, data=data)
        await peer.say("done", id_)
        await peer.answer((await peer.hear("start"))["id"], "next")

    async with peer(act) as (transport, peers):
        with pytest.raises(StreamInterrupted):
            await text_of(transport)
        assert await text_of(transport) == "next"
    assert len(peers) == 1


@pytest.mark.parametrize("first", ['{"type": "pong"}', "{", '{"type": "ready"}', ""])
async def test_a_server_that_does_not_say_that_it_is_ready(first: str) -> None:
    async def act(peer: Peer) -> None:
        if first:
            await peer.connection.send(first)

    async with peer(act) as (transport, _):
        with pytest.raises(ConnectionFailed):
            await text_of(transport)


async def test_the_servers_reason_is_told() -> None:
    async def act(peer: Peer) -> None:
        if peer.number == 0:
            await greet(peer)
            await peer.delta((await peer.hear("start"))["id"], "half")
        await peer.say("error", error={"message": "revoked", "code": "invalid_api_key"})

    async with peer(act) as (transport, _):
        for _ in range(2):
            with pytest.raises(AuthenticationFailed, match="revoked"):
                await text_of(transport)
