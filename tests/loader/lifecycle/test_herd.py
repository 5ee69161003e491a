"""Fifty programs ask at once, over HTTP, for models that are not loaded."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.conftest import Server, launch
from tests.loader.lifecycle.conftest import NAMES

pytestmark = pytest.mark.anyio
CLIENTS = 50
QUESTION: Any = [{"role": "user", "content": "Who are you?"}]


class Watch:
    """The pids of all workers that a server ever had."""

    def __init__(self, server: Server) -> None:
        self.pids: set[int] = set()
        self.most = 0  # at the same time
        self._server, self._enough = server, threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._enough.wait(0.02):
            workers = [worker.pid for worker in self._server.workers()]
            self.pids.update(workers)
            self.most = max(self.most, len(workers))

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        self._thread.join()


@pytest.fixture
def herd_server(tmp_path: Path) -> Iterator[Server]:
    server = launch(tmp_path)
    yield server
    server.stop()


@pytest.fixture
def small_server(tmp_path: Path, trio: Path, limits: dict[int, int]) -> Iterator[Server]:
    """One of the trio fits at a time."""
    args = (f"--UMLApp.model_dirs={trio}", f"--UMLApp.max_model_memory={limits[1]}")
    server = launch(tmp_path, args=args, model_dirs=False)
    yield server
    server.stop()


async def ask(server: Server, model: str, **fields: Any) -> str:
    """One program, with connections of its own. It does not try again."""
    client = openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key=server.token, max_retries=0, timeout=90)
    async with client:
        answer = await client.chat.completions.create(model=model, messages=QUESTION, **fields)
        (choice,) = answer.choices
        assert choice.finish_reason in ("stop", "length")
        return choice.message.content or ""


async def test_one_load_and_fifty_right_answers(herd_server: Server) -> None:
    with Watch(herd_server) as watch:
        answers = await asyncio.gather(*(ask(herd_server, "demo", temperature=0) for _ in range(CLIENTS)))
        right = await ask(herd_server, "demo", temperature=0)
    assert len(watch.pids) == 1
    assert len(answers) == CLIENTS
    assert set(answers) == {right}


async def test_a_cold_model_that_is_streamed_to_fifty(herd_server: Server) -> None:
    async def stream() -> str:
        client = openai.AsyncOpenAI(base_url=f"{herd_server.url}/v1", api_key=herd_server.token, max_retries=0)
        async with client:
            chunks = await client.chat.completions.create(model="demo", messages=QUESTION, temperature=0, stream=True)
            deltas = [chunk.choices[0].delta.content or "" async for chunk in chunks if chunk.choices]
            return "".join(deltas)

    with Watch(herd_server) as watch:
        answers = await asyncio.gather(*(stream() for _ in range(CLIENTS)))
    assert len(watch.pids) == 1
    assert len(set(answers)) == 1
    assert answers[0]


async def test_fifty_clients_of_three_models_of_which_one_fits_at_a_time(small_server: Server) -> None:
    order: list[str] = []

    async def client(number: int) -> None:
        model = NAMES[number % len(NAMES)]
        text = await ask(small_server, model, max_tokens=10, extra_body={"ignore_eos": True})
        assert text
        order.append(model)

    with Watch(small_server) as watch:
        await asyncio.gather(*(client(number) for number in range(CLIENTS)))
    assert len(order) == CLIENTS
    assert watch.most <= 2, "one that ends, one that begins"
    assert len(watch.pids) <= 6, "nobody is made to wait by loading to and fro"


async def test_a_cold_model_that_cannot_be_loaded_is_tried_once_for_all(herd_server: Server, demo_bytes: bytes) -> None:
    content = bytearray(demo_bytes)
    place = content.find(b"blk.0.attn_q.weight")
    content[place : place + 5] = b"blk.9"  # a whole file in which the model lacks a tensor: only llama.cpp notices
    (herd_server.models / "lacking.gguf").write_bytes(content)
    with Watch(herd_server) as watch:
        ends = await asyncio.gather(*(ask(herd_server, "lacking") for _ in range(CLIENTS)), return_exceptions=True)
    assert len(watch.pids) <= 1
    for end in ends:
        assert isinstance(end, openai.APIStatusError), end
        assert end.status_code == 422
        assert end.code == "model_load_failed"
