"""Kernels that hold models: who can speak for one, and what happens when it is closed."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import httpx2
import pytest

from jupyter_uml.access import ALL_SCOPES, Principal
from jupyter_uml.loader.catalog.catalog import Catalog
from jupyter_uml.loader.loader import UniversalLoader
from jupyter_uml.server import kernels
from jupyter_uml.server.base import UmlHandler
from jupyter_uml.server.gate import JUPYTER_USER
from jupyter_uml.server.kernels import KERNEL_HEADER, KernelWatch
from jupyter_uml.types import Hold
from tests.conftest import Server, wait_until
from tests.server.socket_client import dial

CHAT = {"model": "demo", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 2}


@pytest.fixture
def kernel(server: Server) -> Iterator[str]:
    """The id of a kernel that runs; it may be closed before the end."""
    kernel_id = httpx2.post(f"{server.root}api/kernels", json={}, headers=server.auth, timeout=30).json()["id"]
    yield kernel_id
    close(server, kernel_id)


@pytest.fixture
def unloaded(server: Server) -> None:
    server.post("unload_model", {"model": "demo"})


def close(server: Server, kernel_id: str) -> None:
    httpx2.delete(f"{server.root}api/kernels/{kernel_id}", headers=server.auth, timeout=30)


def by(kernel_id: str) -> dict[str, str]:
    return {KERNEL_HEADER: kernel_id}


@pytest.mark.usefixtures("unloaded")
@pytest.mark.parametrize("path", ["load_model", "v1/chat/completions"])
def test_a_model_stays_loaded_while_its_kernel_lives(server: Server, kernel: str, path: str) -> None:
    body = {"model": "demo"} if path == "load_model" else CHAT
    assert server.post(path, body, headers=by(kernel)).status_code == 200
    status = server.model()
    assert (status["kernels"], status["expires_in"]) == (1, None)
    close(server, kernel)
    wait_until(lambda: server.model()["kernels"] == 0)
    assert 0 < server.model()["expires_in"] <= 60


@pytest.mark.anyio
@pytest.mark.usefixtures("unloaded")
async def test_so_it_does_when_the_kernel_asks_over_a_socket(server: Server, kernel: str) -> None:
    async with dial(server, server.auth | by(kernel)) as socket:
        await socket.start("a", CHAT)
        await socket.until("done", "a")
    assert server.model()["kernels"] == 1


@pytest.mark.usefixtures("unloaded")
def test_a_load_that_nobody_waits_for_is_held_too(server: Server, kernel: str) -> None:
    assert server.post("load_model", {"model": "demo", "wait": False}, headers=by(kernel)).status_code in (200, 202)
    wait_until(lambda: server.model()["kernels"] == 1)
    close(server, kernel)
    wait_until(lambda: server.model()["kernels"] == 0)


@pytest.mark.usefixtures("unloaded")
def test_a_request_that_says_how_long_does_not_hold_for_its_kernel(server: Server, kernel: str) -> None:
    server.post("v1/chat/completions", {**CHAT, "keep_alive": "10m"}, headers=by(kernel)).raise_for_status()
    assert server.model()["kernels"] == 0
    assert 590 < server.model()["expires_in"] <= 600


@pytest.mark.usefixtures("unloaded")
@pytest.mark.parametrize("name", [str(uuid.UUID(int=1)), "x", "", "a" * 10_000, "../..", "\xe9"])
def test_an_unknown_kernel_holds_nothing(server: Server, name: str) -> None:
    headers: dict[str, str] = {KERNEL_HEADER: name.encode("latin-1")}  # type: ignore[dict-item]
    assert server.post("v1/chat/completions", CHAT, headers=headers).status_code == 200
    assert server.model()["kernels"] == 0


def test_a_key_of_somebody_else_does_not_speak_for_a_kernel() -> None:
    living = str(uuid.uuid4())
    kernels_key, other_key = replace(JUPYTER_USER, by_key=True), Principal("key_1", "jupyter", ALL_SCOPES, by_key=True)
    handler = SimpleNamespace(
        request=SimpleNamespace(headers=by(living)), kernels=SimpleNamespace(known=lambda kernel: kernel)
    )
    for principal, kernel in ((JUPYTER_USER, living), (kernels_key, living), (other_key, None)):
        handler.principal = principal
        assert UmlHandler.hold(cast(UmlHandler, handler), 5.0) == Hold(5.0, kernel)


@pytest.mark.anyio
async def test_it_looks_only_while_there_is_something_to_look_after(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(kernels, "ASKED_SECONDS", 0.05)
    loader, one, two = UniversalLoader(Catalog()), str(uuid.uuid4()), str(uuid.uuid4())
    living = {one, two}
    watch = KernelWatch([loader], lambda: living)

    def looking() -> bool:
        return any(task.get_name() == "kernels" for task in asyncio.all_tasks())

    async def until(wanted: frozenset[str]) -> None:
        async with asyncio.timeout(10):
            while loader.kernels() != wanted:
                await asyncio.sleep(0.01)

    try:
        assert watch.known(str(uuid.uuid4())) is None
        assert not looking()
        await loader.load("demo", hold=Hold(kernel=one))
        await loader.load("demo", hold=Hold(kernel=two))
        assert watch.known(one) == one
        assert looking()
        assert loader.kernels() == {one, two}
        living.discard(one)
        await until(frozenset({two}))
        living.discard(two)
        await until(frozenset())
        async with asyncio.timeout(10):
            while looking():
                await asyncio.sleep(0.01)
    finally:
        await watch.close()
        await loader.close()


@pytest.mark.anyio
async def test_a_kernel_that_asks_just_when_the_looking_ends_is_looked_after(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(kernels, "ASKED_SECONDS", 0.0)
    loader, one = UniversalLoader(Catalog()), str(uuid.uuid4())
    living = {one}
    watch = KernelWatch([loader], lambda: living)
    try:
        watch.known(one)
        (looking,) = (task for task in asyncio.all_tasks() if task.get_name() == "kernels")
        while not looking.done():
            await asyncio.sleep(0)
        monkeypatch.setattr(kernels, "ASKED_SECONDS", 60.0)
        watch.known(one)
        await loader.load("demo", hold=Hold(kernel=one))
        living.discard(one)
        async with asyncio.timeout(5):
            while loader.kernels():
                await asyncio.sleep(0.01)
    finally:
        await watch.close()
        await loader.close()
