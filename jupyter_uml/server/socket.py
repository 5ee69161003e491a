"""`WS ws`: many generations over one socket. What is said on it stands in `protocol/sockets/`; here it is carried over.

Who may open one: whoever brings a credential in a header; a page of this server by its cookie; anybody else must send a
key as the first message, soon. Pages of other sites are turned away unless `cors` names them, and then need a key.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from jupyter_core.utils import ensure_async
from jupyter_server.base.handlers import JupyterHandler
from tornado.websocket import WebSocketClosedError, WebSocketHandler, WebSocketProtocol13

from jupyter_uml.access import Principal
from jupyter_uml.errors import (
    AuthenticationFailed,
    GenerationAborted,
    InvalidRequest,
    Overloaded,
    PermissionDenied,
    UmlError,
)
from jupyter_uml.protocol.body import StrictBody
from jupyter_uml.protocol.endpoint import Caller, Endpoint, Verbs
from jupyter_uml.protocol.sockets.messages import Failed
from jupyter_uml.protocol.sockets.outbox import Outbox
from jupyter_uml.protocol.sockets.session import ENVELOPE, Session
from jupyter_uml.server.base import UmlHandler
from jupyter_uml.server.faults import MAX_BODY, unexpected
from jupyter_uml.server.gate import SOCKET
from jupyter_uml.server.image_fetcher import ImageFetcher

GREETING_SECONDS = 10.0
GREETING_BYTES = 1 << 13  # of the first message: nobody's megabytes are kept before it is known whose they are
PING_SECONDS = 30.0  # between two pings, and for the answer to one
FAREWELL_SECONDS = 2.0  # for what waits when the server ends a socket
MAX_SOCKETS = 512
MAX_SOCKETS_EACH = 32  # of one principal: each may hold a large message that is still on its way
MAX_STRANGERS = 64  # sockets whose key is still to come
_GOING_AWAY, _NO_TEXT, _NOT_ALLOWED = 1001, 1003, 1008  # RFC 6455, section 7.4.1


class Sockets:
    """All sockets that are open, so that their number has a bound and stopping the server ends them."""

    def __init__(self) -> None:
        self._open: set[SocketHandler] = set()
        self._closed = False

    def check_room(self, newcomer: SocketHandler) -> None:
        """
        Raises:
            Overloaded: there are too many, or too many of who asks, or the server is stopping.
        """
        others = self._open - {newcomer}
        same = sum(other.owner == newcomer.owner for other in others)
        most = MAX_SOCKETS_EACH if newcomer.owner else MAX_STRANGERS
        if self._closed or len(others) >= MAX_SOCKETS or same >= most:
            raise Overloaded("Too many sockets are open. Close one, or come back later.", retry_after=1)

    def add(self, socket: SocketHandler) -> None:
        self._open.add(socket)

    def discard(self, socket: SocketHandler) -> None:
        self._open.discard(socket)

    async def close(self) -> None:
        """End them all; every generation on them is told."""
        self._closed = True
        await asyncio.gather(*(socket.stop() for socket in list(self._open)))


class SocketHandler(WebSocketHandler, UmlHandler):
    scope = "infer"

    def initialize(self, fetcher: ImageFetcher, sockets: Sockets, **shared: Any) -> None:  # type: ignore[override]
        super().initialize(**shared)
        self.fetcher, self.sockets = fetcher, sockets
        self.known = self._parting = False
        self._outbox = Outbox()
        self._session: Session | None = None
        self._deadline: asyncio.TimerHandle | None = None

    @property
    def owner(self) -> str:
        """The id of whose it is; empty: that is still to be said."""
        return self.principal.id if hasattr(self, "principal") else ""

    # --- the gate ---

    async def _admit(self) -> None:
        if not self._is_upgrade:
            await super()._admit()  # as to any route; `get` says what is wrong with it
            return
        if not self.check_host():
            raise PermissionDenied("This host name is not served here.")
        own_page = self.check_page()
        if self.get_query_argument("token", None) is not None:  # where logs would keep it
            raise AuthenticationFailed("Send the key in a header or as the first message, not in the URL.")
        if not self.request.headers.keys().isdisjoint({"Authorization", "X-Api-Key"}):
            await super()._admit()
            self.known = True
        elif own_page:
            with suppress(AuthenticationFailed):
                await super()._admit()
                self.known = True
        self.sockets.check_room(self)

    def check_origin(self, origin: str = "") -> bool:
        """Of sockets `check_page` has decided, whatever the credential; Tornado and Jupyter leave some of them out."""
        return self._is_upgrade or JupyterHandler.check_origin(self)

    @property
    def _is_upgrade(self) -> bool:
        return str(self.request.headers.get("Upgrade", "")).lower() == "websocket"

    async def authenticate_request(self) -> Principal:
        """Opening a socket is a GET, but what comes over it is not reading only."""
        principal = await super().authenticate_request()
        if not principal.by_key:
            user = self.current_user
            if not await ensure_async(self.authorizer.is_authorized(self, user, "execute", "uml")):
                raise PermissionDenied("Jupyter's authorizer does not allow this.")
        return principal

    async def authenticate(self, key: str) -> None:
        """By the first message: as if it had come in a header in which no cookie is looked for."""
        self.request.headers["X-Api-Key"] = key
        try:
            self.principal = await self.authenticate_request()
            self.check_scope()
            self.sockets.check_room(self)
        except UmlError as error:
            self.note_refusal(error)
            raise

    @asynccontextmanager
    async def admit(
        self, endpoint: Endpoint[Any], body: StrictBody, request_id: str
    ) -> AsyncIterator[tuple[Verbs, Caller]]:
        """What every request of this endpoint goes through. The key may have been revoked since the socket was opened.

        Raises:
            UmlError: it may not run.
        """
        self.principal = await self.authenticate_request()
        self.check_scope()
        async with self.gate.enter(self.principal, f"req_{request_id}", SOCKET + endpoint.path) as passage:
            await passage.admit(getattr(body, "model", ""))
            yield passage, Caller(self.principal.id, request_id, await self.fetcher.fetch_for(body), self.hold())

    def unforeseen(self, error: BaseException, request_id: str) -> UmlError:
        self.log.error("request %s failed", request_id, exc_info=error)
        return unexpected(request_id)

    # --- the socket ---

    @property
    def max_message_size(self) -> int:
        return MAX_BODY + ENVELOPE if self.known else GREETING_BYTES

    @property
    def ping_interval(self) -> float:
        return PING_SECONDS

    @property
    def ping_timeout(self) -> float:
        return PING_SECONDS

    async def get(self, *args: str, **kwargs: str) -> None:
        if not self._is_upgrade:
            raise InvalidRequest("This route is a WebSocket: see docs/socket.")
        await super().get(*args, **kwargs)

    def open(self, *args: str, **kwargs: str) -> None:
        self.set_nodelay(True)
        self.set_cookie = _no_cookie  # type: ignore[method-assign]  # Jupyter's sign-in would; headers have gone out
        self.sockets.add(self)
        self._session = Session(self, self._outbox, MAX_BODY, known=self.known)
        self._writer = asyncio.create_task(self._write())
        if not self.known:
            self._deadline = asyncio.get_running_loop().call_later(GREETING_SECONDS, self._give_up)

    async def on_message(self, message: str | bytes) -> None:
        """Tornado reads the next message when this returns."""
        if self._parting or self._session is None:
            return
        if isinstance(message, bytes):
            await self._part(_NO_TEXT, InvalidRequest("Messages are JSON in text frames, not binary."))
            return
        try:
            await self._session.receive(message)
        except UmlError as error:
            await self._part(_NOT_ALLOWED, error)
        if self._session.known and not self.known:
            self._become_known()

    def on_close(self) -> None:
        self._parting = True
        self.sockets.discard(self)
        self._outbox.close()  # the writer ends by this, or by the write that fails
        if self._deadline is not None:
            self._deadline.cancel()
        if self._session is not None:
            self._session.cancel()

    async def stop(self) -> None:
        """The server is stopping."""
        if self._session is not None:
            await self._session.stop(GenerationAborted("The server is stopping."))
        await self._part(_GOING_AWAY)

    def _become_known(self) -> None:
        self.known = True
        if self._deadline is not None:
            self._deadline.cancel()
        if isinstance(self.ws_connection, WebSocketProtocol13):
            self.ws_connection.params.max_message_size = self.max_message_size

    def _give_up(self) -> None:
        error = AuthenticationFailed(f"No key came within {GREETING_SECONDS:.0f} s.")
        self._farewell = asyncio.ensure_future(self._part(_NOT_ALLOWED, error))

    async def _part(self, code: int, error: UmlError | None = None) -> None:
        """Say why, send what waits, close."""
        self._parting = True
        if error is not None:
            self._outbox.push(Failed.of(error).encode())
        self._outbox.complete()
        await asyncio.wait([self._writer], timeout=FAREWELL_SECONDS)
        self.close(code)

    async def _write(self) -> None:
        """One message after the other, each when the socket has taken the one before."""
        try:
            await self._outbox.drain(self._send)
        except WebSocketClosedError:
            self.on_close()

    async def _send(self, message: bytes) -> None:
        await self.write_message(message)


def _no_cookie(*_: Any, **__: Any) -> None:
    """A socket has no headers any more by which a cookie could be set."""
