"""The transport to a jupyter_uml server by which answers come over a WebSocket, many at a time; the rest is HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, Literal

from jupyter_uml.client.http_transport import HTTPTransport, is_loopback
from jupyter_uml.client.per_loop import PerLoop
from jupyter_uml.client.request_body import request_body, request_path
from jupyter_uml.client.retry import with_retries
from jupyter_uml.client.socket import Hearing, Socket
from jupyter_uml.client.wire import ChunkAssembler
from jupyter_uml.errors import ConnectionFailed, StreamInterrupted
from jupyter_uml.types import Chunk, GenerateRequest


class _Sockets:
    """Those that are open, on one event loop; and who opens another."""

    def __init__(self) -> None:
        self.open: list[Socket] = []
        self.dialling = asyncio.Lock()


class SocketTransport(HTTPTransport):
    """All answers come over one socket; over a further one while that carries as many as the server lets it.

    A socket that is lost is an error for those on it, and the next request opens another. An answer that is kept for
    whoever comes back goes over HTTP, by which it is read again.
    """

    def __init__(self, url: str, api_key: str | None = None, **options: Any) -> None:
        """`options`: as for `HTTPTransport`."""
        super().__init__(url, api_key, **options)
        self._sockets = PerLoop(_Sockets)

    def generate(self, request: GenerateRequest) -> AsyncGenerator[Chunk, None]:
        return self._over_socket(request) if request.label is None else super().generate(request)

    async def aclose(self) -> None:
        if (sockets := self._sockets.take()) is not None:
            async with sockets.dialling:  # also one that is just being opened
                for socket in sockets.open:
                    await socket.close()
        await super().aclose()

    async def _over_socket(self, request: GenerateRequest) -> AsyncGenerator[Chunk, None]:
        async with aclosing(self._messages(request_path(request), request_body(request))) as messages:
            assembler = ChunkAssembler(request.id)
            async for message in messages:
                piece = assembler.take(message.get("event"), message.get("data"))
                if piece is not None:
                    yield piece
            yield assembler.finish()

    async def _messages(self, path: str, body: dict[str, Any]) -> AsyncGenerator[dict[str, Any], None]:
        """The `delta`s of an answer up to its `done`."""
        begun = await with_retries(lambda: self._begin(path, body), idempotent=False, policy=self._retry)
        socket, id_, hearing, message = begun
        try:
            while message["type"] != "done":
                yield message
                message = await hearing.next()
            if message.get("cancelled"):
                raise StreamInterrupted("The answer was stopped.")
        finally:
            await socket.leave(id_)

    async def _begin(self, path: str, body: dict[str, Any]) -> tuple[Socket, str, Hearing, dict[str, Any]]:
        """An answer whose first message has come: what fails before it may be asked for again. So may what was sent
        over a socket that turned out to be dead: if the server has heard of it at all, it has given it up."""
        while True:
            socket, is_new = await self._socket()
            try:
                id_, hearing = await socket.begin(path, body)
                try:
                    return socket, id_, hearing, await hearing.next()
                except BaseException:
                    await socket.leave(id_)
                    raise
            except ConnectionFailed:
                if is_new or not socket.lost:
                    raise

    async def _socket(self) -> tuple[Socket, bool]:
        """One with room, and whether it was opened just now."""
        sockets = self._sockets.here()
        async with sockets.dialling:
            sockets.open = [socket for socket in sockets.open if not socket.lost]
            for socket in sockets.open:
                if socket.has_room:
                    return socket, False
            proxy: Literal[True] | None = None if is_loopback(self.url) else True
            socket = await Socket.dial(f"ws{self.url.removeprefix('http')}/ws", self._headers, proxy)
            sockets.open.append(socket)
            return socket, True
