"""The Jupyter server extension, and the server that runs without Jupyter around it.

Everything is built here, once, and handed down; no handler reaches for a global.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import re
from dataclasses import fields
from functools import partial
from inspect import cleandoc
from pathlib import Path
from typing import Any

from jupyter_server.extension.application import ExtensionApp
from jupyter_server.serverapp import ServerApp
from jupyter_server.utils import url_path_join
from tornado.web import RequestHandler
from traitlets import Bool, Dict, Enum, Float, Int, List, TraitError, Unicode, Union, default, validate

from jupyter_uml import __version__
from jupyter_uml.access import AUDIT_SCHEMA, REQUEST_SCHEMA, Limits, Turns
from jupyter_uml.access.turns import MAX_WAITING
from jupyter_uml.errors import InvalidRequest
from jupyter_uml.loader.catalog.catalog import Catalog, default_model_dir, default_state_dir
from jupyter_uml.loader.hub.hub import Hub
from jupyter_uml.loader.loader import KEEP_ALIVE, QUEUE_SECONDS
from jupyter_uml.loader.prompt_cache import DISK_BYTES, RAM_BYTES, default_cache_dir, prompt_cache
from jupyter_uml.protocol.endpoints import ENDPOINTS
from jupyter_uml.server.base import UnknownRouteHandler
from jupyter_uml.server.bench import BenchModelHandler
from jupyter_uml.server.cors import Cors
from jupyter_uml.server.docs import DOCS_ROUTES
from jupyter_uml.server.doorway import Doorway
from jupyter_uml.server.endpoint import EndpointHandler
from jupyter_uml.server.gate import Gate, GateSettings
from jupyter_uml.server.health import HEALTH_ROUTES, Readiness, ReadyHandler
from jupyter_uml.server.history import HistoryHandler
from jupyter_uml.server.image_fetcher import ImageFetcher
from jupyter_uml.server.kernels import KernelWatch
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
from jupyter_uml.server.socket import SocketHandler, Sockets
from jupyter_uml.server.usage_routes import USAGE_ROUTES
from jupyter_uml.service import Service
from jupyter_uml.subcommands import SUBCOMMANDS
from jupyter_uml.types.duration import keep_alive_seconds

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
    ("openapi.json", OpenApiHandler, {}),
    ("ws", SocketHandler, {}),
]


class StandaloneServer(ServerApp):
    """A Jupyter server without contents, kernels, terminals or other extensions: sign-in and our routes."""

    default_services = ("auth", "security")  # type: ignore[assignment]

    @default("port")
    def _port_default(self) -> int:
        return 8000

    @default("reraise_server_extension_failures")
    def _reraise_default(self) -> bool:
        return True  # without our routes there is nothing to serve

    def running_server_info(self, kernel_count: bool = True) -> str:
        return f"The model server is running, OpenAI's API at:\n{url_path_join(self.connection_url, 'v1')}"


class UMLApp(ExtensionApp):
    """Universal Model Launcher: loads language models and serves them to notebooks and programs."""

    name = "uml"
    version = __version__
    examples = cleandoc("""
        jupyter uml                                             # OpenAI's API at http://127.0.0.1:8000/v1
        jupyter uml --port 9000 --model-dir ~/models            # more than one folder: name each
        JUPYTER_TOKEN=… jupyter uml --ip 0.0.0.0                # for other machines, with a token that stays
    """)
    aliases = {  # noqa: RUF012  as traitlets wants it
        "port": "ServerApp.port",
        "ip": "ServerApp.ip",
        "model-dir": "UMLApp.model_dirs",
    }
    flags = {"allow-root": ({"ServerApp": {"allow_root": True}}, "Run as root, too.")}  # noqa: RUF012
    classes = [ServerApp]  # noqa: RUF012
    subcommands = SUBCOMMANDS
    description = "Serve language models on this machine, without notebooks. In JupyterLab it runs by itself."
    extension_url = "/uml/health"
    load_other_extensions = False
    serverapp_class = StandaloneServer

    model_dirs = List(
        Unicode(),
        help="Folders searched for GGUF files, with their sub-folders, beside uml/models in Jupyter's data folder.",
    ).tag(config=True)
    cache_dir = Unicode(
        str(default_cache_dir()),
        help="Folder in which computed prompts are kept, so that a cell that is run again after a restart answers at "
        "once. Its files hold what was asked and answered and can be read by this user only. Empty: keep none.",
    ).tag(config=True)
    cache_ram = Int(RAM_BYTES, min=0, help="Bytes of computed prompts that each model keeps in memory, at most.").tag(
        config=True
    )
    cache_disk = Int(DISK_BYTES, min=0, help="Bytes of computed prompts that are kept in `cache_dir`, at most.").tag(
        config=True
    )
    image_hosts = List(
        Unicode(),
        help="Servers, by their names as in URLs, from which images in requests are fetched. Empty: from none; images "
        "come as data: URLs. Names that lead into this machine or its network are refused.",
    ).tag(config=True)
    cors_origins = List(
        Unicode(),
        help="Sites whose pages may use this server with an API key of their own, each exactly as browsers name it: "
        "https://example.org. Empty: none but this server's own pages.",
    ).tag(config=True)
    state_dir = Unicode(
        str(default_state_dir()),
        help="Folder, of this user alone, in which API keys, records of use and the audit file are kept.",
    ).tag(config=True)
    key_limits = Dict(
        Int(),
        help="Limits of API keys that have none of their own: requests_per_minute, requests_per_hour, burst (requests "
        "in a second), tokens_per_minute, max_concurrent.",
    ).tag(config=True)
    user_limits = Dict(Int(), help="The same for Jupyter's users and their notebooks.").tag(config=True)
    max_queue = Int(
        MAX_WAITING, min=0, help="Requests that wait for one model, at most; others are told when to come again."
    ).tag(config=True)
    usage_days = Float(
        30.0, min=0, help="Days for which it is kept who used which model when. Sums by day are kept for two years."
    ).tag(config=True)
    keep_prompts = Bool(False, help="Keep what was asked in the records of use, too.").tag(config=True)
    on_full_disk = Enum(
        ("go_on", "refuse"),
        "go_on",
        help="What to do with requests while the disk does not take their records: go on and tell the log, or refuse.",
    ).tag(config=True)
    hub_endpoint = Unicode(
        help="Address of the hub from which models are pulled, such as a mirror's. Empty: Hugging Face's, or what "
        "HF_ENDPOINT says.",
    ).tag(config=True)
    demo_model = Bool(True, help="Offer the small bundled model `demo`.").tag(config=True)
    other_stores = Bool(
        True, help="Offer what lies in Hugging Face's cache and in the stores of LM Studio and Ollama, too."
    ).tag(config=True)
    keep_alive = Union(
        [Float(), Unicode()],
        default_value=KEEP_ALIVE,
        help='How long a model that nobody uses stays loaded: seconds, or a text such as "30m" or "1h30m"; 0: not at '
        "all, -1: for ever. A request or a profile may say otherwise, and a notebook's models stay while it runs.",
    ).tag(config=True)
    max_model_memory = Int(
        0, min=0, help="Bytes of memory that all loaded models may take together. 0: what the machine has."
    ).tag(config=True)
    queue_seconds = Float(
        QUEUE_SECONDS, min=0, help="How long, in seconds, a model waits to be loaded until others make room for it."
    ).tag(config=True)

    @validate("keep_alive")
    def _in_seconds(self, proposal: Any) -> float:
        try:
            return keep_alive_seconds(proposal["value"])
        except ValueError as error:
            raise TraitError(f"UMLApp.keep_alive {error}.") from error

    @validate("key_limits", "user_limits")
    def _check_limits(self, proposal: Any) -> dict[str, int]:
        name, given = proposal["trait"].name, proposal["value"]
        if unknown := given.keys() - {field.name for field in fields(Limits)}:
            raise TraitError(f"UMLApp.{name}: there is no limit {', '.join(sorted(map(str, unknown)))}.")
        try:
            return Limits(**given).checked().given()
        except InvalidRequest as error:
            raise TraitError(f"UMLApp.{name}: {error.message}") from error

    @default("open_browser")
    def _default_open_browser(self) -> bool:
        return not self._standalone

    @validate("cors_origins")
    def _check_origins(self, proposal: dict[str, Any]) -> list[str]:
        try:
            return sorted(Cors.of(proposal["value"]).origins)
        except ValueError as error:
            raise TraitError(f"cors_origins: {error}") from error

    def initialize_settings(self) -> None:
        logging.getLogger("jupyter_uml").parent = self.log  # what the loader tells stands in Jupyter's log
        folders = [default_model_dir(), *(Path(folder) for folder in self.model_dirs)]
        cache_dir = Path(self.cache_dir).expanduser() if self.cache_dir else None
        cache = partial(prompt_cache, cache_dir, self.cache_ram, self.cache_disk)
        catalog = Catalog.of_user(folders, demo=self.demo_model, other_stores=self.other_stores)
        self.service = Service.over(
            catalog,
            cache,
            hub=Hub(self.hub_endpoint or None),
            limit=self.max_model_memory or None,
            keep_alive=self.keep_alive,
            queue_seconds=self.queue_seconds,
            turns=Turns(self.max_queue),
        )
        self.gate = self._make_gate(Path(self.state_dir).expanduser())
        self.kernels = KernelWatch(self.service.loader, self._living_kernels)
        self._starting: asyncio.Task[None] | None = None
        self.sockets, self.readiness = Sockets(), Readiness(Path(self.state_dir).expanduser())

    def _make_gate(self, folder: Path) -> Gate:
        assert self.serverapp is not None
        events = self.serverapp.event_logger
        assert events is not None
        for schema in (REQUEST_SCHEMA, AUDIT_SCHEMA):
            events.register_event_schema(schema)
        settings = GateSettings(
            key_limits=Limits.from_dict(self.key_limits),
            user_limits=Limits.from_dict(self.user_limits),
            on_full_disk="refuse" if self.on_full_disk == "refuse" else "go_on",
            usage_days=self.usage_days,
            keep_prompts=self.keep_prompts,
            cors=Cors.of(self.cors_origins),
        )
        return Gate(folder, self.service, settings, lambda schema, data: events.emit(schema_id=schema, data=data))

    def initialize_handlers(self) -> None:
        prefixes = ["uml/", ""] if self._standalone else ["uml/"]
        shared = {"service": self.service, "gate": self.gate, "kernels": self.kernels}
        fetching = shared | {"fetcher": ImageFetcher(self.image_hosts)}
        given: dict[type[RequestHandler], dict[str, Any]] = {
            EndpointHandler: fetching | {"doorway": Doorway()},
            ReadyHandler: shared | {"readiness": self.readiness},
            SocketHandler: fetching | {"sockets": self.sockets},
        }
        for path, handler, own in ROUTES:
            passed = given.get(handler, shared) | {"route": _shown(path)} | own
            self.handlers.extend((f"/{prefix}{path}", handler, passed) for prefix in prefixes)
        self.handlers.append((r"/uml(?:/.*)?", UnknownRouteHandler, shared))
        if self._standalone:
            self.handlers.append((r"/v1/.*", UnknownRouteHandler, shared))

    async def _start_jupyter_server_extension(self, serverapp: ServerApp) -> None:
        """Kernels inherit the way to us: an address and a key of their own, which dies with this server."""
        self._starting = asyncio.create_task(self._look_for_models(), name="start")  # Jupyter does not wait for disks
        if serverapp.sock:  # no address that a client could be given
            return
        os.environ["JUPYTER_UML_URL"] = url_path_join(_local_address(serverapp), "uml")
        os.environ["JUPYTER_UML_KEY"] = self.gate.kernel_key()

    async def stop_extension(self) -> None:
        self.readiness.stopping = True
        await self.sockets.close()
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.gather(self._starting, return_exceptions=True)
        await self.kernels.close()
        await self.service.aclose()
        await self.gate.aclose()

    async def _look_for_models(self) -> None:
        try:
            await self.service.loader.start()
            self.readiness.scanned = True
            _collect_less()
        except Exception:
            self.log.exception("looking for models failed")

    def _living_kernels(self) -> list[str]:
        assert self.serverapp is not None
        return list(self.serverapp.kernel_manager.list_kernel_ids())

    @property
    def _standalone(self) -> bool:
        return isinstance(self.serverapp, StandaloneServer)


def _collect_less() -> None:
    """To look for garbage in all that a Jupyter server has imported stops its event loop for a third of a second. What
    is there now is left out from here on, and the rest is gone through as a whole a tenth as often."""
    gc.freeze()
    young, middle, old = gc.get_threshold()
    gc.set_threshold(young, middle, 10 * old)


def _shown(path: str) -> str:
    """A route as people write it."""
    return re.sub(r"\(.*?\)", "{}", path)


def _local_address(serverapp: ServerApp) -> str:
    """Where a process of this machine reaches the server, also where it listens on all addresses."""
    if serverapp.ip in ("", "*", "0.0.0.0", "::"):
        scheme = "https" if serverapp.certfile else "http"
        return f"{scheme}://127.0.0.1:{serverapp.port}{serverapp.base_url}"
    return str(serverapp.connection_url)
