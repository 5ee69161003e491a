"""Readers of `GET events` for tests, by server-sent events and over a WebSocket: both tell the same."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any

import httpx2

from jupyter_uml.client.sse import SSEDecoder
from tests.conftest import TLS, Server
from tests.server.socket_client import dial

SECONDS = 20.0


class Watched:
    """The messages of one reader, and what they add up to."""

    def __init__(self, messages: AsyncIterator[dict[str, Any]]) -> None:
        self._messages = messages
        self.heard: list[dict[str, Any]] = []
        self.models: dict[str, dict[str, Any]] = {}
        self.state: dict[str, Any] = {}

    async def hear(self) -> dict[str, Any] | None:
        """The next message; None: there are no more."""
        async with asyncio.timeout(SECONDS):
            message = await anext(self._messages, None)
        if message is not None:
            self.heard.append(message)
            self.models |= {row["id"]: row for row in message.get("models", ())}
            self.state |= message
        return message

    async def until(self, condition: Callable[[Watched], Any]) -> float:
        """The time at which it is so."""
        while not condition(self):
            assert await self.hear() is not None, self.heard[-3:]
        return time.monotonic()

    async def rest(self) -> list[dict[str, Any]]:
        """What comes up to the end."""
        before = len(self.heard)
        while await self.hear() is not None:
            pass
        return self.heard[before:]

    def is_in(self, model: str, state: str) -> bool:
        return bool(self.models.get(model, {}).get("state") == state)


@asynccontextmanager
async def watching(server: Server, way: str, headers: dict[str, str] | None = None) -> AsyncIterator[Watched]:
    """`way`: "SSE" or "WebSocket"."""
    headers = server.auth if headers is None else headers
    async with (_by_socket if way == "WebSocket" else _by_events)(server, headers) as watched:
        yield watched


@asynccontextmanager
async def _by_socket(server: Server, headers: dict[str, str]) -> AsyncIterator[Watched]:
    async with dial(server, headers, path="events") as client:

        async def messages() -> AsyncIterator[dict[str, Any]]:
            while (message := await client.hear()) is not None:
                yield message

        yield Watched(messages())


@asynccontextmanager
async def _by_events(server: Server, headers: dict[str, str]) -> AsyncIterator[Watched]:
    async with (
        httpx2.AsyncClient(verify=TLS, timeout=SECONDS) as http,
        http.stream("GET", f"{server.url}/events", headers=headers) as response,
    ):
        assert response.status_code == 200, await response.aread()

        async def messages() -> AsyncIterator[dict[str, Any]]:
            decoder = SSEDecoder()
            async with aclosing(response.aiter_bytes()) as pieces:
                async for piece in pieces:
                    for event in decoder.feed(piece):
                        yield json.loads(event.data)

        yield Watched(messages())
