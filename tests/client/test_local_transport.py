"""Models without a server: the same client, in this process."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncGenerator, Iterator
from typing import Any

import psutil
import pytest

from jupyter_uml.client import AsyncUniversalClient, UniversalClient
from jupyter_uml.client import client as client_module
from jupyter_uml.client.local_transport import LocalTransport
from jupyter_uml.client.retry import RetryPolicy
from jupyter_uml.errors import ModelNotFound, Overloaded
from jupyter_uml.types import Chunk, GenerateRequest
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
    assert client.health().loaded == ("demo",)
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


def test_the_first_calls_of_a_client_may_come_together(monkeypatch: pytest.MonkeyPatch) -> None:
    async def nobody_after_a_while() -> None:
        await asyncio.sleep(0)

    async def main() -> None:
        async with AsyncUniversalClient() as client:
            rows = await asyncio.gather(*(client.load("demo", n_threads=1) for _ in range(3)))
            assert [row.state for row in rows] == ["loaded"] * 3

    monkeypatch.setattr(client_module, "discover", nobody_after_a_while)
    asyncio.run(main())
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
    script = (
        "from jupyter_uml.client import UniversalClient\nclient = UniversalClient()\nprint(client.load('demo').pid)\n"
        "stream = client.stream('Hi')\nnext(stream)\n"
    )
    command = [sys.executable, "-W", "error", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr == ""
    assert not psutil.pid_exists(int(done.stdout))


class BusyService:
    """Has a place for whoever asks the third time."""

    def __init__(self) -> None:
        self.asked = 0

    def _refuse(self) -> None:
        self.asked += 1
        if self.asked < 3:
            raise Overloaded("busy", retry_after=0)

    async def health(self) -> dict[str, Any]:
        self._refuse()
        return {"status": "ok"}

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Chunk, None]:
        self._refuse()
        yield Chunk(request.id, "whole")
        yield Chunk(request.id, finish_reason="stop")


@pytest.mark.parametrize("verb", ["health", "chat"])
def test_what_is_refused_for_now_is_asked_again_as_over_http(verb: str) -> None:
    async def ask(deadline: float) -> Any:
        transport = LocalTransport(BusyService(), retry=RetryPolicy(deadline=deadline))  # type: ignore[arg-type]
        async with AsyncUniversalClient(transport=transport) as client:
            return await (client.health() if verb == "health" else client.chat("?", model="m"))

    assert asyncio.run(ask(5))
    with pytest.raises(Overloaded):
        asyncio.run(ask(0))
