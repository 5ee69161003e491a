"""One client's batch before a full engine, and a notebook that wants one answer."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
import pytest

from tests.conftest import Server, launch
from tests.server.keys import TestKey, new_key

BODY = {"model": "endless", "prompt": "Tell me", "max_tokens": 60}
BATCH = 60
SECONDS = 60.0


async def ask(client: httpx2.AsyncClient, key: TestKey) -> httpx2.Response:
    return await client.post(f"{key.server.url}/v1/completions", json=BODY, headers=key.headers)


def together() -> httpx2.AsyncClient:
    return httpx2.AsyncClient(timeout=SECONDS, limits=httpx2.Limits(max_connections=200))


@pytest.mark.anyio
async def test_a_batch_does_not_starve_another_key(server: Server) -> None:
    crowd, single = new_key(server), new_key(server)
    await asyncio.to_thread(server.post, "load_model", {"model": "endless"})
    n_parallel = server.model("endless")["settings"]["n_parallel"]
    answered = 0

    async def one() -> None:
        nonlocal answered
        assert (await ask(client, crowd)).status_code == 200
        answered += 1

    async with together() as client, asyncio.timeout(SECONDS):
        batch = [asyncio.create_task(one()) for _ in range(BATCH)]
        while answered < n_parallel:
            await asyncio.sleep(0.001)
        before = answered
        assert (await ask(client, single)).status_code == 200
        passed = answered - before
        await asyncio.gather(*batch)
    assert before + passed < BATCH - 20, "the batch was over already: this says nothing"
    assert passed <= 10 * n_parallel  # what was in the engine, and what came beside it; not the whole batch


@pytest.mark.anyio
async def test_who_finds_the_queue_full_is_told_when_to_come_again(tmp_path: Any) -> None:
    server = launch(tmp_path, standalone=True, args=("--UMLApp.max_queue=2",))
    try:
        crowd, single = new_key(server), new_key(server)
        async with together() as client, asyncio.timeout(SECONDS):
            batch = [asyncio.create_task(ask(client, crowd)) for _ in range(30)]
            answers = await asyncio.gather(*batch[:-1], ask(client, single), batch[-1])
    finally:
        server.stop()
    refused = [answer for answer in answers if answer.status_code != 200]
    assert refused
    for answer in refused:
        assert answer.status_code == 503
        assert answer.json()["error"]["code"] == "overloaded"
        assert int(answer.headers["Retry-After"]) >= 1
    assert answers[-2].status_code == 200  # who had least in the line was not the one to leave it
