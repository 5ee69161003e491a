"""`GET events`: what the server says of itself, pushed as it changes.

By server-sent events, or over a WebSocket: of those a browser lets pages have more than six at a time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import Annotated, Any

import orjson
from pydantic import BeforeValidator
from tornado.http1connection import HTTP1Connection
from tornado.websocket import WebSocketClosedError

from jupyter_uml.errors import AuthenticationFailed, GenerationAborted, InvalidRequest, Overloaded, UmlError
from jupyter_uml.live import Live, Message, View
from jupyter_uml.protocol.body import StrictBody, parse, validated
from jupyter_uml.protocol.endpoint import Event
from jupyter_uml.protocol.sockets.messages import Auth, Failed
from jupyter_uml.server.base import UmlHandler
from jupyter_uml.server.faults import unexpected
from jupyter_uml.server.owners import owners
from jupyter_uml.server.stream import ClientGoneError, EventStream
from jupyter_uml.server.web_socket import FAREWELL_SECONDS, GOING_AWAY, NOT_ALLOWED, TRY_AGAIN, SocketRoute

SIGN_SECONDS = 10.0  # between two signs of life where nothing changes
KEY_SECONDS = 0.5  # after which it is noticed that a key has been revoked
USER_SECONDS = 30.0  # after which Jupyter is asked again whether it knows the user
PATIENCE_SECONDS = 60.0  # for a reader that takes nothing
MAX_EACH = 64  # of one principal: each open page and each notebook's panels are one
_FLAGS = {"0": False, "1": True}
_NOT_YET = 'The first message must be {"type": "auth", "key": …} with an API key or Jupyter\'s token.'


def _flag(value: Any) -> Any:
    return _FLAGS.get(value, value)


class StateQuery(StrictBody):
    """`once`: 1 for the first event only."""

    once: Annotated[bool, BeforeValidator(_flag)] = False


class EventsHandler(SocketRoute):
    scope = "models:read"

    def initialize(self, live: Live, **shared: Any) -> None:  # type: ignore[override]
        super().initialize(**shared)
        self.live = live
        self._telling: asyncio.Task[None] | None = None

    # --- what is told ---

    async def _messages(self) -> AsyncGenerator[Message | None, None]:
        """What changes, and None as a sign of life, as long as who asks may know it.

        Raises:
            AuthenticationFailed: the key has been revoked, or has expired.
            GenerationAborted: the server is stopping.
            Overloaded: too many watch.
        """
        view = View(self.principal, frozenset(await owners(self)))
        told = asked = time.monotonic()
        beat = KEY_SECONDS if self.principal.by_key else SIGN_SECONDS
        async with aclosing(self.live.messages(view, beat)) as messages:
            async for message in messages:
                now = time.monotonic()
                if self.principal.by_key:
                    self.check_key()
                elif now - asked >= USER_SECONDS:
                    asked = now
                    await self._check_user()
                if message is not None or now - told >= SIGN_SECONDS:
                    told = now
                    yield message
        raise GenerationAborted("The server is stopping.")

    async def _check_user(self) -> None:
        principal = await self.authenticate_request()
        if principal.id != self.principal.id:
            raise AuthenticationFailed("Somebody else has signed in.")

    def _known(self, error: Exception) -> UmlError:
        if isinstance(error, UmlError):
            return error
        self.log.error("request %s failed in its stream", self.request_id, exc_info=error)
        return unexpected(self.request_id)

    # --- by server-sent events ---

    async def get(self, *args: str, **kwargs: str) -> None:
        if self.is_upgrade:
            await super().get(*args, **kwargs)
            return
        names = [name for name in self.request.query_arguments if name != "token"]  # Jupyter's credential
        query = validated(StateQuery, {name: self.get_query_argument(name) for name in names})
        await self.while_connected(self._stream(once=query.once))

    async def _stream(self, *, once: bool) -> None:
        stream = EventStream(self)
        try:
            async with aclosing(self._messages()) as messages:
                async for message in messages:
                    await self._send(stream, [] if message is None else [Event(message, "state")])
                    if once:
                        return
        except Exception as error:
            if isinstance(error, ClientGoneError) or not stream.open:
                raise
            await self._send(stream, [Event(self.error_body(self._known(error)), "error")])

    async def _send(self, stream: EventStream, events: list[Event]) -> None:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await stream.send(events)
        except TimeoutError as error:
            if isinstance(self.request.connection, HTTP1Connection):
                self.request.connection.close()
            raise ClientGoneError from error

    # --- over a WebSocket ---

    @property
    def ping_interval(self) -> float:
        return SIGN_SECONDS

    def open(self, *args: str, **kwargs: str) -> None:
        super().open(*args, **kwargs)
        if self.known:
            self._begin()

    async def on_message(self, message: str | bytes) -> None:
        """Nothing is to be said but who asks; what else comes is passed over."""
        if self.known:
            return
        try:
            await self.authenticate(_key_in(message))
        except UmlError as error:
            await self.part(NOT_ALLOWED, error)
        else:
            self.become_known()
            self._begin()

    def on_close(self) -> None:
        super().on_close()
        if self._telling is not None:
            self._telling.cancel()

    async def stop(self) -> None:
        if self._telling is not None:
            await asyncio.wait([self._telling], timeout=FAREWELL_SECONDS)
        self.close(GOING_AWAY)

    async def part(self, code: int, error: UmlError | None = None) -> None:
        if error is not None:
            with suppress(WebSocketClosedError):
                await self.write_message(Failed.of(error).encode())
        self.close(code)

    def _begin(self) -> None:
        self._telling = asyncio.create_task(self._tell(), name="events")

    async def _tell(self) -> None:
        try:
            async with aclosing(self._messages()) as messages:
                async for message in messages:
                    if message is not None:
                        await self.write_message(orjson.dumps(message))
        except WebSocketClosedError:
            pass
        except Exception as error:
            await self.part(_CODES.get(type(error), NOT_ALLOWED), self._known(error))


_CODES: dict[type[Exception], int] = {GenerationAborted: GOING_AWAY, Overloaded: TRY_AGAIN}


def _key_in(message: str | bytes) -> str:
    """
    Raises:
        AuthenticationFailed: it is another message.
    """
    try:
        return parse(Auth, message.encode() if isinstance(message, str) else message).key
    except InvalidRequest as error:
        raise AuthenticationFailed(_NOT_YET) from error


EVENTS_ROUTES: list[tuple[str, type[UmlHandler]]] = [("events", EventsHandler)]
