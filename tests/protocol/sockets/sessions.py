"""A session over something that says what it is told to, with a reader that can be made to wait."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, cast

from jupyter_uml.errors import AuthenticationFailed, UmlError
from jupyter_uml.protocol.body import StrictBody
from jupyter_uml.protocol.endpoint import Caller, Endpoint, Verbs
from jupyter_uml.protocol.sockets.outbox import LIMIT, Outbox
from jupyter_uml.protocol.sockets.session import Session
from jupyter_uml.types import Chunk, GenerateRequest

END = Chunk("", finish_reason="stop")
Said = Sequence[Chunk | Exception | None]


class Script:
    """A service whose answers are known. A request's `model` says which; None waits for ever."""

    def __init__(self, **scripts: Said) -> None:
        self.scripts = scripts
        self.closed: list[str] = []
        self.said = 0

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Chunk, None]:
        try:
            for item in self.scripts[request.model]:
                if isinstance(item, Exception):
                    raise item
                if item is None:
                    await asyncio.Event().wait()
                else:
                    self.said += 1
                    yield item
                    await asyncio.sleep(0)
        finally:
            self.closed.append(request.model)


class Door:
    """A gate that knows one key, and how many are inside. `script`: what they find there."""

    script: Script

    def __init__(self, refuses: UmlError | None = None) -> None:
        self.refuses = refuses
        self.inside = self.let_in = 0

    async def authenticate(self, key: str) -> None:
        if key != "uml_good":
            raise AuthenticationFailed("This API key is not valid.")

    def admit(
        self, endpoint: Endpoint[Any], body: StrictBody, request_id: str
    ) -> AbstractAsyncContextManager[tuple[Verbs, Caller]]:
        return self._admit(request_id)

    @asynccontextmanager
    async def _admit(self, request_id: str) -> AsyncIterator[tuple[Verbs, Caller]]:
        if self.refuses is not None:
            raise self.refuses
        self.inside += 1
        self.let_in += 1
        try:
            yield cast(Verbs, self.script), Caller("me", request_id)
        finally:
            self.inside -= 1

    def unforeseen(self, error: BaseException, request_id: str) -> UmlError:
        return UmlError(f"See the log under {request_id}.")


class Line:
    """A session and its reader, who reads when told to."""

    def __init__(self, door: Door | None = None, *, known: bool = True, limit: int = LIMIT, **scripts: Said) -> None:
        self.script, self.door = Script(**scripts), door or Door()
        self.door.script = self.script
        self.outbox = Outbox(limit)
        self.session = Session(self.door, self.outbox, 1 << 20, known=known)
        self._got: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.reads = asyncio.Event()
        self.reads.set()
        self._drain = asyncio.create_task(self.outbox.drain(self._read))

    async def _read(self, message: bytes) -> None:
        await self.reads.wait()
        self._got.put_nowait(json.loads(message))

    async def say(self, message: Any) -> None:
        await self.session.receive(message if isinstance(message, str) else json.dumps(message))

    async def start(self, name: str, model: str, **fields: Any) -> None:
        body = {"model": model, "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}], "stream": True}
        await self.say({"type": "start", "id": name, "endpoint": "v1/messages", "body": {**body, **fields}})

    async def hear(self) -> dict[str, Any]:
        async with asyncio.timeout(5):
            return await self._got.get()

    async def until(self, kind: str, name: str | None = None) -> list[dict[str, Any]]:
        """All messages up to the one of this type and id."""
        heard = [await self.hear()]
        while not (heard[-1]["type"] == kind and heard[-1].get("id") == name):
            heard.append(await self.hear())
        return heard

    async def end(self) -> list[dict[str, Any]]:
        """Take what is left."""
        self.outbox.complete()
        await self._drain
        return [self._got.get_nowait() for _ in range(self._got.qsize())]


@asynccontextmanager
async def a_line(door: Door | None = None, **options: Any) -> AsyncIterator[Line]:
    line = Line(door, **options)
    try:
        yield line
    finally:
        line.reads.set()
        line.session.cancel()
        await line.end()
