"""What is said on a socket, without one: every start has one end, whatever else happens."""

from __future__ import annotations

import asyncio
import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_uml.errors import AuthenticationFailed, GenerationAborted, ModelNotFound, Overloaded, RateLimited
from jupyter_uml.protocol.sockets.outbox import Outbox
from jupyter_uml.protocol.sockets.pace import Pace
from jupyter_uml.protocol.sockets.session import MAX_GENERATIONS
from jupyter_uml.types import Chunk
from tests.protocol.sockets.sessions import END, Door, a_line

pytestmark = pytest.mark.anyio

HELLO = [Chunk("", "Hel"), Chunk("", "lo"), END]
ENDS = ("done", "error")


def texts(messages: list[dict[str, Any]], name: str) -> str:
    parts = [m["data"] for m in messages if m["type"] == "delta" and m["id"] == name]
    return "".join(part.get("delta", {}).get("text", "") for part in parts)


async def test_an_answer_comes_in_parts_with_their_events_names() -> None:
    async with a_line(one=HELLO) as line:
        assert (await line.hear())["type"] == "ready"
        await line.start("a", "one")
        heard = await line.until("done", "a")
        assert [m["type"] for m in heard[:2]] == ["started", "delta"]
        assert heard[0]["request_id"].startswith("req_")
        assert heard[1]["event"] == heard[1]["data"]["type"] == "message_start"
        assert texts(heard, "a") == "Hello"
        assert heard[-1] == {"type": "done", "id": "a", "cancelled": False}
        assert line.door.inside == 0


async def test_an_answer_comes_whole_where_it_was_asked_for_so() -> None:
    async with a_line(one=HELLO) as line:
        await line.start("a", "one", stream=False)
        heard = await line.until("done", "a")
        assert [m["type"] for m in heard] == ["ready", "started", "done"]
        assert heard[-1]["data"]["content"][0]["text"] == "Hello"


async def test_many_run_side_by_side_and_each_ends_once() -> None:
    async with a_line(one=HELLO * 20) as line:
        names = [str(number) for number in range(MAX_GENERATIONS)]
        for name in names:
            await line.start(name, "one")
        heard: list[dict[str, Any]] = []
        while sum(m["type"] in ENDS for m in heard) < len(names):
            heard.append(await line.hear())
        assert sorted(m["id"] for m in heard if m["type"] == "done") == sorted(names)
        assert {texts(heard, name) for name in names} == {"Hello" * 20}
        changes = sum(one["id"] != two["id"] for one, two in pairwise(heard[1:]))
        assert changes > len(heard) / 2, "one answer waited for another"


async def test_an_id_is_free_again_after_its_end() -> None:
    async with a_line(one=HELLO) as line:
        for _ in range(2):
            await line.start("a", "one")
            await line.until("done", "a")


@pytest.mark.parametrize("stream", [True, False])
async def test_cancelling_ends_one_and_leaves_the_others(stream: bool) -> None:
    async with a_line(one=[Chunk("", "x"), None], two=[Chunk("", "y"), None]) as line:
        await line.start("a", "one", stream=stream)
        await line.start("b", "two")
        await line.until("delta", "b")
        await line.say({"type": "cancel", "id": "a"})
        assert (await line.until("done", "a"))[-1]["cancelled"] is True
        assert line.script.closed == ["one"]
        assert line.session.running == line.door.inside == 1


async def test_cancelling_at_once_ends_it_too() -> None:
    """Before the task that makes the answer has begun."""
    async with a_line(one=[None]) as line:
        await line.start("a", "one")
        await line.say({"type": "cancel", "id": "a"})
        assert (await line.until("done", "a"))[-1]["cancelled"] is True


async def test_cancelling_what_is_not_there_says_nothing() -> None:
    async with a_line() as line:
        await line.say({"type": "cancel", "id": "a"})
        await line.say({"type": "ping"})
        assert [m["type"] for m in await line.until("pong")] == ["ready", "pong"]


async def test_an_id_that_runs_is_refused_without_ending_what_runs() -> None:
    async with a_line(one=[Chunk("", "x"), None]) as line:
        await line.start("a", "one")
        await line.until("delta", "a")
        await line.start("a", "one")
        error = (await line.until("error"))[-1]
        assert error["error"]["param"] == "id"
        assert line.session.running == 1


