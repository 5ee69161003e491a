"""All that the server consists of, built once and handed down; no handler reaches for a global.

To import this file takes half a second: that is done when the server has started, or for the first request.
"""

from __future__ import annotations

import asyncio
import gc
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tornado.web import RequestHandler

from jupyter_uml.access import Database, Limits, Turns
from jupyter_uml.defaults import default_model_dir
from jupyter_uml.generations import Generations
from jupyter_uml.live import Live
from jupyter_uml.loader.catalog.catalog import Catalog
from jupyter_uml.loader.hub.hub import Hub
from jupyter_uml.loader.prompt_cache import prompt_cache
from jupyter_uml.server.cors import Cors
from jupyter_uml.server.doorway import Doorway
from jupyter_uml.server.endpoint import EndpointHandler
from jupyter_uml.server.events import MAX_EACH, EventsHandler
from jupyter_uml.server.gate import Gate, GateSettings
from jupyter_uml.server.generation_routes import GENERATION_ROUTES, GenerationOutputHandler
from jupyter_uml.server.health import Readiness, ReadyHandler
from jupyter_uml.server.image_fetcher import ImageFetcher
from jupyter_uml.server.kernels import KernelWatch
from jupyter_uml.server.routes import Route, rules
from jupyter_uml.server.shown import Shown
from jupyter_uml.server.socket import SocketHandler
from jupyter_uml.server.web_socket import Sockets
from jupyter_uml.service import Service

if TYPE_CHECKING:
    from jupyter_uml.server.extension import UMLApp


class Parts:
    """Close them."""

    def __init__(self, app: UMLApp, database: Database, kernel_secret: str) -> None:
        """`app`: the configuration, and the way to Jupyter. `kernel_secret`: the key that kernels have.

        Raises:
            UmlError, OSError: keys or records cannot be read.
        """
        self._app = app
        self.service = _service(app)
        self.gate = _gate(app, self.service, database)
        self.gate.kernel_key(kernel_secret)
        self.generations: Generations[bytes] = Generations()
        holders = (self.service.loader, self.generations)
        self.kernels = KernelWatch(holders, app.living_kernels, app.is_ending)
        self.sockets, self.event_sockets = Sockets(), Sockets(MAX_EACH)
        self.live = Live(self.service, self.gate.running)
        self.readiness = Readiness(database.path.parent)

    def rules(self, *, at_root: bool) -> list[Route]:
        """All routes, with what their handlers need."""
        shared = {"service": self.service, "gate": self.gate, "kernels": self.kernels}
        fetching, kept = {"fetcher": ImageFetcher(self._app.image_hosts)}, {"generations": self.generations}
        given: dict[type[RequestHandler], dict[str, Any]] = {
            EndpointHandler: fetching | kept | {"doorway": Doorway()},
            ReadyHandler: {"readiness": self.readiness},
            SocketHandler: fetching | {"sockets": self.sockets},
            EventsHandler: {"live": self.live, "sockets": self.event_sockets},
            **{handler: kept for _, handler in GENERATION_ROUTES},
            GenerationOutputHandler: kept | {"shown": Shown()},
        }
        return rules(self._app.base_url, shared, given, at_root=at_root)

    async def start(self) -> None:
        """Look for models, which may take as long as disks do."""
        await self.service.loader.start()
        self.readiness.scanned = True
        _collect_less()

    async def aclose(self) -> None:
        self.readiness.stopping = True
        self.live.close()
        await asyncio.gather(self.sockets.close(), self.event_sockets.close())
        await self.kernels.close()
        await self.service.aclose()
        await self.generations.aclose()
        await self.gate.aclose()


def _service(app: UMLApp) -> Service:
    folders = [default_model_dir(), *(Path(folder) for folder in app.model_dirs)]
    cache_dir = Path(app.cache_dir).expanduser() if app.cache_dir else None
    return Service.over(
        Catalog.of_user(folders, demo=app.demo_model, other_stores=app.other_stores),
        partial(prompt_cache, cache_dir, app.cache_ram, app.cache_disk),
        hub=Hub(app.hub_endpoint or None),
        limit=app.max_model_memory or None,
        keep_alive=app.keep_alive,
        queue_seconds=app.queue_seconds,
        turns=Turns(app.max_queue),
    )


def _gate(app: UMLApp, service: Service, database: Database) -> Gate:
    assert app.serverapp is not None
    events = app.serverapp.event_logger
    assert events is not None
    settings = GateSettings(
        key_limits=Limits.from_dict(app.key_limits),
        user_limits=Limits.from_dict(app.user_limits),
        on_full_disk="refuse" if app.on_full_disk == "refuse" else "go_on",
        usage_days=app.usage_days,
        keep_prompts=app.keep_prompts,
        cors=Cors.of(app.cors_origins),
    )
    folder = database.path.parent
    return Gate(folder, service, settings, lambda schema, data: events.emit(schema_id=schema, data=data), database)


def _collect_less() -> None:
    """To look for garbage in all that a Jupyter server has imported stops its event loop for a third of a second. What
    is there now is left out from here on, and the rest is gone through as a whole a tenth as often."""
    gc.freeze()
    young, middle, old = gc.get_threshold()
    gc.set_threshold(young, middle, 10 * old)
