"""`GET running` and its `DELETE`: what is being answered is seen and stopped, however it was asked for."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

import httpx2
import pytest

from tests.conftest import TLS, Server, wait_until
from tests.server.errors import assert_error
from tests.server.keys import TestKey, new_key
from tests.server.socket_client import dial

IDLE_SECONDS = 0.25
ENDLESS: dict[str, Any] = {"model": "endless", "prompt": "Once upon a time", "max_tokens": -1}


@pytest.fixture(autouse=True)
def loaded(server: Server) -> None:
    assert server.post("load_model", {"model": "endless", "n_threads": 1}).status_code == 200


class Asked(Thread):
    """A request under way, and in the end its answer."""

    def __init__(self, server: Server, auth: dict[str, str], **sent: Any) -> None:
        super().__init__(daemon=True)
        self._ask: Callable[[], httpx2.Response] = lambda: httpx2.post(
            f"{server.url}/v1/completions",
            json=ENDLESS | sent.pop("body", {}),
            headers=auth | sent.pop("headers", {}),
            timeout=30,
            verify=TLS,
        )
        self.response: httpx2.Response | None = None

    def run(self) -> None:
        self.response = self._ask()

    def answer(self) -> httpx2.Response:
        self.join(20)
        assert self.response is not None
        return self.response


@contextmanager
def asked(server: Server, auth: dict[str, str] | None = None, **sent: Any) -> Iterator[tuple[Asked, dict[str, Any]]]:
    """It, and its row when it has its first token. It is stopped in the end."""
    thread = Asked(server, auth or server.auth, **sent)
    known = {row["id"] for row in rows(server)}
    thread.start()
    row = wait_until(lambda: next((r for r in rows(server) if r["id"] not in known and r["tokens"]), None))
    try:
        yield thread, row
    finally:
        server.request("DELETE", f"running/{row['id']}")
        thread.answer()


def rows(server: Server, key: TestKey | None = None) -> list[dict[str, Any]]:
    answer = key.request("GET", "running") if key else server.get("running")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["running"]
    return found


def stop(server: Server, id_: str) -> None:
    """Afterwards the engine has nothing to do."""
    began = time.monotonic()
    answer = server.request("DELETE", f"running/{id_}")
    assert answer.status_code == 200, answer.text
    assert answer.json()["id"] == id_
    wait_until(lambda: not server.model("endless")["active"])
    assert time.monotonic() - began < IDLE_SECONDS
    assert not rows(server)


def test_an_answer_that_is_sent_as_a_whole(server: Server) -> None:
    with asked(server) as (request, row):
        assert (row["model"], row["route"], row["own"], row["state"]) == (
            "endless",
            "v1/completions",
            True,
            "answering",
        )
        assert row["question"] == "Once upon a time"
        assert abs(row["started"] - time.time()) < 10
        stop(server, row["id"])
        assert_error(request.answer(), 410, "generation_stopped")
        assert request.answer().headers["X-Request-Id"] == row["id"]


def test_an_answer_that_is_streamed(server: Server) -> None:
    with asked(server, body={"stream": True}) as (request, row):
        stop(server, row["id"])
        events = request.answer().text.strip().split("\n\n")
    assert json.loads(events[-1].partition("data: ")[2])["error"]["code"] == "generation_stopped"
    assert "[DONE]" not in events


def test_several_answers_of_one_request(server: Server) -> None:
    with asked(server, body={"n": 2}) as (request, row):
        assert len(rows(server)) == 1
        stop(server, row["id"])
        assert_error(request.answer(), 410, "generation_stopped")


def test_an_answer_that_is_kept(server: Server) -> None:
    kept = secrets.token_hex(16)
    label = json.dumps({"kind": "cell", "question": "What is it?"})
    headers = {"X-Generation-Id": kept, "X-Generation-Label": label}
    with asked(server, body={"stream": True}, headers=headers) as (request, row):
        assert (row["kind"], row["question"]) == ("cell", "What is it?")
        stop(server, row["id"])
        assert "generation_aborted" in request.answer().text
    assert server.get(f"generations/{kept}").json()["state"] == "stopped"


@pytest.mark.anyio
async def test_an_answer_over_a_socket(server: Server) -> None:
    async with dial(server) as client:
        await client.start("1", ENDLESS | {"stream": True}, "v1/completions")
        await client.until("started", "1")
        (row,) = await asyncio.to_thread(wait_until, lambda: [r for r in rows(server) if r["tokens"]])
        await asyncio.to_thread(stop, server, row["id"])
        last = (await client.until("error", "1"))[-1]
    assert last["error"]["code"] == "generation_stopped"
    assert row["route"] == "ws v1/completions"


def test_one_that_waits_for_its_model(server: Server) -> None:
    body = {"model": "endless", "force": True}
    server.post("unload_model", body)
    request = Asked(server, server.auth, body={"keep_alive": 0})
    request.start()
    (row,) = wait_until(lambda: rows(server))
    if row["state"] == "waiting":  # else it was faster than this test
        assert row["tokens"] == 0
    assert server.request("DELETE", f"running/{row['id']}").status_code == 200
    assert_error(request.answer(), 410, "generation_stopped")
    wait_until(lambda: server.model("endless")["state"] in ("available", "loaded"))


def test_whose_they_are(server: Server) -> None:
    asker, other = new_key(server, "infer"), new_key(server, "infer")
    manager = new_key(server, "infer", "models:admin", models=["demo"])
    with asked(server, asker.headers) as (request, row):
        assert (row["own"], row["question"], row["who"]) == (False, "", "test")  # as its administrator sees it
        assert rows(server, asker)[0]["own"]
        for stranger in (other, manager):
            assert rows(server, stranger) == []
            assert_error(stranger.request("DELETE", f"running/{row['id']}"), 404, "generation_not_found")
        assert_error(asker.request("DELETE", "running/req_0"), 404, "generation_not_found")
        answer = asker.request("DELETE", f"running/{row['id']}")
        assert answer.json()["question"] == "Once upon a time"
        assert_error(request.answer(), 410, "generation_stopped")
    (record,) = asker.records()
    assert (record["status"], record["error"]) == (410, "generation_stopped")
    assert record["tokens_out"] > 0  # what was written counts


def test_it_stands_in_the_audit_file(server: Server) -> None:
    with asked(server) as (_, row):
        stop(server, row["id"])
    lines = [json.loads(line) for line in _audit(server).splitlines()]
    event, late = [line for line in lines if line.get("target") == row["id"]]
    assert (event["action"], event["outcome"]) == ("answer.stop", "ok")
    assert (late["outcome"], late["error"]) == ("failed", "generation_not_found")  # the end of the block came too late


def _audit(server: Server) -> str:
    (path,) = server.runtime.parent.rglob("audit*.jsonl")
    return path.read_text()
