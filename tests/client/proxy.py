"""A way to a server that breaks: connections are cut in the middle, as by a lost network."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit


class BreakingProxy:
    """Passes bytes on. The answer's side of connection number n is cut after `cuts[n]` bytes, later ones never.

    0: not even the request is answered; it has reached the server.
    """

    def __init__(self, url: str, cuts: Iterable[int]) -> None:
        self._target = urlsplit(url)
        self._cuts = list(cuts)
        self._tasks: set[asyncio.Task[None]] = set()
        self.connections = 0

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[str]:
        """The address to be used instead of the server's."""
        listener = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = listener.sockets[0].getsockname()[1]
        try:
            yield f"http://127.0.0.1:{port}{self._target.path}"
        finally:
            listener.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        most = self._cuts.pop(0) if self._cuts else None
        self.connections += 1
        there, back = await asyncio.open_connection(self._target.hostname, self._target.port)
        sending = asyncio.create_task(_pass_on(reader, back))
        try:
            with suppress(ConnectionError):
                await _pass_on(there, writer, most)
        finally:
            sending.cancel()
            for end in (writer, back):
                end.transport.abort()
            await asyncio.gather(sending, return_exceptions=True)
            self._tasks.discard(task)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, most: int | None = None) -> None:
    """Until the end, or until `most` bytes have come; these are the last that are sent."""
    while piece := await reader.read(1 << 16):
        if most is not None and len(piece) >= most:
            writer.write(piece[:most])
            await writer.drain()
            return
        most = most and most - len(piece)
        writer.write(piece)
        await writer.drain()
