"""`WS ws`: many generations over one socket. What is said on it stands in `protocol/sockets/`; here it is carried over.

Who may open one: see `server/web_socket.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from jupyter_core.utils import ensure_async
from tornado.websocket import WebSocketClosedError

from jupyter_uml.access import Principal
from jupyter_uml.errors import GenerationAborted, InvalidRequest, PermissionDenied, UmlError
from jupyter_uml.protocol.body import StrictBody
from jupyter_uml.protocol.endpoint import Caller, Endpoint, Verbs
from jupyter_uml.protocol.sockets.messages import Failed
from jupyter_uml.protocol.sockets.outbox import Outbox
from jupyter_uml.protocol.sockets.session import ENVELOPE, Session
from jupyter_uml.server.faults import MAX_BODY, unexpected
from jupyter_uml.server.gate import SOCKET
from jupyter_uml.server.image_fetcher import ImageFetcher
from jupyter_uml.server.web_socket import FAREWELL_SECONDS, GOING_AWAY, NO_TEXT, NOT_ALLOWED, SocketRoute


class SocketHandler(SocketRoute):
    scope = "infer"

    def initialize(self, fetcher: ImageFetcher, **shared: Any) -> None:  # type: ignore[override]
        super().initialize(**shared)
        self.fetcher = fetcher
        self._parting = False
        self._outbox = Outbox()
        self._session: Session | None = None

    # --- the gate ---

    async def authenticate_request(self) -> Principal:
        """Opening a socket is a GET, but what comes over it is not reading only."""
        principal = await super().authenticate_request()
        if not principal.by_key:
            user = self.current_user
            if not await ensure_async(self.authorizer.is_authorized(self, user, "execute", "uml")):
                raise PermissionDenied("Jupyter's authorizer does not allow this.")
        return principal

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
        return MAX_BODY + ENVELOPE if self.known else super().max_message_size

    async def get(self, *args: str, **kwargs: str) -> None:
        if not self.is_upgrade:
            raise InvalidRequest("This route is a WebSocket: see docs/socket.")
        await super().get(*args, **kwargs)

    def open(self, *args: str, **kwargs: str) -> None:
        super().open(*args, **kwargs)
        self._session = Session(self, self._outbox, MAX_BODY, known=self.known)
        self._writer = asyncio.create_task(self._write())

    async def on_message(self, message: str | bytes) -> None:
        """Tornado reads the next message when this returns."""
        if self._parting or self._session is None:
            return
        if isinstance(message, bytes):
            await self.part(NO_TEXT, InvalidRequest("Messages are JSON in text frames, not binary."))
            return
        try:
            await self._session.receive(message)
        except UmlError as error:
            await self.part(NOT_ALLOWED, error)
        if self._session.known and not self.known:
            self.become_known()

    def on_close(self) -> None:
        super().on_close()
        self._parting = True
        self._outbox.close()  # the writer ends by this, or by the write that fails
        if self._session is not None:
            self._session.cancel()

    async def stop(self) -> None:
        if self._session is not None:
            await self._session.stop(GenerationAborted("The server is stopping."))
        await self.part(GOING_AWAY)

    async def part(self, code: int, error: UmlError | None = None) -> None:
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