async def test_more_than_there_is_room_for_are_refused() -> None:
    async with a_line(one=[None]) as line:
        for number in range(MAX_GENERATIONS):
            await line.start(str(number), "one")
        await line.start("over", "one")
        error = (await line.until("error", "over"))[-1]["error"]
        assert (error["code"], error["retry_after"]) == ("overloaded", 1)


@pytest.mark.parametrize(
    ("error", "code"),
    [(ModelNotFound("nope"), "model_not_found"), (ZeroDivisionError("/etc/passwd"), "internal_error")],
)
@pytest.mark.parametrize("before", [[], [Chunk("", "x")]])
async def test_what_goes_wrong_is_the_end(error: Exception, code: str, before: list[Chunk]) -> None:
    async with a_line(one=[*before, error]) as line:
        await line.start("a", "one")
        end = (await line.until("error", "a"))[-1]
        assert end["error"]["code"] == code
        assert end["request_id"].startswith("req_")
        assert "passwd" not in str(end)
        assert set(end["error"]) >= {"message", "type", "param", "code"}


async def test_the_gate_is_asked_for_each() -> None:
    full = RateLimited("Too many requests.", retry_after=3)
    async with a_line(Door(full), one=HELLO) as line:
        await line.start("a", "one")
        heard = await line.until("error", "a")
        assert heard[-1]["error"]["retry_after"] == 3
        assert [m["type"] for m in heard] == ["ready", "error"]
        assert not line.script.said


@pytest.mark.parametrize(
    ("message", "name", "param"),
    [
        ("{", None, None),
        ("[]", None, None),
        ("NaN", None, None),
        ({}, None, None),
        ({"type": "wizard"}, None, None),
        ({"type": "cancel"}, None, "id"),
        ({"type": "cancel", "id": "a", "x": 1}, None, "x"),
        ({"type": "auth", "key": "uml_good"}, None, "type"),
        ({"type": "start", "id": "", "endpoint": "v1/messages", "body": {}}, None, "id"),
        ({"type": "start", "id": "x" * 65, "endpoint": "v1/messages", "body": {}}, None, "id"),
        ({"type": "start", "id": "a\nb", "endpoint": "v1/messages", "body": {}}, None, "id"),
        ({"type": "start", "id": 5, "endpoint": "v1/messages", "body": {}}, None, "id"),
        ({"type": "start", "id": "a", "endpoint": "load_model", "body": {"model": "demo"}}, "a", "endpoint"),
        ({"type": "start", "id": "a", "endpoint": "../v1/messages", "body": {}}, "a", "endpoint"),
        ({"type": "start", "id": "a", "body": {}}, "a", "endpoint"),
        ({"type": "start", "id": "a", "endpoint": "v1/messages", "body": []}, "a", "body"),
        ({"type": "start", "id": "a", "endpoint": "v1/messages", "body": {}}, "a", "model"),
        ({"type": "start", "id": "a", "endpoint": "v1/messages", "body": {"model": "m"}, "x": 1}, "a", "x"),
    ],
)
async def test_a_bad_message_is_told_and_harms_nothing(message: Any, name: str | None, param: str | None) -> None:
    async with a_line(one=HELLO) as line:
        await line.say(message)
        error = (await line.until("error", name))[-1]
        assert error["error"]["param"] == param
        assert error["error"]["type"] == "invalid_request_error"
        await line.start("a", "one")
        await line.until("done", "a")


async def test_depth_is_bounded() -> None:
    async with a_line() as line:
        await line.say(
            '{"type": "start", "id": "a", "endpoint": "v1/messages", "body": ' + "[" * 2000 + "]" * 2000 + "}"
        )
        assert (await line.until("error"))[-1]["error"]["code"] == "invalid_value"


@pytest.mark.parametrize("first", ["{", '{"type": "ping"}', '{"type": "auth", "key": "uml_bad"}', '{"type": "auth"}'])
async def test_nothing_is_said_to_who_does_not_say_who_they_are(first: str) -> None:
    async with a_line(known=False, one=HELLO) as line:
        with pytest.raises(AuthenticationFailed):
            await line.say(first)
        assert await line.end() == []


async def test_a_key_in_the_first_message_opens_it() -> None:
    async with a_line(known=False, one=HELLO) as line:
        await line.say({"type": "auth", "key": "uml_good"})
        assert (await line.hear())["type"] == "ready"
        await line.start("a", "one")
        await line.until("done", "a")


