"""WebSockets: who may open one, and how many.

Whoever brings a credential in a header; a page of this server by its cookie; anybody else must send a key as the first
message, soon. Pages of other sites are turned away unless `cors` names them, and then need a key.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from contextlib import suppress
from typing import Any

from jupyter_server.base.handlers import JupyterHandler
from tornado.websocket import WebSocketHandler, WebSocketProtocol13

from jupyter_uml.errors import AuthenticationFailed, Overloaded, PermissionDenied, UmlError
from jupyter_uml.server.base import UmlHandler

GREETING_SECONDS = 10.0
GREETING_BYTES = 1 << 13  # of the first message: nobody's megabytes are kept before it is known whose they are
PING_SECONDS = 30.0  # between two pings, and for the answer to one
FAREWELL_SECONDS = 2.0  # for what waits when the server ends a socket
MAX_SOCKETS = 512
MAX_SOCKETS_EACH = 32  # of one principal: each may hold a large message that is still on its way
MAX_STRANGERS = 64  # sockets whose key is still to come
GOING_AWAY, NO_TEXT, NOT_ALLOWED, TRY_AGAIN = 1001, 1003, 1008, 1013  # RFC 6455, section 7.4.1, and its registry


class Sockets:
    """All sockets of a kind that are open, so that their number has a bound and stopping the server ends them."""

    def __init__(self, most_each: int = MAX_SOCKETS_EACH) -> None:
        """`most_each`: of one principal."""
        self._most_each = most_each
        self._open: set[SocketRoute] = set()
        self._closed = False

    def check_room(self, newcomer: SocketRoute) -> None:
        """
        Raises:
            Overloaded: there are too many, or too many of who asks, or the server is stopping.
        """
        others = self._open - {newcomer}
        same = sum(other.owner == newcomer.owner for other in others)
        most = self._most_each if newcomer.owner else MAX_STRANGERS
        if self._closed or len(others) >= MAX_SOCKETS or same >= most:
            raise Overloaded("Too many sockets are open. Close one, or come back later.", retry_after=1)

    def add(self, socket: SocketRoute) -> None:
        self._open.add(socket)

    def discard(self, socket: SocketRoute) -> None:
        self._open.discard(socket)

    async def close(self) -> None:
        """End them all; what goes on over them is told."""
        self._closed = True
        await asyncio.gather(*(socket.stop() for socket in list(self._open)))


class SocketRoute(WebSocketHandler, UmlHandler):
    """A route that is a WebSocket, or may become one. `known`: whose it is."""

    def initialize(self, sockets: Sockets, **shared: Any) -> None:  # type: ignore[override]
        super().initialize(**shared)
        self.sockets = sockets
        self.known = False
        self._deadline: asyncio.TimerHandle | None = None

    @property
    def owner(self) -> str:
        """The id of whose it is; empty: that is still to be said."""
        return self.principal.id if hasattr(self, "principal") else ""

    # --- for those who make one of it ---

    @abstractmethod
    async def stop(self) -> None:
        """The server is stopping."""

    @abstractmethod
    async def part(self, code: int, error: UmlError | None = None) -> None:
        """Say why, send what waits, close."""

    # --- who asks ---

    async def _admit(self) -> None:
        if not self.is_upgrade:
            await super()._admit()  # as to any route
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
        return self.is_upgrade or JupyterHandler.check_origin(self)

    @property
    def is_upgrade(self) -> bool:
        return str(self.request.headers.get("Upgrade", "")).lower() == "websocket"

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

    # --- the socket ---

    @property
    def max_message_size(self) -> int:
        return GREETING_BYTES

    @property
    def ping_interval(self) -> float:
        return PING_SECONDS

    @property
    def ping_timeout(self) -> float:
        return self.ping_interval

    def open(self, *args: str, **kwargs: str) -> None:
        self.set_nodelay(True)
        self.set_cookie = _no_cookie  # type: ignore[method-assign]  # Jupyter's sign-in would; headers have gone out
        self.sockets.add(self)
        if not self.known:
            self._deadline = asyncio.get_running_loop().call_later(GREETING_SECONDS, self._give_up)

    def become_known(self) -> None:
        self.known = True
        if self._deadline is not None:
            self._deadline.cancel()
        if isinstance(self.ws_connection, WebSocketProtocol13):
            self.ws_connection.params.max_message_size = self.max_message_size

    def on_connection_close(self) -> None:
        if self.is_upgrade:
            super().on_connection_close()
        else:
            UmlHandler.on_connection_close(self)  # which Tornado's class for sockets hides

    def on_close(self) -> None:
        self.sockets.discard(self)
        if self._deadline is not None:
            self._deadline.cancel()

    def _give_up(self) -> None:
        error = AuthenticationFailed(f"No key came within {GREETING_SECONDS:.0f} s.")
        self._farewell = asyncio.ensure_future(self.part(NOT_ALLOWED, error))


def _no_cookie(*_: Any, **__: Any) -> None:
    """A socket has no headers any more by which a cookie could be set."""
