"""Several answers at once, made by something that says what it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any, cast

import pytest

from jupyter_uml.errors import Overloaded
from jupyter_uml.protocol.answers import MAX_WAITING, answers, replies
from jupyter_uml.protocol.openai.choices import delta_of, opening, whole_choice
from jupyter_uml.service import Service
from jupyter_uml.types import CallDelta, Chunk, GenerateRequest, ToolCall, Usage

pytestmark = pytest.mark.anyio


class Script:
    """A service whose answers are known. A request's `model` says which; an exception is raised where it stands."""

    def __init__(self, **scripts: Sequence[Chunk | Exception | None]) -> None:
        self.scripts = scripts
        self.closed: list[str] = []
        self.said = 0

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Chunk, None]:
        try:
            for item in self.scripts[request.model]:
                if isinstance(item, Exception):
                    raise item
                if item is None:
                    await asyncio.Event().wait()
                else:
                    self.said += 1
                    yield item
                    await asyncio.sleep(0)
        finally:
            self.closed.append(request.model)


def service(**scripts: Sequence[Chunk | Exception | None]) -> tuple[Service, Script]:
    script = Script(**scripts)
    return cast(Service, script), script


def request(model: str) -> GenerateRequest:
    return GenerateRequest("1", model, prompt="x")


A, B, END = Chunk("", "a"), Chunk("", "b"), Chunk("", finish_reason="stop")


async def test_chunks_come_as_they_are_made() -> None:
    made, _ = service(one=[A, B, END], two=[B, END])
    async with aclosing(answers(made, [request("one"), request("two")])) as chunks:
        order = [(place, chunk.text) async for place, chunk in chunks]
    assert order == [(0, "a"), (1, "b"), (0, "b"), (1, ""), (0, "")]


@pytest.mark.parametrize("count", [1, 3])
async def test_closing_aborts_all(count: int) -> None:
    made, script = service(one=[A, None])
    chunks = answers(made, [request("one")] * count)
    assert await anext(chunks) == (0, A)
    await chunks.aclose()
    assert script.closed == ["one"] * count


@pytest.mark.parametrize("count", [1, 3])
async def test_what_is_not_read_is_not_collected(count: int) -> None:
    made, script = service(one=[A] * 1000)
    async with aclosing(answers(made, [request("one")] * count)) as chunks:
        await anext(chunks)
        for _ in range(2000):
            await asyncio.sleep(0)
        assert script.said <= 2 * MAX_WAITING


async def test_the_error_of_one_aborts_the_others() -> None:
    made, script = service(good=[A, None], bad=[B, Overloaded("full")])
    with pytest.raises(Overloaded):
        await replies(made, [request("good"), request("bad")])
    assert sorted(script.closed) == ["bad", "good"]


async def test_cancelling_aborts_all() -> None:
    made, script = service(one=[A, None])
    task = asyncio.create_task(replies(made, [request("one")] * 2))
    for _ in range(5):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert script.closed == ["one", "one"]


CALLS = [
    Chunk("", reasoning="Hm"),
    Chunk("", reasoning=".", text="Well"),
    Chunk("", calls=(CallDelta(0, "", "a", "f"), CallDelta(0, '{"a"'))),
    Chunk("", calls=(CallDelta(0, ": 1}"), CallDelta(1, "{}", "b", "g"))),
    Chunk("", finish_reason="tool_calls", usage=Usage(3, 4)),
]


async def test_a_reply_is_put_together_from_its_chunks() -> None:
    made, _ = service(one=CALLS)
    (reply,) = await replies(made, [request("one")])
    assert (reply.text, reply.reasoning, reply.finish_reason) == ("Well", "Hm.", "tool_calls")
    assert reply.calls == [ToolCall("a", "f", '{"a": 1}'), ToolCall("b", "g", "{}")]
    assert reply.usage == Usage(3, 4)


async def test_calls_have_openais_form_whole() -> None:
    made, _ = service(one=CALLS, silent=CALLS[2:])
    both = await replies(made, [request("one"), request("silent")])
    message = whole_choice(0, both[0], False)["message"]
    assert message["content"] == "Well"
    assert message["reasoning_content"] == "Hm."
    assert message["refusal"] is None
    assert message["tool_calls"][1] == {
        "id": "call_b",
        "type": "function",
        "function": {"name": "g", "arguments": "{}"},
    }
    quiet = whole_choice(1, both[1], False)["message"]
    assert quiet["content"] is None
    assert "reasoning_content" not in quiet


def test_calls_have_openais_form_in_pieces() -> None:
    deltas: list[dict[str, Any]] = [delta_of(chunk) for chunk in CALLS]
    assert deltas[1] == {"reasoning_content": ".", "content": "Well"}
    assert deltas[2]["tool_calls"] == [
        {"index": 0, "id": "call_a", "type": "function", "function": {"name": "f", "arguments": '{"a"'}},
    ]
    assert deltas[4] == {}


@pytest.mark.parametrize(("first", "content"), [(A, ""), (END, ""), (CALLS[0], None), (CALLS[2], None)])
def test_an_answer_opens_with_its_role(first: Chunk, content: str | None) -> None:
    assert opening(first) == {"role": "assistant", "content": content}
