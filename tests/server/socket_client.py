"""A WebSocket client for tests: it reads only when asked to, so that a slow reader is simply one that does not ask."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tornado.httpclient import HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

from tests.conftest import Server

SECONDS = 20.0
HI = {"model": "demo", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 20, "stream": True}
ENDLESS = {"model": "endless", "prompt": "Tell me", "max_tokens": 30_000, "stream": True}


class Client:
    def __init__(self, connection: WebSocketClientConnection) -> None:
        self.connection = connection
        self._protocol: Any = connection.protocol  # the connection forgets it when it begins to close

    async def say(self, message: Any, *, binary: bool = False) -> None:
        text = message if isinstance(message, str | bytes) else json.dumps(message)
        await self.connection.write_message(text, binary)

    async def start(self, name: str, body: dict[str, Any], endpoint: str = "v1/chat/completions") -> None:
        await self.say({"type": "start", "id": name, "endpoint": endpoint, "body": body})

    async def hear(self) -> dict[str, Any] | None:
        """The next message; None: the socket is closed."""
        async with asyncio.timeout(SECONDS):
            message = await self.connection.read_message()
        return None if message is None else dict(json.loads(message))

    async def until(self, kind: str, name: str | None = None) -> list[dict[str, Any]]:
        """All messages up to the one of this type and id."""
        heard: list[dict[str, Any]] = []
        while not heard or not (heard[-1]["type"] == kind and heard[-1].get("id") == name):
            message = await self.hear()
            assert message is not None, f"closed with {self.connection.close_code} after {heard[-3:]}"
            heard.append(message)
        return heard

    async def rest(self) -> list[dict[str, Any]]:
        """All messages up to the end of the socket."""
        heard = []
        while (message := await self.hear()) is not None:
            heard.append(message)
        return heard

    @property
    def close_code(self) -> int | None:
        return self.connection.close_code

    def vanish(self) -> None:
        """As a client that is killed: no farewell."""
        self._protocol.stream.close()


@asynccontextmanager
async def dial(
    server: Server, headers: dict[str, str] | None = None, query: str = "", path: str = "ws"
) -> AsyncIterator[Client]:
    """An open socket, by default with the token in its header.

    Raises:
        HTTPClientError: it was turned away.
    """
    url = f"{server.url.replace('http', 'ws', 1)}/{path}{query}"
    request = HTTPRequest(url, headers=server.auth if headers is None else headers, connect_timeout=SECONDS)
    client = Client(await websocket_connect(request))
    try:
        yield client
    finally:
        client.connection.close()
        client.vanish()
