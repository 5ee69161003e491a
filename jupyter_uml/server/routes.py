"""All routes. What answers them is imported with this file, which is why the extension itself does without it."""

from __future__ import annotations

import re
from typing import Any

from tornado.web import RequestHandler

from jupyter_uml.protocol.endpoints import ENDPOINTS
from jupyter_uml.server.base import UnknownRouteHandler
from jupyter_uml.server.bench import BenchModelHandler
from jupyter_uml.server.docs import DOCS_ROUTES
from jupyter_uml.server.endpoint import EndpointHandler
from jupyter_uml.server.events import EVENTS_ROUTES
from jupyter_uml.server.generation_routes import GENERATION_ROUTES
from jupyter_uml.server.health import HEALTH_ROUTES
from jupyter_uml.server.history import HistoryHandler
from jupyter_uml.server.key_routes import KEY_ROUTES
from jupyter_uml.server.metrics import MetricsHandler
from jupyter_uml.server.native import (
    EstimateHandler,
    HealthHandler,
    LoadModelHandler,
    ModelHandler,
    ModelsHandler,
    UnloadModelHandler,
)
from jupyter_uml.server.openai import ModelCardHandler, ModelListHandler
from jupyter_uml.server.openapi import OpenApiHandler
from jupyter_uml.server.profile_routes import PROFILE_ROUTES
from jupyter_uml.server.pull import PULL_ROUTES
from jupyter_uml.server.responses import RESPONSE_ROUTES
from jupyter_uml.server.running import RUNNING_ROUTES
from jupyter_uml.server.socket import SocketHandler
from jupyter_uml.server.usage_routes import USAGE_ROUTES

Route = tuple[str, type[RequestHandler], dict[str, Any]]

_MODEL = r"([A-Za-z0-9._:/-]+)"
ROUTES: list[Route] = [
    ("health", HealthHandler, {}),
    ("metrics", MetricsHandler, {}),
    ("models", ModelsHandler, {}),
    (f"models/{_MODEL}/history", HistoryHandler, {}),  # before the one for ids, which may hold slashes
    (f"models/{_MODEL}", ModelHandler, {}),
    ("load_model", LoadModelHandler, {}),
    ("estimate", EstimateHandler, {}),
    ("unload_model", UnloadModelHandler, {}),
    ("bench_model", BenchModelHandler, {}),
    ("v1/models", ModelListHandler, {}),
    (f"v1/models/{_MODEL}", ModelCardHandler, {}),
    *((endpoint.path, EndpointHandler, {"endpoint": endpoint}) for endpoint in ENDPOINTS),
    *((path, handler, {}) for path, handler in (*PULL_ROUTES, *RESPONSE_ROUTES, *DOCS_ROUTES, *HEALTH_ROUTES)),
    *((path, handler, {}) for path, handler in (*KEY_ROUTES, *USAGE_ROUTES, *PROFILE_ROUTES)),
    *((path, handler, {}) for path, handler in (*GENERATION_ROUTES, *RUNNING_ROUTES, *EVENTS_ROUTES)),
    ("openapi.json", OpenApiHandler, {}),
    ("ws", SocketHandler, {}),
]


def rules(
    base_url: str, shared: dict[str, Any], given: dict[type[RequestHandler], dict[str, Any]], *, at_root: bool
) -> list[Route]:
    """The routes below `uml/` and, if so wished, at the root of the server; what else is asked for there gets an error
    in our shape. `shared`: what every handler is given; `given`: by kinds of handlers, those that are given more.
    """
    prefixes = [f"{base_url}uml/", base_url] if at_root else [f"{base_url}uml/"]
    found: list[Route] = []
    for path, handler, own in ROUTES:
        passed = shared | given.get(handler, {}) | {"route": _shown(path)} | own
        found.extend((prefix + path, handler, passed) for prefix in prefixes)
    unknown = ["uml(?:/.*)?", "v1/.*"] if at_root else ["uml(?:/.*)?"]
    return [*found, *((base_url + pattern, UnknownRouteHandler, shared) for pattern in unknown)]


def _shown(path: str) -> str:
    """A route as people write it."""
    return re.sub(r"\(.*?\)", "{}", path)
