"""API keys over HTTP: made, used, restricted, ended, taken back, on every server of their user; never shown again."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.conftest import Server, launch, wait_until

LIMITS = {"requests_per_minute": 600, "tokens_per_minute": 100_000, "max_concurrent": 8}
CHAT = {"model": "demo", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 4}


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = launch(tmp_path_factory.mktemp("first"))
    yield server
    server.stop()


@pytest.fixture(scope="module")
def second(first: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Of the same user."""
    folder = tmp_path_factory.mktemp("second")
    server = launch(folder, standalone=True, args=(f"--UMLApp.state_dir={state_dir(first)}",), model_dirs=False)
    yield server
    server.stop()


def state_dir(server: Server) -> Path:
    return server.runtime.parent / "data" / "uml"


def create(server: Server, scopes: tuple[str, ...] = ("infer", "models:read"), **more: Any) -> dict[str, Any]:
    made = server.post("keys", {"name": "a program", "scopes": list(scopes), **more})
    assert made.status_code == 200, made.text
    row: dict[str, Any] = made.json()
    return row


def bearer(key: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {key['key']}"}


def status(server: Server, key: dict[str, Any]) -> int:
    return server.get("models", headers=bearer(key)).status_code


def refused(answer: httpx2.Response, status_code: int, param: str | None) -> str:
    """The message of an error."""
    error = answer.json()["error"]
    assert (answer.status_code, error["param"]) == (status_code, param), error
    return str(error["message"])


def audited(server: Server, target: str) -> list[tuple[str, str]]:
    lines = (state_dir(server) / "audit.jsonl").read_text().splitlines()
    return [(row["action"], row["outcome"]) for row in map(json.loads, lines) if row.get("target") == target]


def test_a_key_is_made_used_and_revoked_here_and_on_the_users_other_server(first: Server, second: Server) -> None:
    key = create(first, models=["demo"], expires_in="1h", **LIMITS)
    assert key["key"].startswith("uml_")
    assert (key["name"], key["scopes"], key["models"]) == ("a program", ["infer", "models:read"], ["demo"])
    assert {name: key[name] for name in LIMITS} == LIMITS
    assert 3590 < key["expires_at"] - time.time() <= 3600
    answer = first.post("v1/chat/completions", CHAT, headers=bearer(key))
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-ratelimit-limit-requests"] == "600"
    wait_until(lambda: status(second, key) == 200, 1.0)
    revoked = second.request("DELETE", f"keys/{key['id']}")
    assert (revoked.status_code, revoked.json()["state"]) == (200, "revoked")
    assert status(second, key) == 401
    wait_until(lambda: status(first, key) == 401, 1.0)
    assert audited(first, key["id"]) == [("key.create", "ok"), ("key.revoke", "ok")]


def test_the_secret_is_told_once(first: Server) -> None:
    made = first.post("keys", {"name": "told once", "scopes": ["models:read"]})
    key = made.json()
    assert made.headers["Cache-Control"] == "no-store"
    assert status(first, key) == 200
    later = [first.get("keys"), first.get(f"keys/{key['id']}"), first.post(f"keys/{key['id']}", {"expires_in": 60})]
    later += [first.request("DELETE", f"keys/{key['id']}"), first.get("usage/records"), first.get("metrics")]
    assert all(answer.status_code == 200 for answer in later)
    secret = key["key"]
    assert not any(secret in answer.text or secret[4:] in answer.text for answer in later)
    files = [path for path in first.runtime.parent.rglob("*") if path.is_file()]
    assert first.log in files
    assert not [path for path in files if secret[4:].encode() in path.read_bytes()]


def test_a_key_sees_and_uses_its_models_only(first: Server) -> None:
    key = create(first, ("infer", "models:read", "models:admin"), models=["dem?"])
    headers, foreign = bearer(key), ({"draft_model": "endless"}, {"lora": [{"id": "endless"}]})
    assert [row["id"] for row in first.get("models", headers=headers).json()["models"]] == ["demo"]
    assert [row["id"] for row in first.get("v1/models", headers=headers).json()["data"]] == ["demo"]
    assert first.post("v1/chat/completions", CHAT, headers=headers).status_code == 200
    for path, body in (
        ("v1/chat/completions", {**CHAT, "model": "endless"}),
        ("load_model", {"model": "endless"}),
        ("estimate", {"model": "endless"}),
        ("unload_model", {"model": "endless"}),
        ("bench_model", {"model": "endless"}),
        *((path, {"model": "demo", **more}) for path in ("load_model", "estimate") for more in foreign),
    ):
        assert first.post(path, body, headers=headers).status_code == 403, path


def test_expiry_comes_moves_and_goes(first: Server) -> None:
    key = create(first, expires_in=0.5)
    assert status(first, key) == 200
    wait_until(lambda: status(first, key) == 401, 1.0)
    assert first.get(f"keys/{key['id']}").json()["state"] == "expired"
    assert first.post(f"keys/{key['id']}", {"expires_in": None}).json()["expires_at"] is None
    assert status(first, key) == 200
    assert first.post(f"keys/{key['id']}", {"expires_in": 0.001}).status_code == 200
    wait_until(lambda: status(first, key) == 401, 1.0)
    assert audited(first, key["id"]) == [("key.create", "ok"), ("key.expire", "ok"), ("key.expire", "ok")]


def test_a_key_makes_no_key_that_may_more_than_itself(first: Server) -> None:
    own = {"models": ["demo", "tiny*"], "expires_in": 600, "requests_per_minute": 500}
    admin = bearer(create(first, ("infer", "keys:admin"), **own))

    def ask(scopes: tuple[str, ...] = ("infer",), **more: Any) -> httpx2.Response:
        return first.post("keys", {"name": "a child", "scopes": list(scopes), **more}, headers=admin)

    child = ask().json()
    assert (child["models"], child["requests_per_minute"]) == (own["models"], 500)
    assert 0 < child["expires_at"] - time.time() <= 600
    assert "infer, keys:admin" in refused(ask(("infer", "models:admin")), 403, "scopes")
    assert "demo, tiny*" in refused(ask(models=["endless"]), 403, "models")
    refused(ask(models=["*"]), 403, "models")
    assert "500" in refused(ask(requests_per_minute=501), 403, "requests_per_minute")
    refused(ask(expires_in="1h"), 403, "expires_in")
    prolonged = first.post(f"keys/{child['id']}", {"expires_in": "30d"}, headers=admin)
    assert "revoke" in refused(prolonged, 403, None)
    assert first.post(f"keys/{child['id']}", {"expires_in": 10}, headers=admin).status_code == 200
    stronger = create(first)
    assert first.post(f"keys/{stronger['id']}", {"expires_in": 10}, headers=admin).status_code == 403
    assert first.request("DELETE", f"keys/{stronger['id']}", headers=admin).status_code == 200


def test_the_kernels_key_is_listed_makes_none_and_ends_with_the_server(first: Server) -> None:
    [kernels] = [row for row in first.get("keys").json()["keys"] if row["ephemeral"]]
    assert "keys:admin" not in kernels["scopes"]
    assert "server" in refused(first.post(f"keys/{kernels['id']}", {"expires_in": 5}), 400, "id")


@pytest.mark.parametrize(
    ("wrong", "param", "says"),
    [
        ({"scopes": ["inference"]}, "scopes.0", "'models:read', 'infer', 'models:admin' or 'keys:admin'"),
        ({"scopes": []}, "scopes", "at least 1"),
        ({"name": ""}, "name", "at least 1"),
        ({"name": "a\u0007b"}, "name", "printable"),
        ({"models": []}, "models", "at least 1"),
        ({"models": ["../secret files"]}, "models", "ids of models"),
        ({"expires_in": 0}, "expires_in", '"30d"'),
        ({"expires_in": "tomorrow"}, "expires_in", '"30d"'),
        ({"requests_per_minute": 0}, "requests_per_minute", "1"),
        ({"burst": 1.5}, "burst", "integer"),
        ({"max_concurrent": 10**10}, "max_concurrent", "1000000000"),
        ({"key": "uml_mine"}, "key", "not supported"),
    ],
)
def test_mistakes_are_named(first: Server, wrong: dict[str, Any], param: str, says: str) -> None:
    before = len(first.get("keys").json()["keys"])
    answer = first.post("keys", {"name": "x", "scopes": ["infer"], **wrong})
    assert says in refused(answer, 400, param)
    assert len(first.get("keys").json()["keys"]) == before


def test_no_key_no_change(first: Server) -> None:
    for answer in (
        first.get("keys/key_nobody"),
        first.post("keys/key_nobody", {"expires_in": 5}),
        first.request("DELETE", "keys/key_nobody"),
    ):
        assert answer.status_code == 404
        assert answer.json()["error"]["code"] == "key_not_found"
    assert refused(first.post("keys/key_nobody", {}), 400, "expires_in")


def test_what_cannot_be_recorded_is_not_given(tmp_path: Path) -> None:
    state = tmp_path / "data" / "uml"
    state.mkdir(parents=True)
    (state / "audit.jsonl").symlink_to("/dev/full")
    server = launch(tmp_path, args=("--UMLApp.on_full_disk=refuse",), model_dirs=False)
    try:
        for _ in range(2):
            answer = server.post("keys", {"name": "unrecorded", "scopes": ["infer"]})
            assert answer.status_code == 503
            assert answer.json()["error"]["code"] == "records_unavailable"
        assert [row["state"] for row in server.get("keys").json()["keys"] if row["name"] == "unrecorded"] == ["revoked"]
    finally:
        server.stop()