async def test_stopping_tells_each() -> None:
    async with a_line(one=[Chunk("", "x"), None], two=[None]) as line:
        await line.start("a", "one")
        await line.start("b", "two", stream=False)
        await line.until("delta", "a")
        await line.session.stop(GenerationAborted("The server is stopping."))
        await line.start("c", "one")
        left = await line.end()
        ends = {m["id"]: m["error"]["code"] for m in left if m["type"] == "error"}
        assert ends == dict.fromkeys("abc", "generation_aborted")
        assert sorted(line.script.closed) == ["one", "two"]
        assert line.door.inside == 0


async def test_a_reader_who_stops_reading_stops_the_answers() -> None:
    async with a_line(limit=2000, one=HELLO * 1000) as line:
        await line.hear()
        line.reads.clear()
        for number in range(4):
            await line.start(str(number), "one")
        for _ in range(200):
            await asyncio.sleep(0)
        assert line.outbox.size < 4 * 2000
        said = line.script.said
        for _ in range(200):
            await asyncio.sleep(0)
        assert line.script.said == said, "it went on without a reader"
        blocked = asyncio.create_task(line.say({"type": "ping"}))
        for _ in range(20):
            await asyncio.sleep(0)
        assert not blocked.done(), "what asks for an answer is not read meanwhile"
        line.reads.set()
        await blocked
        for number in range(4):
            await line.say({"type": "cancel", "id": str(number)})


async def test_one_cannot_fill_the_outbox_by_ends_that_nobody_reads() -> None:
    async with a_line(limit=2000, one=[None]) as line:
        line.session._pace = Pace(1e9, 1)
        await line.hear()
        line.reads.clear()

        async def flood() -> None:
            for number in range(5_000):
                await line.start(str(number), "one")
                await line.say({"type": "cancel", "id": str(number)})
                await asyncio.sleep(0)
                await asyncio.sleep(0)

        flooding = asyncio.create_task(flood())
        for _ in range(6000):
            await asyncio.sleep(0)
        assert line.outbox.size < 2000 + MAX_GENERATIONS * 100
        flooding.cancel()
        await asyncio.gather(flooding, return_exceptions=True)


async def test_a_closed_outbox_keeps_nothing() -> None:
    outbox = Outbox(10)
    outbox.push(b"x" * 20)
    waiting = asyncio.create_task(outbox.put(b"y"))
    await asyncio.sleep(0)
    outbox.close()
    await waiting
    written: list[bytes] = []

    async def write(message: bytes) -> None:
        written.append(message)

    await outbox.drain(write)
    assert written == []


BODY = {"model": "one", "max_tokens": 2, "messages": [{"role": "user", "content": "Hi"}]}
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
messages = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["auth", "start", "cancel", "ping", "done"]) | json_values,
        "id": st.sampled_from(["a", "b", "c"]) | json_values,
        "endpoint": st.sampled_from(["v1/messages", "v1/messages/count_tokens", "tokenize"]) | json_values,
        "body": st.just({"model": "one", "max_tokens": 2, "messages": [{"role": "user", "content": "Hi"}]})
        | json_values,
        "key": json_values,
    },
)


@settings(max_examples=200, derandomize=True, database=None)
@given(sent=st.lists(messages.map(json.dumps) | st.text(max_size=20), max_size=8))
def test_whatever_is_sent_is_answered_in_the_one_form(sent: list[str]) -> None:
    async def talk() -> None:
        async with a_line(one=HELLO) as line:
            for message in sent:
                await line.say(message)
            await line.session.stop(Overloaded("The end.", retry_after=1))
            heard = await line.end()
        assert heard[0]["type"] == "ready"
        started, open_ids = 0, set()
        for message in heard[1:]:
            assert message["type"] in ("started", "delta", "done", "error", "pong")
            if message["type"] == "started":
                assert message["id"] not in open_ids
                open_ids.add(message["id"])
                started += 1
            if message["type"] == "error":
                assert {"message", "type", "param", "code"} <= set(message["error"])
            if message["type"] in ENDS and message.get("id") is not None:
                open_ids.discard(message["id"])
        assert not open_ids
        assert started == line.door.let_in

    asyncio.run(talk())
