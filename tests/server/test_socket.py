"""`ws` on a real server: who gets in, many answers at once, readers that are slow or gone, all kinds of nonsense."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tornado.iostream import StreamClosedError
from tornado.websocket import WebSocketClosedError

from jupyter_uml.server.web_socket import MAX_SOCKETS_EACH
from tests.conftest import Server, launch, wait_until
from tests.server.keys import new_key
from tests.server.socket_client import ENDLESS, HI, Client, dial

pytestmark = pytest.mark.anyio

FRIEND, STRANGER = "https://friend.example", "https://evil.example"


@pytest.fixture(scope="module")
def hall(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A server that lets one other site's pages in."""
    server = launch(tmp_path_factory.mktemp("hall"), args=(f"--UMLApp.cors_origins={FRIEND}",))
    yield server
    server.stop()


def active(server: Server, model: str = "endless") -> int:
    return int(server.model(model)["active"])


UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "c2l4dGVlbiBieXRlcyEhIQ==",
}


def check_turned_away(status: int, code: str, server: Server, headers: dict[str, str], query: str = "") -> None:
    response = httpx2.get(f"{server.url}/ws{query}", headers=UPGRADE | headers)
    assert response.status_code == status
    assert response.json()["error"]["code"] == code


# --- who gets in ------------------------------------------------------------------------------------------------------


async def test_a_key_in_a_header(hall: Server) -> None:
    for headers in (hall.auth, {"X-Api-Key": hall.token}, {"Authorization": f"token {hall.token}"}):
        async with dial(hall, headers) as client:
            ready = await client.hear()
            assert ready is not None
            assert ready["type"] == "ready"
            await client.start("a", HI)
            await client.until("done", "a")


async def test_a_key_in_the_first_message(hall: Server) -> None:
    async with dial(hall, {}) as client:
        await client.say({"type": "auth", "key": hall.token})
        assert (await client.until("ready"))[0]["type"] == "ready"
        await client.start("a", {**HI, "messages": [{"role": "user", "content": "x" * 100_000}]})
        error = (await client.until("error", "a"))[-1]["error"]  # its size is no longer a stranger's
        assert error["code"] == "context_length_exceeded"


@pytest.mark.parametrize(
    "first", [{"type": "auth", "key": "uml_wrong"}, {"type": "auth", "key": "wrong"}, {"type": "ping"}, "{", "x" * 5000]
)
async def test_a_bad_first_message_is_the_last(hall: Server, first: Any) -> None:
    async with dial(hall, {}) as client:
        await client.say(first)
        heard = await client.rest()
        assert [m["error"]["code"] for m in heard] == ["invalid_api_key"]
        assert client.close_code == 1008


async def test_a_stranger_may_not_send_megabytes(hall: Server) -> None:
    async with dial(hall, {}) as client:
        await client.say("x" * 10_000)
        assert await client.rest() == []


@pytest.mark.parametrize("headers", [{"Authorization": "Bearer uml_wrong"}, {"X-Api-Key": "wrong"}])
async def test_a_bad_key_is_turned_away_and_never_saved_by_a_cookie(hall: Server, headers: dict[str, str]) -> None:
    for more in ({}, {"Cookie": signed_in(hall), "Origin": hall.root.rstrip("/")}):
        check_turned_away(401, "invalid_api_key", hall, headers | more)


@pytest.mark.parametrize("name", ["token", "key"])
async def test_a_key_in_the_url_opens_nothing(hall: Server, name: str) -> None:
    if name == "token":
        check_turned_away(401, "invalid_api_key", hall, {}, f"?token={hall.token}")
    else:
        async with dial(hall, {}, f"?key={hall.token}") as client:
            await client.start("a", HI)
            assert [m["error"]["code"] for m in await client.rest()] == ["invalid_api_key"]


def signed_in(server: Server) -> str:
    """The cookies of a browser in which somebody has signed in."""
    with httpx2.Client() as browser:
        browser.get(f"{server.root}api/status", params={"token": server.token})
        return "; ".join(f"{name}={value}" for name, value in browser.cookies.items())


async def test_a_cookie_counts_for_pages_of_this_server_only(hall: Server) -> None:
    cookie = {"Cookie": signed_in(hall)}
    async with dial(hall, {**cookie, "Origin": hall.root.rstrip("/")}) as client:
        await client.start("a", HI)
        await client.until("done", "a")
    for origin in ({}, {"Origin": FRIEND}):
        async with dial(hall, cookie | origin) as client:
            await client.start("a", HI)
            assert [m["error"]["code"] for m in await client.rest()] == ["invalid_api_key"]


