"""Answers that are kept: they go on without their reader, are read again from any place, and end only when stopped."""

from __future__ import annotations

import asyncio
import json
import secrets
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import httpx2
import pytest
from jupyter_client.asynchronous.client import AsyncKernelClient

from jupyter_uml.access import ALL_SCOPES, Principal
from jupyter_uml.server.base import UmlHandler
from jupyter_uml.server.gate import JUPYTER_USER
from jupyter_uml.server.owners import owners
from tests.conftest import TLS, Server, launch, wait_until
from tests.server.errors import assert_error
from tests.server.keys import TestKey, new_key

HI = [{"role": "user", "content": "How do I load a model?"}]
CHAT: dict[str, Any] = {"model": "demo", "messages": HI, "max_tokens": 24, "temperature": 0, "stream": True}
STREAMS: dict[str, dict[str, Any]] = {
    "v1/chat/completions": CHAT,
    "v1/completions": {"model": "demo", "prompt": "Load a model", "max_tokens": 24, "temperature": 0, "stream": True},
    "v1/responses": {"model": "demo", "input": "How do I load a model?", "temperature": 0, "stream": True},
    "v1/messages": {"model": "demo", "messages": HI, "max_tokens": 24, "temperature": 0, "stream": True},
}
ENDLESS = {"model": "endless", "prompt": "Once", "max_tokens": -1, "stream": True}
IDLE_SECONDS = 0.25
CELL = """
from jupyter_uml.client import UniversalClient
from jupyter_uml.types import GenerationLabel
with UniversalClient().stream("Hi", model="endless", label=GenerationLabel("cell", "c1", "Hi")) as stream:
    for chunk in stream:
        pass
"""


@pytest.fixture(autouse=True)
def loaded(request: pytest.FixtureRequest) -> None:
    if "server" in request.fixturenames:
        server: Server = request.getfixturevalue("server")
        for model in ("demo", "endless"):
            assert server.post("load_model", {"model": model, "n_threads": 1}).status_code == 200


class Asked:
    """A kept answer, and requests about it."""

    def __init__(self, server: Server, key: TestKey | None = None) -> None:
        self.id = secrets.token_hex(16)
        self.server, self.auth = server, key.headers if key else server.auth

    def headers(self, **label: Any) -> dict[str, str]:
        return {**self.auth, "X-Generation-Id": self.id, "X-Generation-Label": json.dumps(label)}

    def ask(self, path: str, body: Any, **headers: str) -> httpx2.Response:
        return self.server.post(path, body, headers={**self.headers(), **headers})

    def begin(self, body: dict[str, Any] = ENDLESS, events: int = 3, **label: Any) -> list[str]:
        """Ask, and hang up after some events."""
        url, headers = f"{self.server.url}/v1/completions", self.headers(**label)
        with httpx2.stream("POST", url, json=body, headers=headers, timeout=60, verify=TLS) as response:
            assert response.status_code == 200, response.read()
            lines = response.iter_lines()
            return [next(line for line in lines if line.startswith("data: ")) for _ in range(events)]

    def get(self, what: str = "", **headers: str) -> httpx2.Response:
        return self.server.get(f"generations/{self.id}{what}", headers={**self.auth, **headers})

    def row(self) -> dict[str, Any]:
        row: dict[str, Any] = self.get().json()
        return row

    def stop(self) -> httpx2.Response:
        return self.server.request("DELETE", f"generations/{self.id}", headers=self.auth)

    def record(self) -> dict[str, Any]:
        """The newest one of its route."""
        rows = self.server.get("usage/records", params={"limit": 20}).json()["records"]
        return next(row for row in rows if row["route"] == "v1/completions")


@pytest.fixture
def asked(server: Server) -> Iterator[Asked]:
    asked = Asked(server)
    yield asked
    while asked.stop().status_code == 200:  # once stops it, twice forgets it
        pass


