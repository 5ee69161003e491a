"""Which running server a command acts on.

That which is named, by `--url` or in the environment; else the one that this process runs under; else any of this
user's, `jupyter uml` before those of notebooks. A server that was named is believed, others have to answer.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from jupyter_core.paths import jupyter_runtime_dir

from jupyter_uml.client.discover import PROBE_SECONDS, Server, inferred_servers, named_server, running_servers
from jupyter_uml.client.http_transport import HTTPTransport, base_url
from jupyter_uml.client.retry import RetryPolicy
from jupyter_uml.errors import UmlError

_PREFIX = "/uml"  # under which a Jupyter server has our routes; `jupyter uml` has them at its root, too


async def find_server(
    url: str = "", environ: Mapping[str, str] = os.environ, runtime_dir: Path | None = None
) -> Server | None:
    """None: no server of this user runs.

    Raises:
        InvalidRequest: `url` is none.
    """
    folder = runtime_dir or Path(jupyter_runtime_dir())
    if url:
        return _named(url, environ, folder)
    if (named := named_server(environ)) is not None:
        return named
    for servers in (inferred_servers(environ, folder), running_servers(folder)):
        if found := await answering(list(servers)):
            return found[0]
    return None


async def answering(servers: list[Server]) -> list[Server]:
    """Those that answer, `jupyter uml` before those that belong to a notebook."""
    here = await asyncio.gather(*(answers(server.url, server.api_key) for server in servers))
    found = [server for server, answer in zip(servers, here, strict=True) if answer]
    alone = await asyncio.gather(*(answers(_root(server.url), server.api_key) for server in found))
    return [server for _, server in sorted(zip(alone, found, strict=True), key=lambda pair: not pair[0])]


async def answers(url: str, api_key: str | None) -> str | None:
    """The version of jupyter_uml that answers at `url`; None: none does."""
    try:
        transport = HTTPTransport(url, api_key, retry=RetryPolicy(connection_attempts=1))
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                return (await transport.health()).version or "?"
        finally:
            await transport.aclose()
    except (UmlError, TimeoutError):
        return None


def _named(url: str, environ: Mapping[str, str], runtime_dir: Path) -> Server:
    """With the key of the environment, or the token of this user's own server at that address. Keys are no arguments:
    everybody on the machine can read those."""
    address = base_url(url)
    return Server(address, environ.get("JUPYTER_UML_KEY") or _own_token(address, runtime_dir), "--url")


def as_owner(server: Server, runtime_dir: Path | None = None) -> Server:
    """The same with its token where it is a server of this user: the key of a kernel, which terminals of JupyterLab
    inherit, does not do for all that its owner may."""
    token = _own_token(server.url, runtime_dir or Path(jupyter_runtime_dir()))
    return replace(server, api_key=token) if token else server


def _own_token(url: str, runtime_dir: Path) -> str | None:
    own = (row.api_key for row in running_servers(runtime_dir) if _comparable(row.url) == _comparable(url))
    return next(own, None)


def _root(url: str) -> str:
    return url.removesuffix(_PREFIX)


def _comparable(url: str) -> str:
    return _root(url.rstrip("/")).replace("//localhost", "//127.0.0.1")
