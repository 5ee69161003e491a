"""How a client finds the server it belongs to."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

from jupyter_uml.client import discover as module
from jupyter_uml.client.discover import Server, discover, inferred_servers, running_servers
from tests.client.stub_server import Reply, StubServer
from tests.conftest import Server as RealServer


def found(environ: dict[str, str], folder: Path) -> Server | None:
    return asyncio.run(discover(environ, folder))


def write(folder: Path, pid: int | str, url: str, **more: Any) -> None:
    (folder / f"jpserver-{pid}.json").write_text(json.dumps({"url": url, "token": "t", **more}))


def test_a_named_server_is_believed(tmp_path: Path) -> None:
    environ = {"JUPYTER_UML_URL": "http://10.0.0.1/uml", "JUPYTER_UML_KEY": "uml_secret"}
    server = found(environ, tmp_path)
    assert server == Server("http://10.0.0.1/uml", "uml_secret", "environment")
    assert "uml_secret" not in repr(server)


def test_the_parent_process_is_the_server(server: RealServer) -> None:
    environ = {"JPY_PARENT_PID": str(server.process.pid)}
    there = found(environ, server.runtime)
    assert there is not None
    assert (there.url, there.api_key, there.source) == (server.url, server.token, "parent process")


def test_a_server_without_jupyter_uml_is_passed_over(stub: StubServer, tmp_path: Path) -> None:
    write(tmp_path, 12, stub.url.removesuffix("uml"))
    assert found({"JPY_PARENT_PID": "12"}, tmp_path) is None
    stub.answer("health", Reply({"status": "ok"}))
    there = found({"JPY_PARENT_PID": "12"}, tmp_path)
    assert there is not None
    assert there.url == stub.url


def test_jupyterhub(tmp_path: Path) -> None:
    environ = {
        "JUPYTERHUB_SERVICE_URL": "http://0.0.0.0:8888/user/ada/",
        "JUPYTERHUB_SERVICE_PREFIX": "/user/ada/",
        "JUPYTERHUB_API_TOKEN": "hub",
    }
    assert list(inferred_servers(environ, tmp_path)) == [
        Server("http://127.0.0.1:8888/user/ada/uml", "hub", "JupyterHub")
    ]


def test_running_servers_are_those_whose_process_is_alive(tmp_path: Path) -> None:
    write(tmp_path, os.getpid(), "http://[::]:8888/base/")
    write(tmp_path, 2**22 + 1, "http://127.0.0.1:9/")
    write(tmp_path, "notanumber", "http://127.0.0.1:9/")
    (tmp_path / "jpserver-1.json").write_text("{half a fi")
    assert list(running_servers(tmp_path)) == [Server("http://[::1]:8888/base/uml", "t", "runtime file")]


def test_a_running_server_counts_only_if_it_knows_this_kernel(
    server: RealServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    import httpx2

    started = httpx2.post(f"{server.root}api/kernels", headers=server.auth, json={"name": "python3"}, timeout=30)
    kernel = started.json()["id"]
    try:
        monkeypatch.setattr(module, "own_kernel_id", lambda: "00000000-0000-0000-0000-000000000000")
        assert found({}, server.runtime) is None
        monkeypatch.setattr(module, "own_kernel_id", lambda: kernel)
        there = found({}, server.runtime)
        assert there is not None
        assert there.url == server.url
    finally:
        httpx2.delete(f"{server.root}api/kernels/{kernel}", headers=server.auth, timeout=30)


@pytest.mark.parametrize("parent", ["", "x", "-1", "99999999"])
def test_there_is_none(tmp_path: Path, parent: str) -> None:
    assert found({"JPY_PARENT_PID": parent}, tmp_path) is None


def test_outside_a_kernel_there_is_no_kernel_id() -> None:
    assert module.own_kernel_id() is None
