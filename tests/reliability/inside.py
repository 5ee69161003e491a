"""A server extension for tests: what the server holds that cannot be seen from outside."""

from __future__ import annotations

import asyncio
import gc
import json
import threading
from typing import Any

import psutil
from jupyter_server.base.handlers import APIHandler
from jupyter_server.serverapp import ServerApp
from tornado import web


class InsideHandler(APIHandler):
    """`GET inside`: after a collection of garbage, so that only what is really held counts."""

    @web.authenticated
    def get(self) -> None:
        gc.collect()
        process = psutil.Process()
        held = {
            "tasks": sorted(
                task.get_name() + " " + getattr(task.get_coro(), "__qualname__", "") for task in asyncio.all_tasks()
            ),
            "descriptors": process.num_fds(),
            "threads": sorted(thread.name for thread in threading.enumerate()),
            "memory": process.memory_info().rss,
        }
        self.finish(json.dumps(held))


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    return [{"module": "tests.reliability.inside"}]


def _load_jupyter_server_extension(server: ServerApp) -> None:
    server.web_app.add_handlers(".*$", [(f"{server.base_url}inside", InsideHandler)])