def events_of(text: str) -> list[tuple[int, str]]:
    """The numbers of events, and the rest of them."""
    blocks = [block for block in text.removesuffix("\n\n").split("\n\n") if not block.startswith(":")]
    heads = [block.partition("\n") for block in blocks]
    return [(int(head.removeprefix("id: ")), rest) for head, _, rest in heads]


# --- reading ---------------------------------------------------------------------------------


@pytest.mark.parametrize("path", STREAMS)
def test_every_streaming_endpoint_is_read_again_from_any_place(asked: Asked, path: str) -> None:
    first = asked.ask(path, STREAMS[path])
    events = events_of(first.text)
    assert [number for number, _ in events] == list(range(1, len(events) + 1))
    assert events_of(asked.ask(path, STREAMS[path]).text) == events, "the same request is the same answer"
    for after in (0, 2, len(events) - 1, len(events)):
        there = asked.get("/events", **{"Last-Event-ID": str(after)})
        assert there.status_code == 200
        assert (events_of(there.text) if there.text else []) == events[after:]
        assert asked.get(f"/events?after={after}").text == there.text
    row, output = asked.row(), asked.get("/output").json()
    assert (row["state"], row["model"], row["read"]) == ("done", "demo", True)
    assert output["generation"] == row
    assert output["data"]["text/plain"].strip()
    assert output["metadata"]["jupyter_uml"] == {"generation": asked.id, "state": "done", "model": "demo"}
    assert asked.server.model()["active"] == 0


def test_it_goes_on_without_a_reader_and_is_recorded_as_a_whole_answer(asked: Asked) -> None:
    body = {**ENDLESS, "max_tokens": 300, "seed": 7, "deterministic": True}
    cell = f"vscode-notebook-cell:{'/folder' * 100}.ipynb#c1"
    asked.begin(body, kind="cell", cell=cell, question="Once…")
    row = asked.row()
    assert (row["state"], row["kind"], row["cell"], row["question"]) == ("running", "cell", cell, "Once…")
    assert row["id"] in [other["id"] for other in asked.server.get("generations").json()["generations"]]
    assert "endless · …" in asked.get("/output").json()["data"]["text/html"]
    read = [json.loads(rest.removeprefix("data: ")) for _, rest in events_of(asked.get("/events").text)[:-1]]
    whole = asked.server.post("v1/completions", {**body, "stream": False}).json()["choices"][0]["text"]
    assert "".join(event["choices"][0]["text"] for event in read) == whole
    assert (asked.row()["state"], asked.row()["tokens"]) == ("done", 300)
    cut = asked.get("/output").json()["data"]
    assert "cut off after 300 tokens" in cut["text/html"]
    assert cut["text/plain"].strip() == whole.strip()
    rows = asked.server.get("usage/records").json()["records"]
    assert [(row["status"], row["tokens_out"]) for row in rows[:2]] == [(200, 300), (200, 300)]


def test_two_readers_at_once_get_the_same(asked: Asked) -> None:
    body = {**ENDLESS, "max_tokens": 120}
    asked.begin(body)

    async def read() -> list[list[tuple[int, str]]]:
        async with httpx2.AsyncClient(headers=asked.auth, timeout=60, verify=TLS) as http:
            url = f"{asked.server.url}/generations/{asked.id}/events"
            return [events_of(answer.text) for answer in await asyncio.gather(http.get(url), http.get(url))]

    one, other = asyncio.run(read())
    assert one == other
    assert one[-1][1] == "data: [DONE]"


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({"X-Generation-Id": "short"}, CHAT, 400),
        ({"X-Generation-Id": "../../../etc"}, CHAT, 400),
        ({"X-Generation-Label": "{"}, CHAT, 400),
        ({"X-Generation-Label": '{"kind": "other"}'}, CHAT, 400),
        ({"X-Generation-Label": json.dumps({"question": "x" * 3000})}, CHAT, 400),
        ({}, {**CHAT, "stream": False}, 400),
        ({}, {**CHAT, "temperature": -1}, 400),
        ({}, {**CHAT, "model": "no-such-model"}, 404),
    ],
)
def test_what_is_wrong_has_a_status_and_leaves_nothing(
    asked: Asked, headers: dict[str, str], body: Any, status: int
) -> None:
    assert_error(asked.ask("v1/chat/completions", body, **headers), status)
    assert_error(asked.get(), 404, "generation_not_found")
    assert asked.server.get("usage/records").json()["records"][0]["status"] == status


