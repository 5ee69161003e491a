"""`GET events`: what changes is told at once, to those who may know it, and to nobody longer than they may."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import httpx2
import pytest
from tornado.httpclient import HTTPClientError

from jupyter_uml.access import ALL_SCOPES, Principal
from jupyter_uml.errors import AuthenticationFailed
from jupyter_uml.live import Message, View
from jupyter_uml.protocol.sockets.state import State
from jupyter_uml.server import events
from jupyter_uml.server.events import MAX_EACH, EventsHandler
from tests.conftest import TLS, Server, launch, wait_until
from tests.server.errors import assert_error
from tests.server.keys import new_key
from tests.server.socket_client import dial
from tests.server.watching import Watched, watching

WAYS = ["SSE", "WebSocket"]
AT_ONCE = 0.5  # seconds; what changes is told after 0.15 on a quiet machine
ENDLESS: dict[str, Any] = {"model": "endless", "prompt": "Once upon a time", "max_tokens": -1}

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def unloaded(request: pytest.FixtureRequest) -> None:
    if "server" in request.fixturenames:
        server: Server = request.getfixturevalue("server")
        server.post("unload_model", {"model": "demo", "force": True})
        wait_until(lambda: all(row["facts"] for row in server.get("models").json()["models"]))  # its files are read


async def load(server: Server, model: str = "demo", **settings: Any) -> float:
    """The time at which the answer has come."""
    body = {"model": model, "n_threads": 1, **settings}
    answer = await asyncio.to_thread(server.post, "load_model", body)
    assert answer.status_code == 200, answer.text
    return time.monotonic()


async def unload(server: Server, model: str = "demo") -> float:
    await asyncio.to_thread(server.post, "unload_model", {"model": model, "force": True})
    return time.monotonic()


@asynccontextmanager
async def asking(server: Server, headers: dict[str, str] | None = None) -> AsyncIterator[None]:
    """An answer without end, given up at the end of the block."""
    await load(server, "endless")
    async with httpx2.AsyncClient(verify=TLS, timeout=20, headers=headers or server.auth) as http:
        answer = asyncio.create_task(http.post(f"{server.url}/v1/completions", json=ENDLESS))
        try:
            yield
        finally:
            answer.cancel()
            await asyncio.gather(answer, return_exceptions=True)


@pytest.mark.parametrize("way", WAYS)
class TestNews:
    async def test_the_first_message_says_everything(self, server: Server, way: str) -> None:
        async with watching(server, way) as watched:
            first = await watched.hear()
        assert first is not None
        assert set(first) >= {"order", "models", "memory", "pulls", "running", "version"}
        rows = server.get("models").json()["models"]
        assert first["order"] == [row["id"] for row in rows]
        assert {row["id"]: row["size_bytes"] for row in first["models"]} == {
            row["id"]: row["size_bytes"] for row in rows
        }
        State.model_validate(first)
        assert not set(first) - set(State.model_fields)
        assert first["memory"]["total_bytes"] > first["memory"]["available_bytes"] > 0

    async def test_a_load_is_told_as_it_goes_and_an_unload_too(self, server: Server, way: str) -> None:
        async with watching(server, way) as watched:
            await watched.hear()
            loading = asyncio.create_task(load(server))
            await watched.until(lambda now: now.is_in("demo", "loading"))
            told = await watched.until(lambda now: now.is_in("demo", "loaded"))
            assert told - await loading < AT_ONCE
            unloading = asyncio.create_task(unload(server))
            told = await watched.until(lambda now: now.is_in("demo", "available"))
            assert told - await unloading < AT_ONCE
            assert all(len(message.get("models", ())) < 2 for message in watched.heard[1:])  # what is new, only
            assert all("order" not in message for message in watched.heard[1:])

    async def test_figures_come_while_something_is_loaded(self, server: Server, way: str) -> None:
        async with watching(server, way) as watched:
            await load(server)
            await watched.until(lambda now: now.state.get("samples", {}).get("demo"))
        assert watched.state["samples"]["demo"]["memory_bytes"] > 0

    async def test_a_file_that_comes_or_goes(self, server: Server, way: str) -> None:
        new = server.models / "new.gguf"
        async with watching(server, way) as watched:
            await watched.hear()
            try:
                new.write_bytes((server.models / "endless.gguf").read_bytes()[:-8])
                await watched.until(lambda now: "new" in now.state["order"] and "new" in now.models)
            finally:
                new.unlink()
            await watched.until(lambda now: "new" not in now.state["order"])


class TestWhoMayKnow:
    async def test_models_of_a_key(self, server: Server) -> None:
        key = new_key(server, "models:read", models=["end*"])
        async with watching(server, "SSE", key.headers) as watched:
            first = await watched.hear()
            assert first is not None
            assert first["order"] == ["endless"] == [row["id"] for row in first["models"]]
            assert not {"pulls", "running"} & set(first)
            await load(server)
            await load(server, "endless")
            await watched.until(lambda now: now.is_in("endless", "loaded"))
            assert set(watched.models) == {"endless"}
            await watched.until(lambda now: now.state.get("samples"))
            assert "demo" not in json.dumps(watched.heard)
        await unload(server, "endless")

    async def test_pulls_are_for_administrators_and_answers_for_those_who_ask(self, server: Server) -> None:
        for scopes, more in ((["infer"], {"running"}), (["models:admin"], {"pulls"}), ([], set())):
            key = new_key(server, "models:read", *scopes)
            async with watching(server, "SSE", key.headers) as watched:
                first = await watched.hear()
                assert first is not None
                assert {"pulls", "running"} & set(first) == more

    async def test_questions_are_for_those_who_asked(self, server: Server) -> None:
        asker, other = new_key(server, "models:read", "infer"), new_key(server, "models:read", "infer")
        async with AsyncExitStack() as stack:
            readers = [
                await stack.enter_async_context(watching(server, "WebSocket", headers))
                for headers in (asker.headers, other.headers, server.auth)
            ]
            async with asking(server, asker.headers):
                own, others, administrator = readers
                await own.until(lambda now: now.state.get("running") and now.state["running"][0]["tokens"])
                await administrator.until(lambda now: now.state.get("running"))
                row, shown = own.state["running"][0], administrator.state["running"][0]
                assert (row["own"], row["question"], row["who"]) == (True, "Once upon a time", "test")
                assert (shown["own"], shown["question"], shown["id"]) == (False, "", row["id"])
            for reader in (own, administrator):
                await reader.until(lambda now: not now.state["running"])
            await others.until(lambda now: now.is_in("endless", "loaded"))
            assert others.state["running"] == []
            assert not any(message["running"] for message in others.heard if "running" in message)
        await unload(server, "endless")

    async def test_nobody_without_a_credential_and_no_foreign_page(self, server: Server) -> None:
        assert_error(httpx2.get(f"{server.url}/events", verify=TLS), 401)
        with httpx2.Client(verify=TLS) as browser:
            browser.get(f"{server.root}api/status", params={"token": server.token})
            foreign = {"Origin": "http://evil.example"}
            assert_error(browser.get(f"{server.url}/events?once=1", headers=foreign), 403)
            assert browser.get(f"{server.url}/events?once=1").status_code == 200
            cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
        own = {"Cookie": cookie, "Origin": server.root.rstrip("/")}
        async with watching(server, "WebSocket", own) as watched:
            assert await watched.hear()
        for headers in ({"Cookie": cookie, "Origin": "http://evil.example"}, {"Authorization": "Bearer uml_no"}):
            with pytest.raises(HTTPClientError) as refused:
                async with watching(server, "WebSocket", headers):
                    pass
            assert refused.value.code in (401, 403)

    async def test_nothing_is_read_of_whom_nobody_knows(self, server: Server) -> None:
        """Who opens a socket may say later who he is, and has no body to send; nor has a browser that asks first."""
        before = server.log.read_text().count("Traceback")
        for path in ("events", "ws"):
            answer = httpx2.post(f"{server.url}/{path}", headers={"Upgrade": "websocket"}, content=b"{}", verify=TLS)
            assert_error(answer, 405)
        preflight = {"Origin": server.root.rstrip("/"), "Access-Control-Request-Method": "POST"}
        asked = httpx2.request("OPTIONS", f"{server.url}/load_model", headers=preflight, content=b"{}", verify=TLS)
        assert asked.status_code in (204, 403)
        assert server.log.read_text().count("Traceback") == before

    async def test_a_key_in_the_first_message(self, server: Server) -> None:
        key = new_key(server, "models:read", models=["demo"])
        async with dial(server, {}, path="events") as client:
            await client.say({"type": "auth", "key": key.secret})
            assert (await client.hear() or {})["order"] == ["demo"]
        for wrong in ({"type": "auth", "key": "uml_wrong"}, {"type": "ping"}, "no JSON"):
            async with dial(server, {}, path="events") as client:
                await client.say(wrong)
                assert [message["error"]["code"] for message in await client.rest()] == ["invalid_api_key"]
                assert client.close_code == 1008

    @pytest.mark.parametrize("way", WAYS)
    async def test_a_key_that_is_revoked(self, server: Server, way: str) -> None:
        key = new_key(server, "models:read")
        async with watching(server, way, key.headers) as watched:
            await watched.hear()
            began = time.monotonic()
            await asyncio.to_thread(key.revoke)
            rest = await watched.rest()
        assert rest[-1]["error"]["code"] == "invalid_api_key"
        assert time.monotonic() - began < 1.0

    async def test_a_key_that_expires(self, server: Server) -> None:
        key = new_key(server, "models:read", expires_in=1)
        async with watching(server, "SSE", key.headers) as watched:
            assert (await watched.rest())[-1]["error"]["code"] == "invalid_api_key"


async def test_watching_is_no_use_of_a_key(server: Server) -> None:
    """Neither limits nor records know of it."""
    key = new_key(server, "models:read", requests_per_minute=1)
    for _ in range(3):
        async with watching(server, "SSE", key.headers) as watched:
            await watched.hear()
    assert not key.records()


async def test_their_number_is_bounded(server: Server) -> None:
    key = new_key(server, "models:read")
    async with AsyncExitStack() as stack:
        for _ in range(MAX_EACH):
            watched = await stack.enter_async_context(watching(server, "SSE", key.headers))
            assert await watched.hear()
        error = assert_error(await asyncio.to_thread(key.request, "GET", "events"), 503, "overloaded")
        assert error["message"]
        async with watching(server, "SSE") as other:  # of somebody else's there is nothing the matter
            assert await other.hear()
    wait_until(lambda: key.request("GET", "events?once=1").status_code == 200)


async def test_who_does_not_read_gets_the_newest_later(server: Server) -> None:
    """And keeps neither the server nor those who read waiting."""
    async with watching(server, "WebSocket") as lazy, watching(server, "SSE") as eager:
        await lazy.hear()
        await eager.hear()
        for _ in range(3):
            await load(server)
            await eager.until(lambda now: now.is_in("demo", "loaded"))
            await unload(server)
            await eager.until(lambda now: now.is_in("demo", "available"))
        await lazy.until(lambda now: len(now.heard) > 1 and now.is_in("demo", "available"))


@pytest.mark.parametrize("way", WAYS)
async def test_a_server_that_stops_says_so(tmp_path: Path, way: str) -> None:
    server = launch(tmp_path)
    try:
        async with watching(server, way) as watched:
            await watched.hear()
            stopping = asyncio.create_task(asyncio.to_thread(server.stop))
            rest = await watched.rest()
            await stopping
        assert rest[-1]["error"]["code"] == "generation_aborted"
        assert "Traceback" not in server.log.read_text()
    finally:
        server.stop()


async def test_a_reader_who_takes_nothing_does_not_keep_the_server_from_stopping(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(events, "FAREWELL_SECONDS", 0.01)
    closed: list[int] = []
    telling = asyncio.create_task(asyncio.Event().wait())
    handler = SimpleNamespace(_telling=telling, close=closed.append)
    async with asyncio.timeout(5):
        await EventsHandler.stop(cast(EventsHandler, handler))
    telling.cancel()
    assert closed == [events.GOING_AWAY]


def _tokens(watched: Watched) -> int:
    return sum(row["tokens"] for row in watched.state.get("running", ()))


async def test_tokens_are_counted_on_while_nothing_else_changes(server: Server) -> None:
    async with watching(server, "WebSocket") as watched, asking(server):
        await watched.until(_tokens)
        before = _tokens(watched)
        began = time.monotonic()
        assert await watched.until(lambda now: _tokens(now) > before) - began < 1.5
        row = watched.state["running"][0]
        assert row["state"] == "answering"
        assert row["tokens_per_second"] > 0
        assert (row["model"], row["kind"], row["route"]) == ("endless", "client", "v1/completions")
    await unload(server, "endless")


@pytest.mark.parametrize("now", ["somebody else", "nobody"])
async def test_a_person_who_is_signed_in_no_more(monkeypatch: pytest.MonkeyPatch, now: str) -> None:
    """Jupyter is asked again, since what it answers may change by itself: a hub knows when somebody has signed out."""
    monkeypatch.setattr(events, "USER_SECONDS", 0.0)

    async def messages(_view: View, _beat: float) -> AsyncIterator[Message | None]:
        while True:
            yield {}

    async def authenticate_request() -> Principal:
        if now == "nobody":
            raise AuthenticationFailed("Nobody.")
        return Principal("user:ben", "Ben", ALL_SCOPES)

    async def is_authorized(*_: object) -> bool:
        return True

    handler = SimpleNamespace(
        principal=Principal("user:ann", "Ann", ALL_SCOPES),
        live=SimpleNamespace(messages=messages),
        authorizer=SimpleNamespace(is_authorized=is_authorized),
        current_user="ann",
        authenticate_request=authenticate_request,
    )
    handler._check_user = partial(EventsHandler._check_user, cast(EventsHandler, handler))
    async with aclosing(EventsHandler._messages(cast(EventsHandler, handler))) as told:
        with pytest.raises(AuthenticationFailed):
            await anext(told)


async def test_once_is_once(server: Server) -> None:
    assert server.get("events?once=1").text.count("event: state") == 1
    assert assert_error(server.get("events?once=perhaps"), 400)["param"] == "once"
    assert assert_error(server.get("events?twice=1"), 400)["param"] == "twice"
