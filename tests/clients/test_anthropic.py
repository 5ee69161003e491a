"""The `anthropic` package against a real server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anthropic
import httpx2
import pytest
from anthropic import beta_tool

from tests.clients.scenario import (
    DESCRIBE,
    ENDLESS,
    FUNCTIONS,
    LIGHT,
    LIGHT_SAID,
    MODEL,
    QUESTION,
    SAID,
    SCHEMAS,
    WEATHER,
    Lamp,
    call_tool,
    get_weather,
    worker_killed,
)
from tests.conftest import Server

GREEDY: dict[str, Any] = {"model": MODEL, "max_tokens": 200, "extra_body": {"temperature": 0}}
TOOLS: Any = [
    {"name": name, "description": function.__doc__, "input_schema": SCHEMAS[name]}
    for name, function in FUNCTIONS.items()
]


@pytest.fixture
def sdk(server: Server) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=server.url, api_key=server.token, max_retries=0) as client:
        yield client


def ask(content: str) -> Any:
    return [{"role": "user", "content": content}]


def text_of(message: Any) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


def test_a_stream_says_the_same_as_a_whole_answer(sdk: anthropic.Anthropic) -> None:
    whole = sdk.messages.create(messages=ask(QUESTION), system="You are helpful.", **GREEDY)
    with sdk.messages.stream(messages=ask(QUESTION), system="You are helpful.", **GREEDY) as stream:
        pieces = list(stream.text_stream)
        streamed = stream.get_final_message()
    assert len(pieces) > 1
    assert "".join(pieces) == text_of(streamed) == text_of(whole) != ""
    assert (whole.stop_reason, streamed.stop_reason) == ("end_turn", "end_turn")
    assert whole.id.startswith("msg_")
    assert whole.usage.output_tokens == streamed.usage.output_tokens > 0
    for usage in (whole.usage, streamed.usage):
        assert usage.input_tokens + (usage.cache_read_input_tokens or 0) > 0


@pytest.mark.parametrize(("question", "said"), [(WEATHER, SAID), (LIGHT, LIGHT_SAID)])
@pytest.mark.parametrize("streamed", [False, True])
def test_tools_in_a_loop(sdk: anthropic.Anthropic, question: str, said: str, streamed: bool) -> None:
    messages = ask(question)
    reasons = []
    for _ in range(4):
        message = answer(sdk, streamed, messages=messages, tools=TOOLS, **GREEDY)
        reasons.append(message.stop_reason)
        messages.append({"role": "assistant", "content": message.content})
        results = [
            {"type": "tool_result", "tool_use_id": block.id, "content": call_tool(block.name, block.input)}
            for block in message.content
            if block.type == "tool_use"
        ]
        if not results:
            break
        assert all(result["tool_use_id"].startswith("toolu_") for result in results)
        messages.append({"role": "user", "content": results})
    assert reasons == ["tool_use", "end_turn"]
    assert said in text_of(message)


def answer(sdk: anthropic.Anthropic, streamed: bool, **arguments: Any) -> Any:
    if not streamed:
        return sdk.messages.create(**arguments)
    with sdk.messages.stream(**arguments) as stream:
        return stream.get_final_message()


def test_the_sdks_own_tool_runner(sdk: anthropic.Anthropic) -> None:
    runner = sdk.beta.messages.tool_runner(messages=ask(WEATHER), tools=[beta_tool(get_weather)], **GREEDY)
    assert text_of(runner.until_done()).startswith(SAID)


def test_tool_choice_is_obeyed(sdk: anthropic.Anthropic) -> None:
    def blocks(choice: Any) -> list[Any]:
        return list(sdk.messages.create(messages=ask(QUESTION), tools=TOOLS, tool_choice=choice, **GREEDY).content)

    (call,) = blocks({"type": "tool", "name": "set_light", "disable_parallel_tool_use": True})
    assert (call.type, call.name) == ("tool_use", "set_light")
    assert set(call.input) == {"room", "state"}
    assert "tool_use" in [block.type for block in blocks({"type": "any", "disable_parallel_tool_use": True})]
    assert [block.type for block in blocks({"type": "none"})] == ["text"]


def test_parsed_structured_output(sdk: anthropic.Anthropic) -> None:
    parsed = sdk.messages.parse(messages=ask(DESCRIBE), output_format=Lamp, **GREEDY)
    assert isinstance(parsed.parsed_output, Lamp)


def test_counted_tokens_are_those_of_the_prompt(sdk: anthropic.Anthropic) -> None:
    prompt: Any = {"messages": ask(WEATHER), "system": "You are helpful.", "tools": TOOLS}
    counted = sdk.messages.count_tokens(model=MODEL, **prompt).input_tokens
    usage = sdk.messages.create(**prompt, **GREEDY).usage
    assert counted == usage.input_tokens + (usage.cache_read_input_tokens or 0)


def test_the_answer_goes_on_where_the_last_turn_ends(sdk: anthropic.Anthropic) -> None:
    whole = text_of(sdk.messages.create(messages=ask(QUESTION), **GREEDY))
    begun = whole[: whole.index(" ")]
    messages = [*ask(QUESTION), {"role": "assistant", "content": begun}]
    assert begun + text_of(sdk.messages.create(messages=messages, **GREEDY)) == whole


def test_why_an_answer_ended(sdk: anthropic.Anthropic) -> None:
    whole = text_of(sdk.messages.create(messages=ask(QUESTION), **GREEDY))
    word = whole.split()[2]
    stopped = sdk.messages.create(messages=ask(QUESTION), stop_sequences=[word], **GREEDY)
    assert (stopped.stop_reason, stopped.stop_sequence) == ("stop_sequence", word)
    assert text_of(stopped) == whole[: whole.index(word)]
    cut = sdk.messages.create(messages=ask(QUESTION), **{**GREEDY, "max_tokens": 2})
    assert (cut.stop_reason, cut.usage.output_tokens) == ("max_tokens", 2)


@pytest.mark.parametrize(
    ("arguments", "raised", "kind", "param"),
    [
        ({"model": "nope"}, anthropic.NotFoundError, "not_found_error", "model"),
        ({"max_tokens": 0}, anthropic.BadRequestError, "invalid_request_error", "max_tokens"),
        ({"messages": []}, anthropic.BadRequestError, "invalid_request_error", "messages"),
        ({"messages": ask("x " * 5000)}, anthropic.BadRequestError, "invalid_request_error", "messages"),
        ({"speed": "fast"}, anthropic.BadRequestError, "invalid_request_error", "speed"),
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
def test_errors_are_the_sdks_own(
    sdk: anthropic.Anthropic, streamed: bool, arguments: dict[str, Any], raised: Any, kind: str, param: str
) -> None:
    with pytest.raises(raised) as caught:
        answer(sdk, streamed, **{"messages": ask(QUESTION), **GREEDY, **arguments})
    error = caught.value
    assert error.type == kind
    assert error.request_id.startswith("req_")
    assert error.body["type"] == "error"
    assert error.body["request_id"] == error.request_id
    assert error.body["error"]["param"] == param


def test_the_key_may_come_in_x_api_key(server: Server) -> None:
    body = {"model": MODEL, "max_tokens": 3, "messages": ask(QUESTION)}
    headers = {"anthropic-version": "2023-06-01", "anthropic-beta": "tools-2024-04-04"}
    statuses = {
        key: httpx2.post(f"{server.url}/v1/messages", json=body, headers={**headers, "x-api-key": key}, timeout=60)
        for key in (server.token, "wrong", "uml_wrong")
    }
    assert [answer.status_code for answer in statuses.values()] == [200, 401, 401]
    assert statuses["wrong"].json()["error"]["type"] == "authentication_error"


def test_a_wrong_x_api_key_is_no_reason_to_look_for_a_cookie(server: Server) -> None:
    with httpx2.Client(timeout=60) as browser:
        browser.get(f"{server.root}tree", params={"token": server.token})
        assert browser.get(f"{server.url}/models").status_code == 200
        for key in ("wrong", "uml_wrong"):
            assert browser.get(f"{server.url}/models", headers={"x-api-key": key}).status_code == 401


def test_a_request_that_lost_its_worker_is_tried_again(own_server: Server) -> None:
    with anthropic.Anthropic(base_url=own_server.url, api_key=own_server.token, max_retries=3) as sdk:
        sdk.messages.create(model=ENDLESS, max_tokens=1, messages=ask("Hi"))
        with worker_killed(own_server.url, own_server.token):
            message = sdk.messages.create(model=ENDLESS, max_tokens=1500, messages=ask("Hi"))
    assert (message.stop_reason, message.usage.output_tokens) == ("max_tokens", 1500)


@pytest.mark.anyio
async def test_the_asynchronous_client(server: Server) -> None:
    async with (
        anthropic.AsyncAnthropic(base_url=server.url, api_key=server.token) as sdk,
        sdk.messages.stream(messages=ask(WEATHER), tools=TOOLS, **GREEDY) as stream,
    ):
        kinds = [event.type async for event in stream]
    assert "input_json" in kinds
    assert kinds[-1] == "message_stop"
