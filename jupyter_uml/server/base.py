"""The gate that every request passes: host, size, who asks, may they, is the body sound."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Coroutine
from dataclasses import asdict, is_dataclass
from http import HTTPStatus
from typing import Any, ClassVar

import orjson
from jupyter_core.utils import ensure_async
from jupyter_server.base.handlers import JupyterHandler
from tornado.web import HTTPError, stream_request_body

from jupyter_uml.errors import (
    AuthenticationFailed,
    InvalidRequest,
    MethodNotAllowed,
    PayloadTooLarge,
    PermissionDenied,
    RouteNotFound,
    UmlError,
)
from jupyter_uml.protocol.body import Body, parse
from jupyter_uml.protocol.endpoint import plain_error
from jupyter_uml.protocol.statuses import headers_of, status_of
from jupyter_uml.server.kernels import KERNEL_HEADER, KernelWatch
from jupyter_uml.server.keys import JUPYTER_USER, KEY_PREFIX, KeyRing, Principal, Scope
from jupyter_uml.server.stream import ClientGoneError
from jupyter_uml.service import Service
from jupyter_uml.types import Hold

MAX_BODY = 32 << 20  # bytes
NOT_SUPPORTED = ("images", "audio", "files", "batches", "moderations")


@stream_request_body
class UmlHandler(JupyterHandler):
    """A route. Concrete classes say which `scope` it needs, for reading and for writing alike."""

    scope: ClassVar[Scope | None] = None  # None: open to nobody, a mistake
    principal: Principal

    def initialize(self, service: Service, keys: KeyRing, kernels: KernelWatch) -> None:
        self.service, self.keys, self.kernels = service, keys, kernels
        self.request_id = f"req_{secrets.token_hex(12)}"
        self._tell_id()
        self._body = bytearray()
        self._body_too_large = self._refused = self._gone = False
        self._work: asyncio.Future[None] | None = None

    # --- the gate ---

    async def prepare(self) -> None:  # type: ignore[override]
        length = self.request.headers.get("Content-Length") or "0"
        if not length.isdecimal():
            raise InvalidRequest("The header Content-Length is not a number.")
        if int(length) > MAX_BODY:
            raise _too_large()
        try:
            await self._admit()
        except UmlError as error:
            self._refuse(error)

    async def _admit(self) -> None:
        if not self.check_host():
            raise PermissionDenied("This host name is not served here.")
        self.principal = await self._authenticate()
        if not self.principal.by_key:
            self._check_browser()
        if self.scope not in self.principal.scopes:
            raise PermissionDenied(f"This key lacks the scope {self.scope!r}.")

    def _refuse(self, error: UmlError) -> None:
        """Answer with `error` once the body has been read. An answer in the middle of it would close the connection,
        and a client that is still sending would see a reset instead of the answer."""

        async def refuse(*_: str) -> None:
            raise error

        self._refused = True
        setattr(self, (self.request.method or "get").lower(), refuse)

    async def _authenticate(self) -> Principal:
        """A key of ours first: a bad one is an error, never a reason to look for a cookie."""
        by_api_key = self._read_api_key()
        words = self.request.headers.get("Authorization", "").split()
        in_url = self.get_query_argument("token", "").startswith(KEY_PREFIX)  # where logs would keep it
        if in_url or (words and words[-1].startswith(KEY_PREFIX)):
            self.current_user = self._jupyter_current_user = None
            proper = not in_url and len(words) == 2 and words[0].lower() in ("bearer", "token")
            principal = self.keys.find(words[-1]) if proper else None
            if principal is None:
                raise AuthenticationFailed("This API key is not valid.")
            return principal
        user = await ensure_async(self.identity_provider.get_user(self))
        self.current_user = self._jupyter_current_user = user
        if by_api_key and not self.identity_provider.is_token_authenticated(self):
            self.current_user = self._jupyter_current_user = user = None  # it was found by a cookie
        if user is None:
            raise AuthenticationFailed(
                "No valid credential. Send an API key or Jupyter's token as `Authorization: Bearer …`."
            )
        action = "read" if self.request.method in ("GET", "HEAD") else "execute"
        if not await ensure_async(self.authorizer.is_authorized(self, user, action, "uml")):
            raise PermissionDenied("Jupyter's authorizer does not allow this.")
        return JUPYTER_USER

    def _read_api_key(self) -> bool:
        """Whether the credential is in the header X-Api-Key, where Anthropic's clients put it."""
        headers = self.request.headers
        if "X-Api-Key" not in headers or "Authorization" in headers:
            return False
        headers["Authorization"] = f"Bearer {headers['X-Api-Key']}"
        return True

    def _check_browser(self) -> None:
        """What a cookie alone must not do: act for a page of another site."""
        try:
            if not self.check_origin():
                raise PermissionDenied("Requests from this origin are not allowed.")
            if self.request.method not in ("GET", "HEAD", "OPTIONS"):
                self.check_xsrf_cookie()
        except HTTPError as error:
            raise PermissionDenied(
                "The XSRF token is missing or wrong. Programs send Jupyter's token as `Authorization: Bearer …`; "
                "a server without a token can be written to from its own pages only."
            ) from error

    def check_xsrf_cookie(self) -> None:
        # Tornado calls this before `prepare`, when it is not known yet who asks; `_check_browser` calls it again.
        if getattr(self, "_jupyter_current_user", None) is not None:
            super().check_xsrf_cookie()

    def data_received(self, chunk: bytes) -> None:
        if len(self._body) + len(chunk) > MAX_BODY:
            self._body_too_large = True
            self._body.clear()
        elif not (self._body_too_large or self._refused):
            self._body += chunk

    def parse(self, model: type[Body]) -> Body:
        """The request's body as `model`.

        Raises:
            InvalidRequest: not JSON, or a field is wrong; `param` names it.
            PayloadTooLarge: it came without a length and was too long.
        """
        if self._body_too_large:
            raise _too_large()
        return parse(model, bytes(self._body))

    def hold(self, keep_alive: float | None = None) -> Hold:
        """How long the model stays loaded: `keep_alive` seconds, or as long as the kernel that asks lives.

        Whose key is not of this Jupyter server's own user cannot speak for a kernel.
        """
        kernel = self.request.headers.get(KERNEL_HEADER)
        if kernel is None or self.principal.name != JUPYTER_USER.name:
            return Hold(keep_alive)
        return Hold(keep_alive, self.kernels.known(kernel))

    # --- answering ---

    def write_json(self, body: Any, status: int = 200) -> None:
        self.set_status(status)
        self.set_header("Content-Type", "application/json")
        if is_dataclass(body) and not isinstance(body, type):
            body = asdict(body)
        self.finish(orjson.dumps(body))

    async def while_connected(self, work: Coroutine[Any, Any, None]) -> None:
        """Do the work. A client that hangs up cancels it, since nobody waits for an answer any more."""
        self._work = asyncio.ensure_future(work)
        if self._gone:
            self._work.cancel()
        try:
            await self._work
        except ClientGoneError:
            pass
        except asyncio.CancelledError:
            if not self._gone:
                raise

    def on_connection_close(self) -> None:
        self._gone = True
        if self._work is not None:
            self._work.cancel()

    def set_default_headers(self) -> None:
        # Called by Tornado's constructor before `initialize`, and again when an error clears the headers.
        super().set_default_headers()
        if hasattr(self, "request_id"):
            self._tell_id()

    def _tell_id(self) -> None:
        for name in ("X-Request-Id", "request-id"):  # OpenAI's and Anthropic's
            self.set_header(name, self.request_id)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        raised = kwargs.get("exc_info", (None, None, None))[1]
        error = raised if isinstance(raised, UmlError) else _from_status(status_code, self.request_id)
        status = status_of(error) if isinstance(raised, UmlError) else status_code
        for name, value in headers_of(error).items():
            self.set_header(name, value)
        if status == HTTPStatus.UNAUTHORIZED:
            self.set_header("WWW-Authenticate", "Bearer")
        if isinstance(error, PayloadTooLarge):
            self.set_header("Connection", "close")  # the rest of the body is not worth reading
        self.write_json(self.error_body(error), status)

    def error_body(self, error: UmlError) -> dict[str, Any]:
        return plain_error(error)

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        if not isinstance(value, UmlError | HTTPError):
            self.log.error("request %s failed", self.request_id)
            super().log_exception(typ, value, tb)


