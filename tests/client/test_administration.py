"""Keys and usage from Python, on a server and where none runs."""

from __future__ import annotations

import inspect
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from jupyter_uml.client import ApiKey, UniversalClient
from jupyter_uml.client.administration import Administration, AsyncAdministration
from jupyter_uml.client.local_records import LocalRecords
from jupyter_uml.client.local_transport import LocalTransport
from jupyter_uml.errors import AuthenticationFailed, ConnectionFailed, InvalidRequest, KeyNotFound, PermissionDenied
from tests.client.stub_server import Events, StubServer
from tests.conftest import Server, wait_until


@pytest.fixture
def on_server(server: Server) -> Iterator[UniversalClient]:
    with UniversalClient(server.url, server.token) as client:
        yield client


@pytest.fixture
def in_files(tmp_path: Path) -> Iterator[UniversalClient]:
    with UniversalClient(transport=LocalTransport(records=LocalRecords(tmp_path))) as client:
        yield client


@pytest.fixture(params=["on_server", "in_files"])
def client(request: pytest.FixtureRequest) -> UniversalClient:
    found: UniversalClient = request.getfixturevalue(request.param)
    return found


def listed(client: UniversalClient, key_id: str) -> list[ApiKey]:
    keys = client.keys()
    return [key for key in keys if key.id == key_id]


def test_both_kinds_have_the_same_methods() -> None:
    for name in vars(AsyncAdministration):
        if name.startswith("_") or name == "transport":
            continue
        synchronous, asynchronous = getattr(Administration, name), getattr(AsyncAdministration, name)
        assert synchronous.__doc__ == asynchronous.__doc__
        ours, theirs = inspect.signature(synchronous), inspect.signature(asynchronous)
        assert list(ours.parameters.values()) == list(theirs.parameters.values())


def test_a_key_is_made_listed_prolonged_and_revoked(client: UniversalClient) -> None:
    made = client.create_key("from Python", models="demo", expires_in="1h", requests_per_minute=60)
    assert (made.name, made.scopes, made.models) == ("from Python", ("infer", "models:read"), ("demo",))
    assert made.limits == {"requests_per_minute": 60}
    assert made.key.startswith("uml_")
    assert made.key not in repr(made)
    [found] = listed(client, made.id)
    assert type(found) is ApiKey
    assert found == ApiKey(**{name: getattr(made, name) for name in ApiKey.__dataclass_fields__})
    assert client.expire_key(made.id, None).expires_at is None
    later = client.expire_key(made.id, 60).expires_at
    assert later is not None
    assert 50 < later - time.time() <= 60
    assert client.revoke_key(made.id).state == "revoked"
    assert [key.state for key in listed(client, made.id)] == ["revoked"]


def test_mistakes_are_named(client: UniversalClient) -> None:
    with pytest.raises(InvalidRequest, match="models:admin"):
        client.create_key("x", ["all"])  # type: ignore[list-item]
    with pytest.raises(InvalidRequest, match="30d"):
        client.create_key("x", expires_in="soon")
    with pytest.raises(InvalidRequest, match=r"printable|at least 1"):
        client.create_key("")
    with pytest.raises(InvalidRequest, match="burst"):
        client.create_key("x", burst=0)
    with pytest.raises(InvalidRequest, match="2026-11-22"):
        client.usage(since="monday")
    with pytest.raises(InvalidRequest, match=r"key.*model.*day"):
        client.usage(["hour"])  # type: ignore[list-item]
    for call in (client.revoke_key, lambda key_id: client.expire_key(key_id, 5)):
        with pytest.raises(KeyNotFound):
            call("key_nobody")


def test_use_of_a_key_is_summed_up(on_server: UniversalClient, server: Server) -> None:
    key = on_server.create_key("asks")
    with UniversalClient(server.url, key.key) as program:
        used = program.chat("Hello", model="demo", max_tokens=4).usage
        with pytest.raises(PermissionDenied):
            program.usage()
        with pytest.raises(PermissionDenied):
            program.create_key("child")
    assert used is not None
    [total] = on_server.usage(by=["key", "model"], key=key.id)
    assert (total.name, total.model, total.requests, total.day) == ("asks", "demo", 1, "")
    assert (total.tokens_in, total.tokens_out) == (used.prompt_tokens, used.completion_tokens)
    today = datetime.now(UTC).date()
    assert on_server.usage("key", since=today - timedelta(1), until=today + timedelta(1), key=key.id)
    assert on_server.usage(since=today + timedelta(1)) == []
    on_server.revoke_key(key.id)
    with UniversalClient(server.url, key.key) as program, pytest.raises(AuthenticationFailed):
        program.models()


def test_what_is_done_without_a_server_is_in_the_audit_file_and_holds_for_running_ones(
    server: Server,
) -> None:
    folder = server.runtime.parent / "data" / "uml"
    with UniversalClient(transport=LocalTransport(records=LocalRecords(folder))) as files:
        key = files.create_key("beside")
        with UniversalClient(server.url, key.key) as program:
            wait_until(lambda: _is_accepted(program), 1.0)
            files.revoke_key(key.id)
            wait_until(lambda: not _is_accepted(program), 1.0)
    rows = [json.loads(line) for line in (folder / "audit.jsonl").read_text().splitlines()]
    assert [row["action"] for row in rows if row.get("target") == key.id] == ["key.create", "key.revoke"]
    assert not any(key.key in json.dumps(row) for row in rows)


def _is_accepted(program: UniversalClient) -> bool:
    try:
        program.models()
    except AuthenticationFailed:
        return False
    return True


def test_a_key_is_not_made_twice_when_its_answer_is_lost(stub: StubServer) -> None:
    stub.answer("keys", Events((b'{"id"',), cut=True))
    with UniversalClient(stub.url, "key") as client, pytest.raises(ConnectionFailed):
        client.create_key("once", burst=3)
    assert stub.asked("keys") == [{"name": "once", "scopes": ["infer", "models:read"], "burst": 3}]


def test_a_secret_never_becomes_part_of_an_address(stub: StubServer) -> None:
    with UniversalClient(stub.url, "key") as client:
        for call in (client.revoke_key, lambda key: client.expire_key(key, 5), lambda key: client.usage(key=key)):
            with pytest.raises(InvalidRequest, match="by its id") as refused:
                call("uml_secret")
            assert "uml_secret" not in refused.value.message
    assert not stub.requests
