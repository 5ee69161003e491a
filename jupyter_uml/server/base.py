"""The gate that every request passes: host, size, who asks, may they, is the body sound."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Coroutine
from dataclasses import asdict, is_dataclass
from http import HTTPStatus
from typing import Any, ClassVar, Final, Literal

import orjson
from tornado.http1connection import HTTP1Connection
from tornado.iostream import StreamClosedError
from tornado.web import HTTPError, stream_request_body

from jupyter_uml.access import KEY_PREFIX, Principal, Scope
from jupyter_uml.errors import (
    InvalidRequest,
    MethodNotAllowed,
    Overloaded,
    PayloadTooLarge,
    PermissionDenied,
    RouteNotFound,
    UmlError,
)
from jupyter_uml.protocol.body import Body, parse
from jupyter_uml.protocol.endpoint import plain_error
from jupyter_uml.protocol.statuses import headers_of, status_of
from jupyter_uml.server.audited import AuditedHandler
from jupyter_uml.server.credentials import READING
from jupyter_uml.server.faults import MAX_BODY, from_status, too_large
from jupyter_uml.server.gate import JUPYTER_USER, Gate
from jupyter_uml.server.kernels import KERNEL_HEADER, KernelWatch
from jupyter_uml.server.stream import ClientGoneError
from jupyter_uml.server.uploads import REFUSED_SECONDS, patience
from jupyter_uml.service import Service
from jupyter_uml.types import Hold

OPEN: Final = "open"  # the scope of what nobody needs a credential for: that the server is alive, and ready
NOT_SUPPORTED = ("images", "audio", "files", "batches", "moderations")

_SECRET = re.compile(KEY_PREFIX + r"[\w%-]{20,}")


@stream_request_body
class UmlHandler(AuditedHandler):
    """A route. Concrete classes say which `scope` it needs, for reading and for writing alike. One that is `OPEN` takes
    no body, and has a `principal` where a credential was sent, which must be a good one then."""

    scope: ClassVar[Scope | Literal["open"] | None] = None  # None: open to nobody, a mistake

    def initialize(self, gate: Gate, service: Service, kernels: KernelWatch, route: str = "unknown") -> None:
        """`route`: as it stands in the list of routes, for figures and records."""
        self.gate, self.service, self.kernels, self.route = gate, service, kernels, route
        self.request_id = f"req_{secrets.token_hex(12)}"
        self._body = bytearray()
        self._body_too_large = self._no_room = self._refused = self._gone = False
        self._work: asyncio.Future[None] | None = None
        self.set_default_headers()

    # --- the gate ---

    async def prepare(self) -> None:  # type: ignore[override]
        length = self.request.headers.get("Content-Length") or "0"
        if not length.isdecimal():
            raise InvalidRequest("The header Content-Length is not a number.")
        if int(length) > MAX_BODY:
            raise too_large()
        self._expect_within(patience(int(length) if "Content-Length" in self.request.headers else MAX_BODY))
        try:
            await self._admit()
        except UmlError as error:
            self.note_refusal(error)
            self._refuse(error)

    async def _admit(self) -> None:
        if not self.check_host():
            raise PermissionDenied("This host name is not served here.")
        self.check_page()
        if self.request.method == "OPTIONS" and "Access-Control-Request-Method" in self.request.headers:
            self._answer_preflight()
            return
        if self.scope == OPEN and not self.shows_credential:
            return
        self.principal = await self.authenticate_request()
        if not self.principal.by_key:
            self.check_browser()
        self.check_scope()
        if self.scope != "infer" and self.request.method not in READING:  # those that infer are let in once parsed
            self.gate.limiter.admit(self.gate.account(self.principal)).close()

    def check_scope(self) -> None:
        """
        Raises:
            PermissionDenied: the credential is good, but not for this.
        """
        if self.scope != OPEN and self.scope not in self.principal.scopes:
            raise PermissionDenied(f"This key lacks the scope {self.scope!r}. {_way_out(self.principal)}")

    def _answer_preflight(self) -> None:
        """What the browser asks before it sends a credential. Nothing is told about who may."""
        headers = self.request.headers
        methods = {name for name in self.SUPPORTED_METHODS if _answers(type(self), name.lower())}
        told = self.gate.cors.preflight(
            headers.get("Origin"),
            headers["Access-Control-Request-Method"],
            headers.get("Access-Control-Request-Headers", ""),
            methods,
        )
        if told is None:
            raise PermissionDenied("Requests from this origin are not allowed.")
        for name, value in told.items():
            self.set_header(name, value)
        self.set_status(HTTPStatus.NO_CONTENT)
        self.finish()

    def options(self, *_: str, **__: str) -> None:
        raise MethodNotAllowed("This route does not take this method.")

    def _refuse(self, error: UmlError) -> None:
        """Answer with `error` once the body has been read. An answer in the middle of it would close the connection,
        and a client that is still sending would see a reset instead of the answer."""

        async def refuse(*_: str) -> None:
            raise error

        self._refused = True
        self._expect_within(REFUSED_SECONDS)
        setattr(self, (self.request.method or "get").lower(), refuse)

    def _expect_within(self, seconds: float) -> None:
        """A connection on which the body has not come by then is closed."""
        if isinstance(self.request.connection, HTTP1Connection):
            self.request.connection.set_body_timeout(seconds)

    def data_received(self, chunk: bytes) -> None:
        if not hasattr(self, "principal") or self.scope == OPEN:  # it is not known yet whose it would be
            return
        if self._body_too_large or self._no_room or self._refused:
            return
        self._body_too_large = len(self._body) + len(chunk) > MAX_BODY
        self._no_room = not (self._body_too_large or self.gate.uploads.take(self.principal.id, len(chunk)))
        if self._body_too_large or self._no_room:
            self._take_body()
        else:
            self._body += chunk

    def _take_body(self) -> bytes:
        """What has come, which is kept no longer: megabytes, which a long answer need not keep."""
        content, self._body = bytes(self._body), bytearray()
        if content:
            self.gate.uploads.give_back(self.principal.id, len(content))
        return content

    def parse(self, model: type[Body]) -> Body:
        """The request's body as `model`.

        Raises:
            InvalidRequest: not JSON, or a field is wrong; `param` names it.
            PayloadTooLarge: it came without a length and was too long.
            Overloaded: too much was sent at the same time.
        """
        if self._body_too_large:
            raise too_large()
        if self._no_room:
            raise Overloaded("Too many large requests come in at the same time. Try again.", retry_after=1)
        return parse(model, self._take_body())

    def hold(self, keep_alive: float | None = None) -> Hold:
        """How long the model stays loaded: `keep_alive` seconds, or as long as the kernel that asks lives.

        Whose key is not of this Jupyter server's own user cannot speak for a kernel.
        """
        kernel = self.request.headers.get(KERNEL_HEADER)
        if kernel is None or (self.principal.by_key and self.principal.id != JUPYTER_USER.id):
            return Hold(keep_alive)
        return Hold(keep_alive, self.kernels.known(kernel))

    async def check_model(self, name: str) -> None:
        """
        Raises:
            PermissionDenied, ModelNotFound: it is none that the principal may use.
        """
        await self.gate.check_model(self.principal, name)

    # --- answering ---

    def write_json(self, body: Any, status: int = 200) -> None:
        self.set_status(status)
        self.tell_limits()
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
        finally:
            self._work = None  # its error holds what was asked, and this handler

    def on_connection_close(self) -> None:
        super().on_connection_close()  # ends the wait for the rest of a body
        self._take_body()
        self._gone = True
        if self._work is not None:
            self._work.cancel()

    def _log(self) -> None:
        """In the access log there is no key, also where somebody put one into the address by mistake."""
        self.request.uri = _SECRET.sub(f"{KEY_PREFIX}[secret]", self.request.uri or "")
        super()._log()

    def on_finish(self) -> None:
        self._take_body()
        self.gate.requests[self.route, self.get_status()] += 1

    @property
    def content_security_policy(self) -> str:
        """Opened as a page, an answer runs and loads nothing."""
        return f"default-src 'none'; {super().content_security_policy}"

    def set_default_headers(self) -> None:
        # Called by Tornado's constructor before `initialize`, by that, and again when an error clears the headers.
        super().set_default_headers()
        if not hasattr(self, "request_id"):
            return
        for name in ("X-Request-Id", "request-id"):  # OpenAI's and Anthropic's
            self.set_header(name, self.request_id)
        for name, value in self.gate.cors.headers(self.request.headers.get("Origin")).items():
            self.set_header(name, value)

    def tell_limits(self) -> None:
        """How much of its limits whoever asks has left; in errors, too."""
        if hasattr(self, "principal"):
            for name, value in self.gate.limit_headers(self.principal).items():
                self.set_header(name, value)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        raised = kwargs.get("exc_info", (None, None, None))[1]
        error = raised if isinstance(raised, UmlError) else from_status(status_code, self.request_id)
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
        if not isinstance(value, UmlError | HTTPError | StreamClosedError):
            # Without the address, which Tornado would write: a token may be in it.
            self.log.error("request %s failed: %s", self.request_id, self.route, exc_info=(typ, value, tb))


class UnknownRouteHandler(UmlHandler):
    """Everything below `uml/` that is no route: an error in our shape instead of Jupyter's page."""

    scope = "models:read"

    async def _admit(self) -> None:
        name = self.request.path.rstrip("/").rpartition("v1/")[2]
        if name.partition("/")[0] in NOT_SUPPORTED:
            raise RouteNotFound(f"This server does not support {name} yet.")
        raise RouteNotFound("There is no such route here. Check the spelling: chat is `POST v1/chat/completions`.")


def _way_out(principal: Principal) -> str:
    """For who lacks a scope."""
    if principal.id != JUPYTER_USER.id:
        return "Ask with one that has it, or with Jupyter's token."
    return (
        "It is the notebook's own. Keys are for people to manage: in the sidebar, by `jupyter uml keys`, or with "
        "Jupyter's token, `UniversalClient(url, api_key=token)`."
    )


def _answers(handler: type[UmlHandler], method: str) -> bool:
    """Whether this kind of handler has a method of its own for it."""
    return any(method in vars(parent) for parent in handler.__mro__[: handler.__mro__.index(UmlHandler)])
