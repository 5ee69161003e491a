"""What people do with the server, and what they were refused, stands in the audit file; secrets stand nowhere."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx2
import pytest

from jupyter_uml.access import read_events
from tests.conftest import Server, launch, wait_until
from tests.server.errors import assert_error
from tests.server.keys import CHAT, new_key


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = launch(tmp_path_factory.mktemp("audited"))
    yield server
    server.stop()


def events(server: Server) -> list[dict[str, Any]]:
    return list(read_events(server.models.parent / "data" / "uml" / "audit.jsonl"))


def last(server: Server) -> dict[str, Any]:
    return events(server)[-1]


def test_each_act_is_there_when_it_is_acknowledged(audited: Server) -> None:
    key = new_key(audited, "models:admin", "models:read", models=["demo"])
    assert last(audited)["action"] == "key.create"
    assert last(audited)["target"] == key.id
    for path, body, action in (
        ("load_model", {"model": "demo"}, "model.load"),
        ("unload_model", {"model": "demo", "force": True}, "model.unload"),
    ):
        answer = key.request("POST", path, body)
        assert answer.status_code == 200
        event = last(audited)
        assert (event["action"], event["outcome"], event["target"]) == (action, "ok", "demo")
        assert (event["principal_id"], event["address"]) == (key.id, "127.0.0.1")
        assert event["request_id"] == answer.headers["X-Request-Id"]
    key.revoke()
    assert (last(audited)["action"], last(audited)["principal_id"]) == ("key.revoke", "jupyter")


def test_what_failed_or_was_refused_is_there_too(audited: Server) -> None:
    key = new_key(audited, "models:admin", models=["demo"])
    assert audited.post("unload_model", {"model": "nope"}).status_code == 404
    assert (last(audited)["outcome"], last(audited)["error"]) == ("failed", "model_not_found")
    assert key.request("POST", "load_model", {"model": "endless"}).status_code == 403
    assert (last(audited)["outcome"], last(audited)["error"]) == ("refused", "permission_denied")


def test_a_flood_of_bad_keys_is_counted_not_written(audited: Server) -> None:
    before = len(events(audited))
    sent = 0
    with httpx2.Client(headers={"Authorization": "Bearer uml_" + "x" * 43}, timeout=60) as client:
        while "details" not in last(audited) and sent < 5000:
            assert client.get(f"{audited.url}/models").status_code == 401
            sent += 1
    wait_until(lambda: last(audited)["action"] == "request.refused")
    new = events(audited)[before:]
    assert {event["action"] for event in new} == {"request.refused"}
    assert 5 <= len(new) < sent
    assert sum(event.get("details", {}).get("others_before", 0) for event in new) > 0


def test_secrets_stand_nowhere(audited: Server) -> None:
    key = new_key(audited, "models:read")
    key.request("GET", "models")
    httpx2.get(f"{audited.url}/models", params={"token": key.secret})
    httpx2.get(f"{audited.url}/nope?api_key={key.secret}")
    httpx2.get(f"{audited.url}/models", params={"token": audited.token})
    httpx2.get(f"{audited.url}/models", headers={"Authorization": f"Bearer {key.secret[:-1]}"})
    folder = audited.models.parent
    files = [audited.log, *(path for path in (folder / "data").rglob("*") if path.is_file())]
    assert any(path.name == "audit.jsonl" for path in files)
    for path in files:
        content = path.read_bytes()
        assert key.secret[4:-1].encode() not in content, path
        assert audited.token.encode() not in content, path


def test_a_model_that_a_key_may_not_use_is_not_there_for_it(audited: Server) -> None:
    key = new_key(audited, "models:read", "models:admin", "infer", models=["demo"])
    wait_until(lambda: audited.get("models/endless").status_code == 200)
    assert [row["id"] for row in key.request("GET", "models").json()["models"]] == ["demo"]
    assert [row["id"] for row in key.request("GET", "v1/models").json()["data"]] == ["demo"]
    for method, path, body in (
        ("GET", "models/endless", None),
        ("GET", "models/endless/history", None),
        ("GET", "v1/models/endless", None),
        ("POST", "load_model", {"model": "endless"}),
        ("POST", "load_model", {"model": "demo", "draft_model": "endless"}),
        ("POST", "estimate", {"model": "endless"}),
        ("POST", "unload_model", {"model": "endless"}),
        ("POST", "bench_model", {"model": "endless"}),
        ("POST", "pull", {"model": "owner/other", "wait": False}),
        ("POST", "tokenize", {"model": "endless", "content": "Hi"}),
        ("POST", "v1/completions", {"model": "ENDLESS", "prompt": "Hi", "max_tokens": 1}),
    ):
        assert key.request(method, path, body).status_code == 403, path
    unknown = key.request("POST", "v1/completions", {"model": "nope", "prompt": "Hi"})
    assert unknown.status_code == 404
    assert "endless" not in unknown.text
    audited.post("load_model", {"model": "endless"})
    assert 'model="endless"' in audited.get("metrics").text
    assert "endless" not in key.request("GET", "metrics").text
    assert "endless" not in key.request("GET", "health").text


def test_where_nothing_can_be_recorded_nothing_is_done_if_so_configured(tmp_path: Path) -> None:
    server = launch(tmp_path, standalone=True, args=("--UMLApp.on_full_disk=refuse",))
    try:
        assert server.post("v1/chat/completions", CHAT).status_code == 200
        state = tmp_path / "data" / "uml"
        shutil.rmtree(state)
        state.write_bytes(b"")  # where the folder should be
        server.post("load_model", {"model": "demo"})
        for path, body in (("load_model", {"model": "demo"}), ("v1/chat/completions", CHAT)):
            answer = wait_until(lambda path=path, body=body: _refused(server, path, body))  # type: ignore[misc]
            assert_error(answer, 503, "records_unavailable")
            assert int(answer.headers["Retry-After"]) > 0
        assert server.get("models").status_code == 200
        state.unlink()
        wait_until(lambda: server.post("v1/chat/completions", CHAT).status_code == 200)
    finally:
        server.stop()


def test_what_is_recorded_too_slowly_is_not_acknowledged_if_so_configured(tmp_path: Path) -> None:
    server = launch(tmp_path, standalone=True, args=("--UMLApp.on_full_disk=refuse",))
    try:
        with closing(sqlite3.connect(tmp_path / "data" / "uml" / "access.sqlite3", isolation_level=None)) as holder:
            holder.execute("BEGIN IMMEDIATE")
            assert_error(server.post("v1/chat/completions", CHAT), 503, "records_unavailable")
        wait_until(lambda: server.post("v1/chat/completions", CHAT).status_code == 200)
    finally:
        server.stop()


def _refused(server: Server, path: str, body: Any) -> httpx2.Response | None:
    answer = server.post(path, body)
    return answer if answer.status_code == 503 else None
