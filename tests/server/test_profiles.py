"""Profiles over HTTP: written, used at once, replaced without a loss, deleted; and who may do that."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import jsonschema
import pytest

from jupyter_uml.loader.catalog.setting_fields import SAMPLING, json_schema
from tests.conftest import Server, wait_until
from tests.server.errors import assert_error
from tests.server.keys import new_key

BRIEF = {
    "model": "demo",
    "n_ctx": 512,
    "n_threads": 1,
    "keep_alive": "10m",
    "aliases": ["team/brief"],
    "sampling": {"temperature": 0.2, "stop": ["\n\n"]},
    "system_prompt": 'You are "brief".\nVery.',
}


@pytest.fixture
def clean(server: Server) -> Iterator[Server]:
    server.post("unload_model", {"model": "demo", "force": True})  # another test may have loaded it otherwise
    yield server
    for row in listed(server):
        assert server.request("DELETE", f"profiles/{row['name']}").status_code == 200
    for path in folder(server).glob("*.bak"):
        path.unlink()


def folder(server: Server) -> Path:
    return server.runtime.parent / "config" / "uml" / "profiles"


def put(server: Server, name: str, body: dict[str, Any], **options: Any) -> httpx2.Response:
    return server.request("PUT", f"profiles/{name}", body, **options)


def listed(server: Server, **options: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = server.get("profiles", **options).json()["profiles"]
    return rows


def acts(server: Server, target: str) -> list[tuple[str, str]]:
    lines = (server.runtime.parent / "data" / "uml" / "audit.jsonl").read_text().splitlines()
    return [(row["action"], row["outcome"]) for row in map(json.loads, lines) if row.get("target") == target]


def test_a_profile_is_a_model_as_soon_as_it_is_written(clean: Server) -> None:
    made = put(clean, "brief", BRIEF)
    assert made.status_code == 201, made.text
    row = made.json()
    assert {key: row[key] for key in BRIEF} == BRIEF | {"keep_alive": 600.0}
    assert (row["name"], row["id"], row["reason"]) == ("brief", "brief", None)
    assert listed(clean) == [row]
    assert clean.model("brief")["base"] == "demo"
    clean.post("unload_model", {"model": "demo"})  # a longer context than asked for would be good enough
    loaded = clean.post("load_model", {"model": "team/brief"}).json()
    assert (loaded["settings"]["n_ctx"], loaded["state"]) == (512, "loaded")
    chat = {"model": "brief", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 2}
    assert clean.post("v1/chat/completions", chat).status_code == 200
    shown = clean.post("apply-template", {"model": "brief", "messages": chat["messages"]})
    assert "Very." in shown.text
    clean.post("unload_model", {"model": "demo"})


def test_what_a_person_wrote_is_kept_when_it_is_replaced(clean: Server) -> None:
    folder(clean).mkdir(parents=True, exist_ok=True)
    (folder(clean) / "mine.toml").write_text('# My own words.\nmodel = "demo"\n')
    again = {key: value for key, value in listed_once(clean, "mine").items() if key in ("model", "pin")}
    assert put(clean, "mine", again | {"n_ctx": 256}).status_code == 200
    assert tomllib.loads((folder(clean) / "mine.toml").read_text()) == {"model": "demo", "n_ctx": 256}
    assert "My own words" in (folder(clean) / "mine.toml.bak").read_text()
    assert listed_once(clean, "mine")["n_ctx"] == 256


def listed_once(server: Server, name: str) -> dict[str, Any]:
    row: dict[str, Any] = wait_until(lambda: next((row for row in listed(server) if row["name"] == name), None))
    return row


def test_a_broken_file_is_listed_with_its_mistake_and_can_be_replaced(clean: Server) -> None:
    folder(clean).mkdir(parents=True, exist_ok=True)
    (folder(clean) / "broken.toml").write_text('model = "demo"\nn_ctx = "8k"\n')
    assert "line 2" in listed_once(clean, "broken")["reason"]
    assert put(clean, "broken", {"model": "demo"}).status_code == 200
    assert listed_once(clean, "broken")["reason"] is None


def test_deleted_is_gone_and_its_model_stays(clean: Server) -> None:
    put(clean, "brief", BRIEF)
    deleted = clean.request("DELETE", "profiles/brief")
    assert (deleted.status_code, deleted.json()["n_ctx"]) == (200, 512)
    assert listed(clean) == []
    assert clean.get("models/brief").status_code == 404
    assert clean.get("models/demo").status_code == 200
    error = assert_error(clean.request("DELETE", "profiles/brief"), 404, "profile_not_found")
    assert error["param"] == "name"
    assert acts(clean, "brief")[-3:] == [("profile.save", "ok"), ("profile.delete", "ok"), ("profile.delete", "failed")]


@pytest.mark.parametrize(
    ("name", "change", "status", "param"),
    [
        ("demo", {}, 400, "name"),
        ("Endless", {}, 400, "name"),
        ("other", {}, 400, "name"),  # an alias of the one that is there
        ("new", {"aliases": ["endless"]}, 400, "aliases"),
        ("new", {"aliases": ["a b"]}, 400, "aliases.0"),
        ("..%2Fnew", {}, 400, "name"),
        ("%2e%2e", {}, 400, "name"),
        ("new", {"model": "nobody"}, 404, "model"),
        ("new", {"model": "there"}, 400, "model"),
        ("new", {"n_ctx": 1}, 400, "n_ctx"),
        ("new", {"n_ctxx": 512}, 400, "n_ctxx"),
        ("new", {"wait": False}, 400, "wait"),
        ("new", {"keep_alive": "soon"}, 400, "keep_alive"),
        ("new", {"sampling": {"temperature": 9}}, 400, "temperature"),
        ("new", {"sampling": {"temprature": 1}}, 400, "temprature"),
        ("new", {"sampling": 3}, 400, "sampling"),
        ("new", {"system_prompt": "\x00" * (1 << 18)}, 400, None),  # too large once it is written
    ],
)
def test_a_mistake_is_named_and_nothing_is_written(
    clean: Server, name: str, change: dict[str, Any], status: int, param: str | None
) -> None:
    assert put(clean, "there", {"model": "demo", "aliases": ["other"]}).status_code == 201
    answer = put(clean, name, {"model": "demo"} | change)
    assert assert_error(answer, status)["param"] == param, answer.text
    assert [path.name for path in folder(clean).iterdir()] == ["there.toml"]


def test_a_key_sees_and_changes_the_profiles_of_its_models_only(clean: Server) -> None:
    put(clean, "brief", BRIEF)
    key = new_key(clean, "models:read", "models:admin", models=["endless"])
    assert listed(clean, headers=key.headers) == []
    for answer in (
        put(clean, "mine", {"model": "demo"}, headers=key.headers),
        put(clean, "mine", {"model": "endless", "draft_model": "demo"}, headers=key.headers),
        put(clean, "brief", {"model": "endless"}, headers=key.headers),
        key.request("DELETE", "profiles/brief"),
    ):
        assert_error(answer, 403, "permission_denied")
    assert put(clean, "mine", {"model": "endless"}, headers=key.headers).status_code == 201
    assert [row["name"] for row in listed(clean, headers=key.headers)] == ["mine"]
    assert key.request("DELETE", "profiles/mine").status_code == 200
    by_alias = new_key(clean, "models:read", models=["team/*"])
    assert [row["name"] for row in listed(clean, headers=by_alias.headers)] == ["brief"]
    reader = new_key(clean, "models:read")
    assert [row["name"] for row in listed(clean, headers=reader.headers)] == ["brief"]
    assert_error(put(clean, "x", {"model": "demo"}, headers=reader.headers), 403, "permission_denied")


def test_the_schema_of_sampling_says_what_the_parser_says() -> None:
    probes: list[Any] = [0, 1, -1, 2, 101, 0.5, 1 << 70, True, "x", "", [], ["x"], [""], ["x" * 2000]]
    for name, field in SAMPLING.items():
        validator = jsonschema.Draft202012Validator(json_schema(field))
        for probe in probes:
            assert validator.is_valid(probe) == field.accepts(probe), (name, probe)
