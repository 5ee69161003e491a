"""Models without a server: the same client, in this process."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from jupyter_uml.client import AsyncUniversalClient, UniversalClient
from jupyter_uml.client.local_transport import LocalTransport
from jupyter_uml.errors import ModelNotFound
from tests.conftest import is_worker, wait_until

QUESTION = "How do I load a model?"
GREEDY: dict[str, Any] = {"temperature": 0, "max_tokens": 12}


@pytest.fixture(autouse=True)
def no_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    for name in ("JUPYTER_UML_URL", "JPY_PARENT_PID", "JUPYTERHUB_SERVICE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path))


@pytest.fixture
def client() -> Iterator[UniversalClient]:
    with UniversalClient() as opened:
        opened.load("demo", n_threads=1)
        yield opened


def workers() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if is_worker(child)]


def test_the_same_verbs(client: UniversalClient) -> None:
    assert client.server() is None
    assert client.health()["loaded"] == ["demo"]
    assert client.model("demo").state == "loaded"
    answer = client.chat(QUESTION, **GREEDY)
    assert answer.text
    assert answer.timings is not None
    assert client.complete("Load", max_tokens=2).usage is not None
    with pytest.raises(ModelNotFound):
        client.chat(QUESTION, model="no-such-model")
    assert client.unload("demo").state == "available"
    assert workers() == []


def test_all_clients_of_a_process_share_the_models(client: UniversalClient) -> None:
    with UniversalClient() as other:
        assert other.model("demo").state == "loaded"
    assert len(workers()) == 1
    assert client.chat(QUESTION, **GREEDY).text


def test_a_client_on_another_event_loop_shares_them_too(client: UniversalClient) -> None:
    async def main() -> str:
        async with AsyncUniversalClient() as other:
            assert (await other.model("demo")).state == "loaded"
            async with other.stream(QUESTION, **GREEDY) as stream:
                text = "".join([chunk.text async for chunk in stream])
            assert text == stream.answer.text
            with pytest.raises(ModelNotFound):
                await other.chat(QUESTION, model="no-such-model")
            async with other.stream(QUESTION, seed=1) as stream:
                await anext(stream)
            return text

    assert asyncio.run(main()) == client.chat(QUESTION, **GREEDY).text
    wait_until(lambda: client.model("demo").active == 0)
    assert len(workers()) == 1


def test_closing_the_last_client_ends_the_workers() -> None:
    client = UniversalClient()
    client.load("demo")
    assert len(workers()) == 1
    client.close()
    assert workers() == []


def test_a_service_of_the_callers_own_is_left_open() -> None:
    from jupyter_uml.service import Service

    async def main() -> None:
        service = Service.create()
        async with AsyncUniversalClient(transport=LocalTransport(service)) as client:
            await client.load("demo")
        assert (await service.model("demo")).state == "loaded"
        await service.aclose()

    asyncio.run(main())
    assert workers() == []


def test_a_script_that_closes_nothing_leaves_nothing() -> None:
    script = "from jupyter_uml.client import UniversalClient\nrow = UniversalClient().load('demo')\nprint(row.pid)\n"
    command = [sys.executable, "-W", "error", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr == ""
    assert not psutil.pid_exists(int(done.stdout))