class UnknownRouteHandler(UmlHandler):
    """Everything below `uml/` that is no route: an error in our shape instead of Jupyter's page."""

    scope = "models:read"

    async def _admit(self) -> None:
        name = self.request.path.rstrip("/").rpartition("v1/")[2]
        if name.partition("/")[0] in NOT_SUPPORTED:
            raise RouteNotFound(f"This server does not support {name} yet.")
        raise RouteNotFound("There is no such route here. Check the spelling: chat is `POST v1/chat/completions`.")


def _too_large() -> PayloadTooLarge:
    return PayloadTooLarge(f"The body is larger than {MAX_BODY >> 20} MiB.")


def _from_status(status: int, request_id: str) -> UmlError:
    """An error that Tornado or Jupyter raised, in our shape and with nothing of its inside."""
    match status:
        case 401:
            return AuthenticationFailed("No valid credential.")
        case 403:
            return PermissionDenied("Not allowed.")
        case 404:
            return RouteNotFound("There is no such route.")
        case 405:
            return MethodNotAllowed("This route does not take this method.")
        case 413:
            return _too_large()
        case _ if 400 <= status < 500:
            return InvalidRequest("The request is not valid.")
        case _:
            return unexpected(request_id)


def unexpected(request_id: str) -> UmlError:
    """An error that nobody foresaw: what it was stands in the log only."""
    return UmlError(f"Something went wrong in the server. Its log tells more under {request_id}.")
