"""Servers of this user that run, and the workers of all servers on this machine."""

from __future__ import annotations

from collections.abc import Iterator

from jupyter_uml.commands.doctor.facts import Facts
from jupyter_uml.commands.doctor.finding import Finding, note, ok, warning
from jupyter_uml.loader.memory.fit import readable


def check_servers(facts: Facts) -> Iterator[Finding]:
    here = facts.installation.version
    answering = [server for server in facts.servers if server.version]
    for server in facts.servers:
        if server.named and not server.version:
            message = f"JUPYTER_UML_URL names {server.url}, where no jupyter_uml answers."
            yield warning("Servers", message, "Start that server, or forget its name:", "unset JUPYTER_UML_URL")
        elif server.version and server.version != here:
            message = f"{server.url} runs jupyter_uml {server.version}; installed is {here}."
            yield warning("Servers", message, "Start it again to have what was installed since.")
    if answering:
        yield ok("Servers", f"{len(answering)} running: {', '.join(server.url for server in answering)}")
    else:
        yield note("Servers", "None of yours is running.", "Start one with JupyterLab, or alone:", "jupyter uml")


def check_workers(facts: Facts) -> Iterator[Finding]:
    lost = [worker for worker in facts.workers if worker.server is None]
    if lost:
        took = readable(sum(worker.memory for worker in lost))
        message = f"{len(lost)} workers outlived their server and hold {took}."
        yield warning("Workers", message, "End them:", f"kill {' '.join(str(worker.pid) for worker in lost)}")
    if len(lost) < len(facts.workers):
        kept = [worker for worker in facts.workers if worker.server is not None]
        servers = len({worker.server for worker in kept})
        took = readable(sum(worker.memory for worker in kept))
        yield ok("Workers", f"{_count(len(kept), 'model')} loaded by {_count(servers, 'server')}, {took}")


def _count(number: int, noun: str) -> str:
    return f"1 {noun}" if number == 1 else f"{number} {noun}s"
