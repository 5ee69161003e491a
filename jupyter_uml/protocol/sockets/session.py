"""The generations of one socket: messages in, answers out. No WebSocket in it; whoever has one carries texts over."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import AbstractAsyncContextManager, aclosing
from functools import partial
from typing import Any, Protocol

from pydantic import RootModel

from jupyter_uml.errors import (
    AuthenticationFailed,
    InvalidRequest,
    Overloaded,
    RouteNotFound,
    UmlError,
)
from jupyter_uml.protocol.body import StrictBody, parse, validated
from jupyter_uml.protocol.endpoint import Caller, Endpoint, Verbs
from jupyter_uml.protocol.endpoints import ENDPOINTS
from jupyter_uml.protocol.sockets.messages import (
    Auth,
    Cancel,
    ClientMessage,
    Delta,
    Done,
    Failed,
    GenerationId,
    Ping,
    Pong,
    Ready,
    ServerMessage,
    Start,
    Started,
)
from jupyter_uml.protocol.sockets.outbox import Outbox
from jupyter_uml.protocol.sockets.pace import Pace

MAX_GENERATIONS = 64  # at once, on one socket
ENVELOPE = 1 << 12  # bytes of a message around its body
_BY_PATH = {endpoint.path: endpoint for endpoint in ENDPOINTS}
_NOT_YET = "The first message must be `auth` with an API key or Jupyter's token."


class _Object(RootModel[dict[str, Any]]):
    pass


class _Named(StrictBody):
    id: GenerationId


class Gate(Protocol):
    """What a session must not decide: who may do what, and what is told of a fault of our own."""

    async def authenticate(self, key: str) -> None:
        """
        Raises:
            AuthenticationFailed, PermissionDenied: this key does not open a socket.
        """

    def admit(
        self, endpoint: Endpoint[Any], body: StrictBody, request_id: str
    ) -> AbstractAsyncContextManager[tuple[Verbs, Caller]]:
        """Let one generation in, with what it may use, and know when it is over.

        Raises:
            UmlError: it may not run, or not now.
        """

    def unforeseen(self, error: BaseException, request_id: str) -> UmlError:
        """What the client is told of an error that nobody foresaw."""


class Session:
    """Every `start` is answered by exactly one `done` or `error`, whatever happens, as long as somebody reads."""

    def __init__(self, gate: Gate, outbox: Outbox, max_body: int, *, known: bool, pace: Pace | None = None) -> None:
        """`max_body`: bytes, told to the client. `known`: who asks has been found out already."""
        self._gate, self._outbox = gate, outbox
        self._pace = pace or Pace()
        self._running: dict[str, asyncio.Task[Any]] = {}
        self._stopped: UmlError | None = None
        self._max_message = max_body + ENVELOPE
        self.known = known
        if known:
            self._welcome()

    @property
    def running(self) -> int:
        return len(self._running)

    async def receive(self, content: str) -> None:
        """One message. Returns when the next one may come: a client that does not read is not read from.

        Raises:
            AuthenticationFailed, PermissionDenied: who asks was not told, or may not: the socket is of no use.
        """
        await self._pace.keep()
        if not self.known:
            await self._greet(content)
            return
        try:
            sent = parse(_Object, content.encode()).root
        except InvalidRequest as error:
            await self._tell(Failed.of(error))
            return
        try:
            await self._handle(validated(ClientMessage, sent).root)
        except UmlError as error:
            await self._tell(Failed.of(error, self._unused_id(sent)))

    async def stop(self, error: UmlError) -> None:
        """End all generations, each with `error`; returns when they are over and told."""
        self._stopped = error
        self.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)

    def cancel(self) -> None:
        """End all generations: nobody listens any more."""
        for work in self._running.values():
            work.cancel()

    # --- messages ---

    async def _greet(self, content: str) -> None:
        try:
            message = parse(ClientMessage, content.encode()).root
        except InvalidRequest as error:
            raise AuthenticationFailed(_NOT_YET) from error
        if not isinstance(message, Auth):
            raise AuthenticationFailed(_NOT_YET)
        await self._gate.authenticate(message.key)
        self.known = True
        self._welcome()

    def _welcome(self) -> None:
        self._outbox.push(Ready(max_generations=MAX_GENERATIONS, max_message_bytes=self._max_message).encode())

    async def _handle(self, message: Auth | Start | Cancel | Ping) -> None:
        match message:
            case Start():
                await self._outbox.room()
                self._start(message)
            case Cancel():
                if (work := self._running.get(message.id)) is not None:
                    work.cancel()
            case Ping():
                await self._tell(Pong())
            case Auth():
                raise InvalidRequest("Who asks is known already. Open another socket for another key.", param="type")

    def _start(self, message: Start) -> None:
        if message.id in self._running:
            raise InvalidRequest(f"A generation {message.id!r} is running already.", param="id")
        if self._stopped is not None:
            raise self._stopped.copy()
        if len(self._running) >= MAX_GENERATIONS:
            raise Overloaded(
                f"This socket carries {MAX_GENERATIONS} generations already. Wait for one to end, or open another.",
                retry_after=1,
            )
        if (endpoint := _BY_PATH.get(message.endpoint)) is None:
            raise RouteNotFound(f"There is no such endpoint. There is: {', '.join(_BY_PATH)}.", param="endpoint")
        body = validated(endpoint.body, message.body)
        request_id = secrets.token_hex(12)
        work = asyncio.create_task(self._answer(message.id, endpoint, body, request_id))
        self._running[message.id] = work
        work.add_done_callback(partial(self._ended, message.id, request_id))

    def _unused_id(self, sent: dict[str, Any]) -> str | None:
        """The id of a start that failed. Never that of a running one: for its reader the error would be its end."""
        if sent.get("type") != "start" or not isinstance(name := sent.get("id"), str) or name in self._running:
            return None
        try:
            return validated(_Named, {"id": name}).id
        except InvalidRequest:
            return None

    # --- a generation ---

    async def _answer(self, name: str, endpoint: Endpoint[Any], body: StrictBody, request_id: str) -> Any:
        """Send its parts; returns the answer that comes as a whole."""
        async with self._gate.admit(endpoint, body, request_id) as (service, caller):
            await self._tell(Started(id=name, request_id=f"req_{request_id}"))
            if not endpoint.streams(body):
                return await endpoint.whole(service, body, caller)
            async with aclosing(endpoint.events(service, body, caller)) as events:
                async for event in events:
                    if event.data is not None:
                        await self._tell(Delta(id=name, event=event.name, data=event.data))
            return None

    def _ended(self, name: str, request_id: str, work: asyncio.Task[Any]) -> None:
        del self._running[name]
        self._outbox.push(self._end(name, request_id, work).encode())

    def _end(self, name: str, request_id: str, work: asyncio.Task[Any]) -> ServerMessage:
        request_id = f"req_{request_id}"
        if work.cancelled():
            return Failed.of(self._stopped, name, request_id) if self._stopped else Done(id=name, cancelled=True)
        if (error := work.exception()) is None:
            return Done(id=name, data=work.result())
        known = error if isinstance(error, UmlError) else self._gate.unforeseen(error, request_id)
        return Failed.of(known, name, request_id)

    async def _tell(self, message: ServerMessage) -> None:
        await self._outbox.put(message.encode())
