"""The Jupyter server extension: its configuration, its start and its end.

What a Jupyter server needs of it at its start is here; what answers requests, `parts.py`, is imported afterwards.
"""

from __future__ import annotations

import asyncio
import logging
import os
from dataclasses import fields
from importlib import import_module
from inspect import cleandoc
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_server.extension.application import ExtensionApp
from jupyter_server.serverapp import ServerApp
from jupyter_server.utils import url_path_join
from tornado.routing import AnyMatches, PathMatches, Rule
from traitlets import Bool, Dict, Enum, Float, Int, List, TraitError, Unicode, Union, default, validate

from jupyter_uml import __version__
from jupyter_uml.access import AUDIT_SCHEMA, REQUEST_SCHEMA, Database
from jupyter_uml.access.files import DATABASE_FILE
from jupyter_uml.access.key import new_secret
from jupyter_uml.defaults import (
    DISK_BYTES,
    KEEP_ALIVE,
    MAX_QUEUE,
    QUEUE_SECONDS,
    RAM_BYTES,
    default_cache_dir,
    default_state_dir,
)
from jupyter_uml.errors import InvalidRequest
from jupyter_uml.server.late_routes import LateRoutes
from jupyter_uml.server.standalone import StandaloneServer
from jupyter_uml.subcommands import SUBCOMMANDS

if TYPE_CHECKING:
    from jupyter_uml.server.parts import Parts

_PARTS = "jupyter_uml.server.parts"


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
        MAX_QUEUE, min=0, help="Requests that wait for one model, at most; others are told when to come again."
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

    # From when it is loaded; Jupyter ends also what it could not load.
    _database: Database | None = None
    _routes: LateRoutes | None = None
    _starting: asyncio.Task[None] | None = None
    _parts: Parts | None = None

    @validate("keep_alive")
    def _in_seconds(self, proposal: Any) -> float:
        from jupyter_uml.types.duration import keep_alive_seconds

        try:
            return keep_alive_seconds(proposal["value"])
        except ValueError as error:
            raise TraitError(f"UMLApp.keep_alive {error}.") from error

    @validate("key_limits", "user_limits")
    def _check_limits(self, proposal: Any) -> dict[str, int]:
        from jupyter_uml.access import Limits

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
        from jupyter_uml.server.cors import Cors

        try:
            return sorted(Cors.of(proposal["value"]).origins)
        except ValueError as error:
            raise TraitError(f"cors_origins: {error}") from error

    def initialize_settings(self) -> None:
        """
        Raises:
            UmlError: the database cannot be opened.
        """
        assert self.serverapp is not None
        assert self.serverapp.event_logger is not None
        logging.getLogger("jupyter_uml").parent = self.log  # what the loader tells stands in Jupyter's log
        for schema in (REQUEST_SCHEMA, AUDIT_SCHEMA):
            self.serverapp.event_logger.register_event_schema(schema)
        self._database = Database(Path(self.state_dir).expanduser() / DATABASE_FILE)
        self._kernel_secret = new_secret()

    def initialize_handlers(self) -> None:
        assert self.serverapp is not None
        web_app = self.serverapp.web_app
        self._routes = LateRoutes(web_app, self._make_routes)
        matcher = AnyMatches() if self._standalone else PathMatches(f"{self.base_url}uml(?:/.*)?")
        web_app.default_router.rules.insert(-1, Rule(matcher, self._routes))  # as `add_handlers` does

    async def _start_jupyter_server_extension(self, serverapp: ServerApp) -> None:
        """Kernels inherit the way to us: an address and a key of their own, which dies with this server."""
        if self._routes is None:  # it could not be loaded, which Jupyter has told
            return
        self._starting = asyncio.create_task(
            self._get_ready(self._routes), name="start"
        )  # Jupyter waits for none of it
        if serverapp.sock:  # no address that a client could be given
            return
        os.environ["JUPYTER_UML_URL"] = url_path_join(_local_address(serverapp), "uml")
        os.environ["JUPYTER_UML_KEY"] = self._kernel_secret

    async def stop_extension(self) -> None:
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.gather(self._starting, return_exceptions=True)
        if self._parts is not None:
            await self._parts.aclose()
        elif self._database is not None:
            self._database.close()

    async def _get_ready(self, routes: LateRoutes) -> None:
        """Imports are made in a thread, where they take longer and hold up nobody."""
        try:
            await asyncio.to_thread(import_module, _PARTS)
            routes.be_ready()
            if self._parts is not None:
                await self._parts.start()
        except Exception:
            self.log.exception("looking for models failed")

    def _make_routes(self) -> list[Any]:
        """With all that answers them."""
        self._parts = import_module(_PARTS).Parts(self, self._database, self._kernel_secret)
        return self._parts.rules(at_root=self._standalone)

    # --- for the parts ---

    @property
    def base_url(self) -> str:
        assert self.serverapp is not None
        return str(self.serverapp.base_url)

    def living_kernels(self) -> list[str]:
        assert self.serverapp is not None
        return list(self.serverapp.kernel_manager.list_kernel_ids())

    def is_ending(self, kernel: str) -> bool:
        """Whether Jupyter is just shutting this kernel down, which also begins its restart."""
        assert self.serverapp is not None
        return bool(getattr(self.serverapp.kernel_manager.get_kernel(kernel), "shutting_down", False))

    @property
    def _standalone(self) -> bool:
        return isinstance(self.serverapp, StandaloneServer)


def _local_address(serverapp: ServerApp) -> str:
    """Where a process of this machine reaches the server, also where it listens on all addresses."""
    if serverapp.ip in ("", "*", "0.0.0.0", "::"):
        scheme = "https" if serverapp.certfile else "http"
        return f"{scheme}://127.0.0.1:{serverapp.port}{serverapp.base_url}"
    return str(serverapp.connection_url)
