"""Finds the server that this process belongs to. Reads the environment and Jupyter's runtime files, then asks.

In this order: `JUPYTER_UML_URL` and `JUPYTER_UML_KEY` (the extension sets them, kernels inherit them, people may set
them too); the server whose process started this kernel; JupyterHub's variables; any running server that knows this
kernel. A place that was named is believed; one that was inferred has to answer first.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

PROBE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Server:
    """`url` is the base of jupyter_uml's routes. The key stays out of its repr."""

    url: str
    api_key: str | None = None
    source: str = ""

    def __repr__(self) -> str:
        return f"Server(url={self.url!r}, source={self.source!r})"


def named_server(environ: Mapping[str, str]) -> Server | None:
    url = environ.get("JUPYTER_UML_URL")
    return Server(url, environ.get("JUPYTER_UML_KEY") or None, "environment") if url else None


def inferred_servers(environ: Mapping[str, str], runtime_dir: Path) -> Iterator[Server]:
    """Servers that may be this process's own, the likeliest first; none has been asked yet."""
    parent = environ.get("JPY_PARENT_PID", "")
    if parent.isdigit():
        yield from _from_file(runtime_dir / f"jpserver-{parent}.json", "parent process")
    hub = _from_hub(environ)
    if hub is not None:
        yield hub


def running_servers(runtime_dir: Path) -> Iterator[Server]:
    """Every Jupyter server of this user whose process is alive."""
    for path in sorted(runtime_dir.glob("jpserver-*.json")):
        pid = path.stem.removeprefix("jpserver-")
        if pid.isdigit() and _alive(int(pid)):
            yield from _from_file(path, "runtime file")


def _from_file(path: Path, source: str) -> Iterator[Server]:
    try:
        info = json.loads(path.read_text("utf-8"))
        url, token = str(info["url"]), str(info.get("token") or "")
    except (OSError, ValueError, KeyError, AttributeError):
        return
    yield Server(_reachable(url).rstrip("/") + "/uml", token or None, source)


def _from_hub(environ: Mapping[str, str]) -> Server | None:
    url, token = environ.get("JUPYTERHUB_SERVICE_URL"), environ.get("JUPYTERHUB_API_TOKEN")
    prefix = environ.get("JUPYTERHUB_SERVICE_PREFIX", "/")
    if not url or not token:
        return None
    parts = urlsplit(_reachable(url))
    return Server(urlunsplit((parts.scheme, parts.netloc, prefix.rstrip("/") + "/uml", "", "")), token, "JupyterHub")


def _reachable(url: str) -> str:
    """An address to listen on, made one to connect to."""
    return url.replace("//0.0.0.0", "//127.0.0.1").replace("//[::]", "//[::1]")


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def own_kernel_id() -> str | None:
    """The id under which the Jupyter server knows this kernel; None outside a kernel."""
    module = sys.modules.get("ipykernel.kernelapp")
    app = getattr(module, "IPKernelApp", None)
    if app is None or not app.initialized():
        return None
    name = Path(str(app.instance().connection_file)).stem
    return name.removeprefix("kernel-") if name.startswith("kernel-") else None


async def discover(environ: Mapping[str, str] | None = None, runtime_dir: Path | None = None) -> Server | None:
    """The server to use, or None where there is none."""
    environ = os.environ if environ is None else environ
    named = named_server(environ)
    if named is not None:
        return named
    folder = runtime_dir or _runtime_dir()
    kernel = own_kernel_id()
    for server in inferred_servers(environ, folder):
        if await _answers(server, "/health"):
            return server
    if kernel is not None:
        for server in running_servers(folder):
            if await _answers(server, f"/../api/kernels/{kernel}") and await _answers(server, "/health"):
                return server
    return None


def _runtime_dir() -> Path:
    from jupyter_core.paths import jupyter_runtime_dir

    return Path(jupyter_runtime_dir())


async def _answers(server: Server, path: str) -> bool:
    import httpx2

    url = server.url.removesuffix("/uml") + path.removeprefix("/..") if path.startswith("/..") else server.url + path
    headers: dict[str, Any] = {"Authorization": f"Bearer {server.api_key}"} if server.api_key else {}
    try:
        async with httpx2.AsyncClient(headers=headers, timeout=PROBE_SECONDS, trust_env=False) as http:
            return (await http.get(url)).status_code == 200
    except (httpx2.HTTPError, httpx2.InvalidURL):
        return False