def test_another_request_with_the_same_id_is_refused(asked: Asked) -> None:
    asked.ask("v1/chat/completions", CHAT)
    assert_error(asked.ask("v1/chat/completions", {**CHAT, "max_tokens": 5}), 409, "generation_conflict")
    assert_error(asked.ask("v1/completions", CHAT), 400)
    assert asked.row()["state"] == "done"


@pytest.mark.parametrize("after", ["-1", "x", "99999", "1e9", ""])
def test_a_place_that_there_is_not(asked: Asked, after: str) -> None:
    asked.ask("v1/chat/completions", CHAT)
    assert_error(asked.get(f"/events?after={after}"), 400)
    assert_error(asked.get("/events", **{"Last-Event-ID": after}), 400)


# --- stopping --------------------------------------------------------------------------------


def test_stopping_frees_the_engine_and_keeps_what_has_come(asked: Asked) -> None:
    begun = asked.begin()
    assert asked.server.model("endless")["active"] == 1
    sent = time.monotonic()
    assert asked.stop().json()["state"] == "stopped"
    assert asked.server.model("endless")["active"] == 0
    assert time.monotonic() - sent < IDLE_SECONDS
    text = asked.get("/events").text
    assert [rest for _, rest in events_of(text)][: len(begun)] == begun
    assert "event: error" in text
    assert "generation_aborted" in text
    assert "stopped" in asked.get("/output").json()["data"]["text/html"]
    assert (asked.record()["status"], asked.record()["error"]) == (499, "client_gone")
    assert asked.stop().status_code == 200
    assert_error(asked.get(), 404, "generation_not_found")


def test_stopping_ends_the_reading_of_a_long_prompt(asked: Asked) -> None:
    body = json.dumps({**ENDLESS, "prompt": [300 + number * number % 499 for number in range(4000)]})
    url = f"{asked.server.url}/v1/completions"
    with pytest.raises(httpx2.ReadTimeout):
        httpx2.post(url, content=body, headers=asked.headers(), timeout=0.2, verify=TLS)
    assert asked.row()["tokens"] == 0
    assert asked.server.model("endless")["active"] == 1
    sent = time.monotonic()
    asked.stop()
    assert asked.server.model("endless")["active"] == 0
    assert time.monotonic() - sent < IDLE_SECONDS
    again = httpx2.post(url, content=body, headers=asked.headers(), timeout=60, verify=TLS)
    assert_error(again, 503, "generation_aborted")


def test_a_stop_that_comes_first_is_one(asked: Asked) -> None:
    assert_error(asked.stop(), 404, "generation_not_found")
    assert_error(asked.ask("v1/completions", ENDLESS), 503, "generation_aborted")
    assert asked.server.model("endless")["active"] == 0


# --- whose it is -----------------------------------------------------------------------------


def test_nobody_sees_or_stops_what_is_another_s(asked: Asked) -> None:
    asked.begin()
    stranger = Asked(asked.server, new_key(asked.server, "infer"))
    stranger.id = asked.id
    for answer in (stranger.get(), stranger.get("/events"), stranger.get("/output"), stranger.stop()):
        assert_error(answer, 404, "generation_not_found")
    assert stranger.server.get("generations", headers=stranger.auth).json() == {"generations": []}
    assert asked.row()["state"] == "running"
    other = Asked(asked.server, new_key(asked.server, "infer"))
    other.id = asked.id
    assert other.ask("v1/chat/completions", CHAT).status_code == 200, "ids are everybody's own"
    assert other.row()["model"] == "demo"
    assert asked.row()["model"] == "endless"