@pytest.mark.parametrize("origin", [STRANGER, "null", f"{FRIEND}:444", f"{FRIEND}.evil.example", "http://127.0.0.1"])
async def test_pages_of_other_sites_are_turned_away_with_whatever_they_bring(hall: Server, origin: str) -> None:
    same_site = {"Sec-Fetch-Site": "same-origin"}  # an old proxy, or a program that lies
    for more in ({}, hall.auth, {"Cookie": signed_in(hall)}, same_site):
        check_turned_away(403, "permission_denied", hall, {"Origin": origin, **more})


async def test_pages_that_are_let_in_need_a_key(hall: Server) -> None:
    async with dial(hall, {"Origin": FRIEND}) as client:
        await client.say({"type": "auth", "key": hall.token})
        await client.start("a", HI)
        await client.until("done", "a")


async def test_a_foreign_host_name_is_turned_away(hall: Server) -> None:
    check_turned_away(403, "permission_denied", hall, {**hall.auth, "Host": "evil.example"})


async def test_who_says_nothing_is_put_out(hall: Server) -> None:
    started = time.monotonic()
    async with dial(hall, {}) as client:
        heard = await client.rest()
    assert [m["error"]["code"] for m in heard] == ["invalid_api_key"]
    assert client.close_code == 1008
    assert 9 < time.monotonic() - started < 12


async def test_those_who_still_have_to_say_who_they_are_are_counted(hall: Server) -> None:
    strangers = [dial(hall, {}) for _ in range(64)]
    clients = [await stranger.__aenter__() for stranger in strangers]
    try:
        check_turned_away(503, "overloaded", hall, {})
        async with dial(hall) as known:
            await known.until("ready")
    finally:
        for client in clients:
            client.connection.close()
            await client.rest()


async def test_one_key_cannot_have_all_sockets(hall: Server) -> None:
    """Whether it comes in a header or as the first message."""
    greedy = new_key(hall)
    sockets = [dial(hall, greedy.headers) for _ in range(MAX_SOCKETS_EACH)]
    clients = [await socket.__aenter__() for socket in sockets]
    try:
        check_turned_away(503, "overloaded", hall, greedy.headers)
        async with dial(hall, {}) as late:
            await late.say({"type": "auth", "key": greedy.secret})
            assert (await late.rest())[-1]["error"]["code"] == "overloaded"
        async with dial(hall, new_key(hall).headers) as other:
            await other.until("ready")
    finally:
        for client in clients:
            client.connection.close()
            await client.rest()


async def test_jupyters_authorizer_is_asked_about_writing(tmp_path: Path) -> None:
    """Opening a socket is a GET, but whoever may only read must not make the models answer."""
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "deny.py").write_text(
        "from jupyter_server.auth import Authorizer\n"
        "class ReadOnly(Authorizer):\n"
        "    def is_authorized(self, handler, user, action, resource):\n"
        "        return action == 'read'\n"
    )
    server = launch(tmp_path, args=("--ServerApp.authorizer_class=deny.ReadOnly",))
    try:
        check_turned_away(403, "permission_denied", server, server.auth)
        async with dial(server, {}) as client:
            await client.say({"type": "auth", "key": server.token})
            assert [m["error"]["code"] for m in await client.rest()] == ["permission_denied"]
    finally:
        server.stop()


# --- answers ----------------------------------------------------------------------------------------------------------


async def test_fifty_answers_side_by_side_are_those_of_http(hall: Server) -> None:
    questions = ["Hi", "What time is it in Rome?", "What can you do?", "Load a model", "Thanks!"]
    bodies = [{**HI, "temperature": 0, "messages": [{"role": "user", "content": each}]} for each in questions]
    expected = [
        hall.post("v1/chat/completions", {**body, "stream": False}).json()["choices"][0]["message"]["content"]
        for body in bodies
    ]
    async with dial(hall) as client:
        for number in range(50):
            await client.start(str(number), bodies[number % 5])
        texts = dict.fromkeys(map(str, range(50)), "")
        done: set[str] = set()
        while len(done) < 50:
            message = await client.hear()
            assert message is not None
            assert message["type"] in ("ready", "started", "delta", "done"), message
            if message["type"] == "delta":
                choices = message["data"]["choices"]
                texts[message["id"]] += (choices[0]["delta"].get("content") or "") if choices else ""
            elif message["type"] == "done":
                done.add(message["id"])
    assert [texts[str(number)] for number in range(50)] == expected * 10


