"""Asks for the servers of this user, and looks for the workers of all servers on this machine."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import psutil
from jupyter_core.paths import jupyter_runtime_dir

from jupyter_uml.client.discover import named_server, running_servers
from jupyter_uml.commands.doctor.facts import RunningServer, Worker
from jupyter_uml.commands.running import answers

_WORKER = "jupyter_uml.worker"


async def find_servers() -> tuple[RunningServer, ...]:
    """Those that answer, and the one that the environment names whether it answers or not."""
    named = named_server(os.environ)
    running = [
        server for server in running_servers(Path(jupyter_runtime_dir())) if not named or server.url != named.url
    ]
    servers = [*([named] if named else []), *running]
    versions = await asyncio.gather(*(answers(server.url, server.api_key) for server in servers))
    rows = [
        RunningServer(server.url, version, server is named) for server, version in zip(servers, versions, strict=True)
    ]
    return tuple(row for row in rows if row.version or row.named)


def find_workers() -> tuple[Worker, ...]:
    """Processes that have a model, whoever's they are, as far as they can be seen."""
    found = []
    for process in psutil.process_iter():
        try:
            if _WORKER in process.cmdline():
                found.append(Worker(process.pid, process.memory_info().rss, _server(process)))
        except psutil.Error:
            continue
    return tuple(found)


def _server(worker: psutil.Process) -> int | None:
    """None where the parent is the one that takes in orphans. In a container that number may be a server's."""
    parent = worker.parent()
    if parent is None or not any("python" in word or "jupyter" in word for word in parent.cmdline()[:3]):
        return None
    return parent.pid