@pytest.mark.anyio
@pytest.mark.parametrize("may_run_code", [True, False])
async def test_a_person_with_a_name_sees_what_kernels_asked_who_are_nobody_else(may_run_code: bool) -> None:
    """Where Jupyter knows its users by name, their kernels still have one key for all."""

    def is_authorized(_handler: object, user: str, action: str, resource: str) -> bool:
        return may_run_code and (user, action, resource) == ("ann", "execute", "kernels")

    handler = SimpleNamespace(authorizer=SimpleNamespace(is_authorized=is_authorized), current_user="ann")
    ann, kernels = Principal("user:ann", "Ann", ALL_SCOPES), JUPYTER_USER.id
    key = Principal("key_1", "jupyter", ALL_SCOPES, by_key=True)
    for principal, expected in (
        (ann, [ann.id, kernels] if may_run_code else [ann.id]),
        (JUPYTER_USER, [kernels]),
        (key, [key.id]),
    ):
        handler.principal = principal
        assert await owners(cast(UmlHandler, handler)) == expected


def test_a_key_that_is_revoked_meanwhile_reads_no_more(server: Server) -> None:
    key = new_key(server, "infer")
    asked = Asked(server, key)
    asked.begin({**ENDLESS, "max_tokens": 400})
    key.revoke()
    wait_until(lambda: asked.get().status_code == 401)
    wait_until(key.records)
    assert (key.records()[0]["status"], key.records()[0]["tokens_out"]) == (200, 400), "as any stream that is under way"


def test_it_counts_while_it_runs(server: Server) -> None:
    key = new_key(server, "infer", max_concurrent=1)
    asked = Asked(server, key)
    asked.begin()
    assert_error(key.chat(), 429)
    again = Asked(server, key)
    assert_error(again.ask("v1/completions", ENDLESS), 429)
    assert asked.get("/output").status_code == 200, "to read it is not to ask anew"
    assert asked.stop().status_code == 200
    assert key.chat().status_code == 200
    again.begin()
    again.stop()


# --- the kernels that ask --------------------------------------------------------------------


@pytest.mark.anyio
async def test_a_kernel_that_is_restarted_stops_nothing_and_one_that_is_gone_does(server: Server) -> None:
    def jupyter(method: str, path: str) -> Any:
        return httpx2.request(method, f"{server.root}api/kernels{path}", headers=server.auth, timeout=60, verify=TLS)

    def rows() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = server.get("generations", params={"kernel": kernel}).json()["generations"]
        return found

    def tokens() -> int:
        return int(rows()[0]["tokens"]) if rows() else 0

    kernel = jupyter("POST", "").json()["id"]
    client = AsyncKernelClient(connection_file=str(server.runtime / f"kernel-{kernel}.json"))
    client.load_connection_file()
    client.start_channels()
    try:
        client.execute(CELL)
        wait_until(tokens, 60)
        assert jupyter("POST", f"/{kernel}/restart").status_code == 200
        before = tokens()
        wait_until(lambda: tokens() > before)
        assert rows()[0]["state"] == "running"
        client.execute(CELL)
        wait_until(lambda: len(rows()) == 2 and tokens(), 60)
        jupyter("POST", f"/{kernel}/interrupt")
        wait_until(lambda: rows()[0]["state"] == "stopped")
        assert rows()[1]["state"] == "running", "Stop is for the cell that runs"
    finally:
        client.stop_channels()
        jupyter("DELETE", f"/{kernel}")
    wait_until(lambda: {row["state"] for row in rows()} == {"stopped"})


def test_a_server_that_stops_tells_the_reader_and_ends(tmp_path: Path) -> None:
    server = launch(tmp_path)
    read, unread = Asked(server), Asked(server)
    unread.begin()
    url = f"{server.url}/v1/completions"
    with httpx2.stream("POST", url, json=ENDLESS, headers=read.headers(), timeout=60, verify=TLS) as response:
        lines = response.iter_lines()
        next(lines)
        server.process.send_signal(signal.SIGTERM)
        assert "event: error" in [*lines][-3:]
    server.stop()
    assert "Traceback" not in server.log.read_text()
