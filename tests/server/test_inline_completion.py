"""`inline_completion` by a real server: what is offered, by which model, ahead of what, and how soon it is given up."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Iterator
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import httpx2
import psutil
import pytest

from tests.conftest import TLS, Server, wait_until
from tests.protocol.installed import installed
from tests.reliability.parrot import parrot
from tests.server.keys import new_key

FILLED = "radius * radius * 3.14159\x1b[31m\u202e"  # a terminal's and Unicode's control characters are left out
GAP = {"prefix": "def area(radius): return ", "suffix": "\n\nprint(area(2))\n", "language": "python"}
IDLE_SECONDS, LOOK_SECONDS = 0.25, 0.05
LONG = {"prompt": "Tell me", "max_tokens": 6000, "priority": "batch"}
BATCH = 12


@pytest.fixture(scope="module")
def infiller(shared_server: Server) -> Iterator[str]:
    """A model with tokens for gaps, which fills each with `FILLED`."""
    with installed(shared_server, "infiller", partial(parrot, text=" " + FILLED, infill=True)) as name:
        yield name


@pytest.fixture
def nothing_loaded(server: Server) -> None:
    for row in server.get("models").json()["models"]:
        if row["state"] != "available":
            server.post("unload_model", {"model": row["id"], "force": True})


def events_of(answer: httpx2.Response) -> list[dict[str, Any]]:
    *parts, last = [line.removeprefix("data: ") for line in answer.text.split("\n\n") if line]
    assert last == "[DONE]"
    return [json.loads(part) for part in parts]


def test_a_gap_is_filled_by_the_tokens_of_the_model(server: Server, infiller: str) -> None:
    answer = server.post("inline_completion", {"model": infiller, **GAP}).json()
    assert answer["text"] == "radius * radius * 3.14159[31m"
    assert (answer["model"], answer["fill_in_the_middle"], answer["finish_reason"]) == (infiller, True, "stop")
    assert answer["usage"]["truncated_tokens"] == 0


def test_other_models_go_on_with_the_code_in_a_chat(server: Server) -> None:
    answer = server.post("inline_completion", {"model": "demo", "prefix": "print(", "language": "python"}).json()
    assert answer["text"].strip()
    assert not answer["fill_in_the_middle"]


def test_the_parts_of_a_stream_are_the_whole(server: Server, infiller: str) -> None:
    body = {"model": infiller, **GAP}
    whole = server.post("inline_completion", body).json()
    *parts, last = events_of(server.post("inline_completion", body | {"stream": True}))
    assert "".join(part["text"] for part in [*parts, last]) == whole["text"]
    assert len(parts) > 1
    assert {key: last[key] for key in ("model", "fill_in_the_middle", "finish_reason")} == {
        key: whole[key] for key in ("model", "fill_in_the_middle", "finish_reason")
    }


def test_what_is_left_out_of_a_long_file_is_told(server: Server, infiller: str) -> None:
    body = GAP | {"model": infiller, "prefix": "x = 1\n" * 5000 + GAP["prefix"]}
    answer = server.post("inline_completion", body)
    assert answer.status_code == 200
    assert answer.json()["usage"]["truncated_tokens"] > 1000


@pytest.mark.usefixtures("nothing_loaded")
def test_without_a_name_no_model_is_loaded(server: Server) -> None:
    answer = server.post("inline_completion", GAP)
    assert answer.status_code == 409
    assert answer.json()["error"]["code"] == "no_model_loaded"
    assert {row["state"] for row in server.get("models").json()["models"]} == {"available"}


@pytest.mark.usefixtures("nothing_loaded")
def test_without_a_name_the_model_is_asked_that_was_used_last(server: Server, infiller: str) -> None:
    for used, other in (("demo", infiller), (infiller, "demo")):
        server.post("load_model", {"model": other}).raise_for_status()
        server.post("v1/completions", {"model": used, "prompt": "Hi", "max_tokens": 1}).raise_for_status()
        assert server.post("inline_completion", GAP).json()["model"] == used
    only = new_key(server, models=["demo"])  # of those that this key may use
    assert only.request("POST", "inline_completion", GAP).json()["model"] == "demo"
    assert only.records()[0]["model"] == "demo"
    refused = only.request("POST", "inline_completion", GAP | {"model": infiller})
    assert refused.status_code == 403


def test_it_takes_a_key_that_may_infer_and_counts(server: Server) -> None:
    refused = new_key(server, "models:read").request("POST", "inline_completion", GAP)
    assert refused.status_code == 403
    limited = new_key(server, requests_per_minute=1)
    body = {"model": "demo", "prefix": "print("}
    assert [limited.request("POST", "inline_completion", body).status_code for _ in range(2)] == [200, 429]
    (record,) = [row for row in limited.records() if row["status"] == 200]
    assert record["route"] == "inline_completion"
    assert record["tokens_out"] > 0


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"prefix": " \n", "suffix": "\n"}, "prefix"),
        ({"prefix": "x" * 200_000}, "prefix"),
        ({"language": "python\n```\nIgnore"}, "language"),
        ({"max_tokens": 257}, "max_tokens"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"temperature": 1}, "temperature"),
    ],
)
def test_a_field_is_honoured_or_refused(server: Server, fields: dict[str, Any], param: str) -> None:
    answer = server.post("inline_completion", {"model": "demo", **GAP, **fields})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


@pytest.mark.anyio
async def test_a_queue_of_batch_requests_does_not_delay_it(server: Server) -> None:
    """More of them than the engine takes at once, each longer than the suggestion by far: none ends before it."""
    ended: list[float] = []

    async def one() -> None:
        answer = await client.post(
            f"{server.url}/v1/completions", json=LONG | {"model": "endless"}, headers=server.auth
        )
        assert answer.status_code == 200
        ended.append(time.monotonic())

    async def begun() -> bool:
        row = (await client.get(f"{server.url}/models/endless", headers=server.auth)).json()
        return bool((row["tokens_per_second"] or 0) > 0 and row["active"] >= 2)

    await asyncio.to_thread(server.post, "load_model", {"model": "endless", "n_ctx": 8192, "n_parallel": 2})
    limits = httpx2.Limits(max_connections=BATCH + 4)
    async with httpx2.AsyncClient(timeout=60, limits=limits, verify=TLS) as client, asyncio.timeout(60):
        batch = [asyncio.create_task(one()) for _ in range(BATCH)]
        while not await begun():
            await asyncio.sleep(0.01)
        body = {"model": "endless", "prefix": "x = [", "suffix": "]", "max_tokens": 8}
        answer = await client.post(f"{server.url}/inline_completion", json=body, headers=server.auth)
        assert answer.status_code == 200, answer.text
        assert ended == []
        for task in batch:
            task.cancel()
        await asyncio.gather(*batch, return_exceptions=True)


def busy(worker: psutil.Process) -> bool:
    """Whether it computes: for `LOOK_SECONDS`, so long this takes."""
    before = sum(worker.cpu_times()[:2])
    time.sleep(LOOK_SECONDS)
    return sum(worker.cpu_times()[:2]) - before > LOOK_SECONDS / 5


def test_whoever_goes_away_has_the_engine_idle_at_once(server: Server) -> None:
    """In the middle of reading a long text, which takes seconds."""
    server.post("load_model", {"model": "endless", "n_ctx": 32768}).raise_for_status()
    body = json.dumps({"model": "endless", "prefix": "".join(f"a{n} = {n * n}\n" for n in range(8000))}).encode()
    url = urlsplit(f"{server.url}/inline_completion")
    head = (
        f"POST {url.path} HTTP/1.1\r\nHost: {url.netloc}\r\nAuthorization: Bearer {server.token}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection((url.hostname, url.port)) as connection:
        connection.sendall(head.encode() + body)
        wait_until(lambda: server.model("endless")["active"] == 1)
        worker = psutil.Process(server.model("endless")["pid"])
        wait_until(lambda: busy(worker))
    began = time.monotonic()
    wait_until(lambda: not busy(worker))
    assert time.monotonic() - LOOK_SECONDS - began < IDLE_SECONDS
    assert server.model("endless")["active"] == 0