@pytest.mark.parametrize(
    ("endpoint", "body", "field"),
    [
        ("v1/chat/completions", {**HI, "stream": False}, "choices"),
        ("v1/embeddings", {"model": "demo", "input": "Hi"}, "data"),
        ("tokenize", {"model": "demo", "content": "Hi"}, "tokens"),
        ("v1/responses", {"model": "demo", "input": "Hi", "max_output_tokens": 16}, "output"),
    ],
)
async def test_every_kind_of_endpoint_answers(hall: Server, endpoint: str, body: dict[str, Any], field: str) -> None:
    async with dial(hall) as client:
        await client.start("a", body, endpoint)
        heard = await client.until("done", "a")
        assert [m["type"] for m in heard] == ["ready", "started", "done"]
        assert heard[-1]["data"][field]


async def test_cancelling_frees_the_engine(hall: Server) -> None:
    async with dial(hall) as client:
        for name in ("a", "b"):
            await client.start(name, ENDLESS, "v1/completions")
            await client.until("delta", name)
        await client.say({"type": "cancel", "id": "a"})
        sent = time.monotonic()
        assert (await client.until("done", "a"))[-1]["cancelled"] is True
        assert time.monotonic() - sent < 0.25
        await client.until("delta", "b")
        assert active(hall) == 1


async def test_an_id_that_runs_is_refused_and_goes_on(hall: Server) -> None:
    async with dial(hall) as client:
        await client.start("a", ENDLESS, "v1/completions")
        await client.until("delta", "a")
        await client.start("a", HI)
        assert (await client.until("error"))[-1]["error"]["param"] == "id"
        await client.until("delta", "a")
        assert active(hall) == 1


@pytest.mark.parametrize("how", ["vanish", "close"])
async def test_a_client_that_leaves_ends_all_its_answers(hall: Server, how: str) -> None:
    hall.post("load_model", {"model": "endless"})
    async with dial(hall) as client:
        for number in range(8):
            await client.start(str(number), ENDLESS, "v1/completions")
        for number in range(8):
            await client.until("started", str(number))
        assert active(hall) == 8
        client.vanish() if how == "vanish" else client.connection.close()
        left = time.monotonic()
        wait_until(lambda: active(hall) == 0, 2)
        assert time.monotonic() - left < 0.25


async def test_a_server_that_stops_tells_everybody(tmp_path: Path) -> None:
    server = launch(tmp_path)
    async with dial(server) as client, dial(server) as idle, dial(server, {}) as stranger:
        for name in ("a", "b"):
            await client.start(name, ENDLESS, "v1/completions")
            await client.until("delta", name)
        stopping = asyncio.get_running_loop().run_in_executor(None, server.stop)
        ends = {m["id"]: m["error"]["code"] for m in await client.rest() if m["type"] == "error"}
        assert ends == {"a": "generation_aborted", "b": "generation_aborted"}
        assert client.close_code == 1001
        await idle.rest()
        await stranger.rest()
        assert (idle.close_code, stranger.close_code) == (1001, 1001)
        await stopping


async def test_a_worker_that_dies_ends_its_answers(hall: Server) -> None:
    async with dial(hall) as client:
        await client.start("a", ENDLESS, "v1/completions")
        await client.until("delta", "a")
        pid = hall.model("endless")["pid"]
        psutil.Process(pid).kill()
        error = (await client.until("error", "a"))[-1]["error"]
        assert error["code"] == "worker_died"
    wait_until(lambda: hall.model("endless")["pid"] not in (None, pid))


# --- readers and writers of all kinds ---------------------------------------------------------------------------------


def resident(server: Server) -> int:
    return psutil.Process(server.process.pid).memory_info().rss


async def settled(server: Server) -> int:
    """The bytes of memory when it has stopped growing."""
    sizes = [0, 0, resident(server)]
    while max(sizes[-3:]) - min(sizes[-3:]) > 1 << 20:
        await asyncio.sleep(0.3)
        sizes.append(resident(server))
    return sizes[-1]


async def test_a_reader_who_does_not_read_costs_little_and_disturbs_nobody(hall: Server) -> None:
    """A thousand answers of half a megabyte each are asked for and not read."""
    body = {"model": "demo", "content": ["Hello there, how are you? " * 40] * 64, "with_pieces": True}
    size = len(hall.post("tokenize", body).content)
    assert size > 400_000
    before = resident(hall)
    async with dial(hall) as slow:
        asking = asyncio.create_task(ask_all(slow, body, 1000))
        used = await settled(hall) - before
        assert not asking.done(), "all was read in, though nobody read what came out"
        assert used < 100 << 20, f"{used >> 20} MiB for answers that nobody reads"
        started = time.monotonic()
        async with dial(hall) as quick:
            await quick.start("a", HI)
            await quick.until("done", "a")
        assert time.monotonic() - started < 2
        done = 0
        while done < 100:
            message = await slow.hear()
            assert message is not None
            done += message["type"] == "done"
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
    assert await settled(hall) - before < 100 << 20


