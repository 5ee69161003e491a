"""The documentation as pages: `docs` for HTTP, `docs/socket` for the WebSocket. Nothing in them comes from afar."""

from __future__ import annotations

from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote

import orjson
from tornado.escape import xhtml_escape
from tornado.template import Loader

from jupyter_uml.errors import AuthenticationFailed, RouteNotFound
from jupyter_uml.protocol.endpoints import ENDPOINTS
from jupyter_uml.protocol.field_table import values
from jupyter_uml.protocol.sockets.asyncapi import document
from jupyter_uml.protocol.sockets.session import MAX_GENERATIONS
from jupyter_uml.server.base import UmlHandler
from jupyter_uml.server.faults import MAX_BODY
from jupyter_uml.server.web_socket import GREETING_SECONDS, PING_SECONDS

PAGES = Path(__file__).parent / "pages"
BUILT = PAGES / "swagger"  # by `npm run docs`; git does not have it, packages do
# Scripts, styles and data of this server only. `frame-ancestors`: JupyterLab may show it in a tab.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
_FILES = {
    "docs.css": (PAGES, "text/css"),
    "docs.js": (PAGES, "text/javascript"),
    "swagger-ui.css": (BUILT, "text/css"),
    "swagger-ui-bundle.js": (BUILT, "text/javascript"),
    "swagger-ui-bundle.js.LICENSE.txt": (BUILT, "text/plain"),
    "LICENSE": (BUILT, "text/plain"),
    "NOTICE": (BUILT, "text/plain"),
}
_templates = Loader(str(PAGES), whitespace="all")


class PageHandler(UmlHandler):
    """A page for people: also what it answers to whoever has not signed in is one, where a browser asks."""

    scope = "models:read"
    path: ClassVar[str]

    @property
    def root(self) -> str:
        """The address of all routes, as the browser sees it; empty at the root of the server."""
        return self.request.path.removesuffix(f"/{self.path}")

    @property
    def content_security_policy(self) -> str:
        return POLICY

    def write_page(self, template: str, **values: Any) -> None:
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.set_header("Referrer-Policy", "no-referrer")
        self.finish(_templates.load(template).generate(root=self.root, **values))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        raised = kwargs.get("exc_info", (None, None, None))[1]
        wanted = "text/html" in self.request.headers.get("Accept", "")
        if not (wanted and isinstance(raised, AuthenticationFailed)):
            super().write_error(status_code, **kwargs)
            return
        self.set_status(HTTPStatus.UNAUTHORIZED)
        login = f"{self.get_login_url()}?next={quote(self.request.path, safe='/')}"
        self.write_page("sign_in.html", message=raised.message, login=login)


class DocsHandler(PageHandler):
    path = "docs"

    async def get(self) -> None:
        if not self.principal.by_key:
            self.xsrf_token  # noqa: B018  sets the cookie that `docs.js` reads: it lets the visitor try things out
        self.write_page("docs.html", built=(BUILT / "swagger-ui-bundle.js").is_file())


class SocketDocsHandler(PageHandler):
    path = "docs/socket"

    async def get(self) -> None:
        made = document()
        sections = [
            ("What a client says", _described(made, "fromClient")),
            ("What the server says", _described(made, "toClient")),
        ]
        scheme = "wss" if self.request.protocol == "https" else "ws"
        self.write_page(
            "socket.html",
            address=f"{scheme}://{self.request.host}{self.root}/ws",
            events=f"{scheme}://{self.request.host}{self.root}/events",
            sections=sections,
            words=_words,
            endpoints=[endpoint.path for endpoint in ENDPOINTS],
            greeting=round(GREETING_SECONDS),
            generations=MAX_GENERATIONS,
            megabytes=MAX_BODY >> 20,
            ping=round(PING_SECONDS),
        )


class DocsFileHandler(UmlHandler):
    scope = "models:read"

    async def get(self, name: str) -> None:
        folder, kind = _FILES.get(name, (PAGES, ""))
        if not kind or not (folder / name).is_file():
            raise RouteNotFound("There is no such file.")
        self.set_header("Content-Type", f"{kind}; charset=utf-8")
        self.set_header("Cache-Control", "private, no-cache")  # asked for each time, sent again only when it changed
        self.finish(_content(folder / name))


class AsyncApiHandler(UmlHandler):
    scope = "models:read"

    async def get(self) -> None:
        root = self.request.path.removesuffix("/asyncapi.json")
        scheme = "wss" if self.request.protocol == "https" else "ws"
        here = {
            "host": self.request.host,
            "pathname": root or "/",
            "protocol": scheme,
            "security": [{"$ref": "#/components/securitySchemes/key"}],
        }
        self.write_json({**document(), "servers": {"here": here}})


DOCS_ROUTES: list[tuple[str, type[UmlHandler]]] = [
    (DocsHandler.path, DocsHandler),
    (SocketDocsHandler.path, SocketDocsHandler),
    (r"docs/([A-Za-z0-9][A-Za-z0-9.-]{0,63})", DocsFileHandler),
    ("asyncapi.json", AsyncApiHandler),
]


@cache
def _content(path: Path) -> bytes:
    return path.read_bytes()


def _words(text: str) -> str:
    """As HTML, with what stands in backticks as code."""
    parts = [xhtml_escape(part) for part in text.split("`")]
    return "".join(f"<code>{part}</code>" if place % 2 else part for place, part in enumerate(parts))


def _described(made: dict[str, Any], operation: str) -> list[dict[str, Any]]:
    """The messages of an operation as the page shows them."""
    names = [reference["$ref"].rpartition("/")[2] for reference in made["operations"][operation]["messages"]]
    messages = [made["components"]["messages"][name] for name in names]
    return [{**message, **_details(made, message)} for message in messages]


def _details(made: dict[str, Any], message: dict[str, Any]) -> dict[str, Any]:
    schema = made["components"]["schemas"][message["payload"]["$ref"].rpartition("/")[2]]
    fields = [
        {
            "name": name,
            "kind": values(field),
            "required": name in schema.get("required", ()),
            "description": field.get("description", ""),
        }
        for name, field in schema["properties"].items()
        if name != "type"
    ]
    example = orjson.dumps(message["examples"][0]["payload"], option=orjson.OPT_INDENT_2).decode()
    return {"fields": fields, "example": example}
