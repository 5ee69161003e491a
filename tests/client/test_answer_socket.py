"""Whole answers over one WebSocket, on a real server."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from jupyter_uml.client.answer_socket import AnswerSocket
from jupyter_uml.errors import ModelNotFound, RouteNotFound
from tests.client.stub_server import StubServer
from tests.conftest import Server, wait_until

pytestmark = pytest.mark.anyio

CHAT = "v1/chat/completions"


def question(text: str, **more: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": text}]
    return {"model": "demo", "messages": messages, "temperature": 0, "max_tokens": 6, **more}


async def test_answers_come_whole_and_errors_as_errors(server: Server) -> None:
    socket = AnswerSocket(server.url, server.token)
    try:
        await socket.connect()
        answers = await asyncio.gather(*(socket.whole(CHAT, question(f"What is {n}?")) for n in range(6)))
        alone = server.post(CHAT, question("What is 5?")).json()
        assert [choice["message"] for choice in answers[5]["choices"]] == [alone["choices"][0]["message"]]
        assert {answer["usage"]["completion_tokens"] for answer in answers} <= set(range(1, 7))
        with pytest.raises(ModelNotFound):
            await socket.whole(CHAT, question("Who?", model="nobody"))
    finally:
        await socket.aclose()
    assert 'route="ws v1/chat/completions"' in server.get("metrics").text


async def test_who_stops_waiting_stops_the_engine(server: Server) -> None:
    socket = AnswerSocket(server.url, server.token)
    waiting = asyncio.create_task(socket.whole(CHAT, question("Go on", model="endless", max_tokens=None)))
    try:
        await asyncio.to_thread(wait_until, lambda: server.model("endless")["active"])
        waiting.cancel()
        await asyncio.to_thread(wait_until, lambda: not server.model("endless")["active"], 1)
        assert (await socket.whole(CHAT, question("And now?")))["choices"]
    finally:
        await socket.aclose()


async def test_where_no_socket_passes_it_is_said_at_once(stub: StubServer) -> None:
    socket = AnswerSocket(stub.url)
    with pytest.raises(RouteNotFound):
        await socket.connect()
    await socket.aclose()