async def ask_all(client: Client, body: dict[str, Any], count: int) -> None:
    for number in range(count):
        await client.start(str(number), body, "tokenize")


async def test_a_reader_who_stops_in_a_stream_and_leaves_frees_the_engine(hall: Server) -> None:
    async with dial(hall) as slow:
        for number in range(8):
            await slow.start(str(number), ENDLESS | {"logprobs": 5}, "v1/completions")
        await slow.until("delta", "0")
        await settled(hall)
        slow.vanish()
        wait_until(lambda: active(hall) == 0, 1)
    assert "Exception in callback" not in hall.log.read_text()


async def test_a_huge_message_closes_the_socket_unread(hall: Server) -> None:
    before = resident(hall)
    async with dial(hall) as client:
        await client.until("ready")
        sending = asyncio.create_task(client.say("x" * (40 << 20)))
        assert await client.rest() == []
        await asyncio.gather(sending, return_exceptions=True)
    assert resident(hall) - before < 40 << 20


async def test_a_message_as_large_as_a_body_may_be_is_read(hall: Server) -> None:
    async with dial(hall) as client:
        await client.start("a", {**HI, "messages": [{"role": "user", "content": "a" * (30 << 20)}]})
        assert (await client.until("error", "a"))[-1]["error"]["code"] == "context_length_exceeded"


async def test_binary_frames_are_told_and_closed(hall: Server) -> None:
    async with dial(hall) as client:
        await client.say(b"\x00\x01", binary=True)
        heard = await client.rest()
        assert [m["type"] for m in heard] == ["ready", "error"]
        assert client.close_code == 1003


async def test_a_flood_is_read_at_a_bounded_rate(hall: Server) -> None:
    async with dial(hall) as client:
        started = time.monotonic()
        for _ in range(456):
            await client.say({"type": "ping"})
        for _ in range(456):
            await client.until("pong")
        assert time.monotonic() - started > 0.9


async def test_fragments_are_put_together(hall: Server) -> None:
    async with dial(hall) as client:
        protocol: Any = client.connection.protocol
        text = json.dumps({"type": "start", "id": "a", "endpoint": "v1/chat/completions", "body": HI}).encode()
        await protocol._write_frame(False, 0x1, text[:30])
        await protocol._write_frame(False, 0x0, text[30:31])
        await protocol._write_frame(True, 0x0, text[31:])
        await client.until("done", "a")


frames = st.tuples(
    st.booleans(), st.sampled_from([0, 1, 2, 3, 8, 9, 10, 15]), st.binary(max_size=60), st.sampled_from([0, 0x40, 0x10])
)
texts = st.text(max_size=40) | st.sampled_from(
    [
        '{"type": "ping"}',
        '{"type": "cancel", "id": "a"}',
        '{"type": "start", "id": "a", "endpoint": "tokenize", "body": ',
    ]
)


def test_nonsense_harms_nobody(hall: Server) -> None:
    """Frames of all kinds, then a sound client: it is answered, and the server's log tells of no fault of its own."""

    @settings(max_examples=60, derandomize=True, database=None)
    @given(sent=st.lists(frames | texts, max_size=6))
    def check(sent: list[Any]) -> None:
        asyncio.run(talk(sent))

    async def talk(sent: list[Any]) -> None:
        async with dial(hall) as client:
            for each in sent:
                try:
                    if isinstance(each, str):
                        await client.say(each)
                    else:
                        finished, opcode, data, flags = each
                        control: Any = client.connection.protocol
                        await control._write_frame(finished or opcode & 8, opcode, data, flags)
                except (StreamClosedError, WebSocketClosedError):  # nonsense deserves no better
                    break
            client.vanish()

    check()
    asyncio.run(sound(hall))
    log = hall.log.read_text()
    assert "Uncaught exception" not in log, log[log.index("Uncaught exception") :][:2000]
    assert "Traceback" not in log, log[log.index("Traceback") - 500 :][:2000]


async def sound(server: Server) -> None:
    async with dial(server) as client:
        await client.start("a", HI)
        await client.until("done", "a")


async def test_a_plain_request_is_told_what_this_is(hall: Server) -> None:
    response = hall.get("ws")
    assert response.status_code == 400
    assert "WebSocket" in response.json()["error"]["message"]
    assert httpx2.get(f"{hall.url}/ws").status_code == 401
