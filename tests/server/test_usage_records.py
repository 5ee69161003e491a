"""One record for each request of a model, however it ended, and on the disk before the answer is over."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.conftest import Server, launch, wait_until
from tests.server.keys import CHAT, new_key
from tests.server.socket_client import ENDLESS, dial

WAY = {
    "v1/completions": {"model": "demo", "prompt": "Hi", "max_tokens": 2},
    "v1/embeddings": {"model": "demo", "input": "Hi"},
    "v1/responses": {"model": "demo", "input": "Hi", "max_output_tokens": 16},
    "v1/messages": {"model": "demo", "max_tokens": 2, "messages": CHAT["messages"]},
    "tokenize": {"model": "demo", "content": "Hi"},
}


@pytest.mark.parametrize("path", WAY)
@pytest.mark.parametrize("stream", [False, True])
def test_every_endpoint_leaves_one(server: Server, path: str, stream: bool) -> None:
    if stream and path in ("v1/embeddings", "tokenize"):
        return
    key = new_key(server)
    answer = key.request("POST", path, WAY[path] | ({"stream": True} if stream else {}))
    assert answer.status_code == 200, answer.text
    (record,) = key.records()
    assert record["request_id"] == answer.headers["X-Request-Id"]
    assert (record["route"], record["model"], record["status"], record["error"]) == (path, "demo", 200, None)
    assert (record["key"], record["name"]) == (key.id, "test")
    assert record["duration"] > 0
    assert (record["tokens_in"] > 0) == (path != "tokenize")
    assert (record["tokens_out"] > 0) == (record["first_token"] is not None) == ("/" in path and "embed" not in path)


def test_the_figures_are_the_answers(server: Server) -> None:
    key = new_key(server)
    usage = key.chat(n=3).json()["usage"]
    (record,) = key.records()
    assert (record["tokens_in"], record["tokens_out"]) == (3 * usage["prompt_tokens"], usage["completion_tokens"])


@pytest.mark.parametrize(
    ("fields", "status", "code", "model"),
    [
        ({"temperature": 99}, 400, "invalid_value", ""),
        ({"model": "nope"}, 404, "model_not_found", ""),
        ({"messages": [{"role": "user", "content": "word " * 4000}]}, 400, "context_length_exceeded", "demo"),
    ],
)
def test_what_fails_is_recorded_as_it_was_answered(
    server: Server, fields: dict[str, Any], status: int, code: str, model: str
) -> None:
    for stream in (False, True):
        key = new_key(server)
        assert key.chat(**fields, stream=stream).status_code == status
        (record,) = key.records()
        assert (record["status"], record["error"], record["model"]) == (status, code, model)
        assert record["tokens_out"] == 0


def test_a_limit_that_is_reached_is_recorded(server: Server) -> None:
    key = new_key(server, requests_per_minute=1)
    key.chat()
    key.chat()
    assert [(row["status"], row["model"]) for row in key.records()] == [(429, "demo"), (200, "demo")]


def test_who_hangs_up_is_recorded_with_what_was_written(server: Server) -> None:
    key = new_key(server)
    with httpx2.stream("POST", f"{server.url}/v1/completions", json=ENDLESS, headers=key.headers, timeout=60) as answer:
        lines = answer.iter_lines()
        for _ in range(8):
            next(lines)
    (record,) = wait_until(key.records)
    assert (record["status"], record["error"]) == (499, "client_gone")
    assert record["tokens_in"] > 0
    assert record["tokens_out"] >= 3


def test_a_stream_that_fails_is_no_success(server: Server) -> None:
    """Its status line said 200; what counts is how it ended."""
    key = new_key(server)
    for path, body in (
        ("v1/completions", ENDLESS),
        ("v1/responses", {"model": "endless", "input": "x", "stream": True}),
    ):
        with httpx2.stream("POST", f"{server.url}/{path}", json=body, headers=key.headers, timeout=60) as answer:
            lines = answer.iter_lines()
            next(lines)
            assert server.post("unload_model", {"model": "endless", "force": True}).status_code == 200
            assert any("aborted" in line or "unloaded" in line for line in lines)
    assert [(row["status"], row["error"]) for row in key.records()] == [(503, "generation_aborted")] * 2


@pytest.mark.anyio
async def test_each_generation_on_a_socket_leaves_one(server: Server) -> None:
    key = await asyncio.to_thread(new_key, server, requests_per_minute=3)
    async with dial(server, headers=key.headers) as socket:
        await socket.hear()
        await socket.start("a", CHAT)
        await socket.until("done", "a")
        await socket.start("b", CHAT | {"model": "nope"})
        await socket.until("error", "b")
        await socket.start("c", ENDLESS, "v1/completions")
        await socket.until("delta", "c")
        await socket.say({"type": "cancel", "id": "c"})
        await socket.until("done", "c")
        await socket.start("d", CHAT)
        heard = await socket.until("error", "d")
    assert heard[-1]["error"]["code"] == "rate_limit_exceeded"
    records = await asyncio.to_thread(key.records)
    assert [row["status"] for row in records] == [429, 499, 404, 200]
    assert records[-1]["route"] == "ws v1/chat/completions"


def test_looking_and_administration_leave_none(server: Server) -> None:
    key = new_key(server, "models:read", "infer")
    key.request("GET", "models")
    key.request("GET", "v1/models")
    assert key.records() == []


def test_a_kill_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    """By the last event of a stream, or by an answer. Read from the file: a new server would be as good."""
    server = launch(tmp_path)
    url, sent = f"{server.url}/v1/chat/completions", 0
    database = tmp_path / "data" / "uml" / "access.sqlite3"
    try:
        for _ in range(10):
            with httpx2.stream("POST", url, json=CHAT | {"stream": True}, headers=server.auth, timeout=60) as answer:
                sent += any(line == "data: [DONE]" for line in answer.iter_lines())
            sent += server.post("v1/chat/completions", CHAT).status_code == 200
        with httpx2.stream("POST", url, json=CHAT | {"stream": True}, headers=server.auth, timeout=60) as answer:
            for line in answer.iter_lines():
                if line == "data: [DONE]":
                    os.kill(server.process.pid, signal.SIGKILL)
                    sent += 1
                    break
    finally:
        server.process.kill()
        server.process.wait()
    connection = sqlite3.connect(database)
    (count,) = connection.execute("SELECT count(*) FROM usage").fetchone()
    connection.close()
    assert sent == count == 21


def test_what_the_end_of_the_server_broke_off_is_recorded(tmp_path: Path) -> None:
    server = launch(tmp_path)
    url = f"{server.url}/v1/completions"
    with httpx2.stream("POST", url, json=ENDLESS, headers=server.auth, timeout=60) as answer:
        lines = answer.iter_lines()
        next(lines)
        server.stop()
        assert "generation_aborted" in "".join(lines)
    connection = sqlite3.connect(tmp_path / "data" / "uml" / "access.sqlite3")
    assert connection.execute("SELECT status, error FROM usage").fetchall() == [(503, "generation_aborted")]
    connection.close()


def test_prompts_are_kept_only_where_it_was_asked_for(server: Server, tmp_path: Path) -> None:
    secret = "a prompt that nobody shall read"
    body = CHAT | {"messages": [{"role": "user", "content": secret}]}
    assert server.post("v1/chat/completions", body).status_code == 200
    state = server.models.parent / "data" / "uml"
    for path in (*state.glob("access.sqlite3*"), state / "audit.jsonl"):
        assert secret.encode() not in path.read_bytes()
        assert path.stat().st_mode & 0o777 == 0o600
    keeping = launch(tmp_path, standalone=True, args=("--UMLApp.keep_prompts=True",))
    try:
        keeping.post("v1/chat/completions", body)
        path = tmp_path / "data" / "uml" / "access.sqlite3"
        connection = sqlite3.connect(path)
        assert connection.execute("SELECT prompt FROM usage").fetchall() == [(f"user: {secret}",)]
        connection.close()
    finally:
        keeping.stop()


LISTENER = """
import json, pathlib

def _jupyter_server_extension_points():
    return [{"module": "listener"}]

def _load_jupyter_server_extension(app):
    async def heard(logger, schema_id, data):
        with pathlib.Path("events.jsonl").open("a") as file:
            print(json.dumps({"schema": schema_id, **data}), file=file)
    for schema in ("urn:jupyter-uml:request", "urn:jupyter-uml:audit"):
        app.event_logger.add_listener(schema_id=schema, listener=heard)
"""


def test_whoever_listens_to_jupyters_events_hears_of_requests_and_acts(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    (work / "listener.py").write_text(LISTENER)
    server = launch(tmp_path, args=("--ServerApp.jpserver_extensions=listener=True",))
    try:
        answer = new_key(server).chat()
        events = work / "events.jsonl"
        wait_until(lambda: events.exists() and len(events.read_text().splitlines()) == 2)
        made, asked = map(json.loads, events.read_text().splitlines())
        assert (made["schema"], made["action"]) == ("urn:jupyter-uml:audit", "key.create")
        assert (asked["schema"], asked["status"]) == ("urn:jupyter-uml:request", 200)
        assert asked["request_id"] == answer.headers["X-Request-Id"]
    finally:
        server.stop()
