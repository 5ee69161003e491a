"""Programs written for the `openai` package against a real server: what `tests/server/test_openai.py` leaves out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.clients.scenario import (
    DESCRIBE,
    ENDLESS,
    LIGHT,
    LIGHT_SAID,
    MODEL,
    QUESTION,
    SAID,
    WEATHER,
    Lamp,
    call_tool,
    openai_tools,
    worker_killed,
)
from tests.conftest import Server

TOOLS: Any = openai_tools()


@pytest.fixture
def sdk(server: Server) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key=server.token, max_retries=0) as client:
        yield client


def ask(content: str) -> Any:
    return [{"role": "user", "content": content}]


def answer(sdk: openai.OpenAI, streamed: bool, messages: Any) -> Any:
    """The first choice."""
    arguments: Any = {"model": MODEL, "messages": messages, "tools": TOOLS, "temperature": 0}
    if not streamed:
        return sdk.chat.completions.create(**arguments).choices[0]
    with sdk.chat.completions.stream(**arguments) as stream:
        return stream.get_final_completion().choices[0]


@pytest.mark.parametrize(("question", "said"), [(WEATHER, SAID), (LIGHT, LIGHT_SAID)])
@pytest.mark.parametrize("streamed", [False, True])
def test_tools_in_a_loop(sdk: openai.OpenAI, question: str, said: str, streamed: bool) -> None:
    messages = ask(question)
    reasons = []
    for _ in range(4):
        choice = answer(sdk, streamed, messages)
        reasons.append(choice.finish_reason)
        messages.append(choice.message)
        if not choice.message.tool_calls:
            break
        for call in choice.message.tool_calls:
            result = call_tool(call.function.name, call.function.arguments)
            messages.append({"role": "tool", "tool_call_id": call.id, "content": result})
    assert reasons == ["tool_calls", "stop"]
    assert said in choice.message.content


def test_tools_in_a_loop_of_responses(sdk: openai.OpenAI) -> None:
    tools: Any = [{"type": "function", **tool["function"]} for tool in TOOLS]
    arguments: Any = {"model": MODEL, "tools": tools, "temperature": 0}
    first = sdk.responses.create(input=WEATHER, **arguments)
    results: Any = [
        {"type": "function_call_output", "call_id": item.call_id, "output": call_tool(item.name, item.arguments)}
        for item in first.output
        if item.type == "function_call"
    ]
    assert len(results) == 1
    last = sdk.responses.create(input=results, previous_response_id=first.id, **arguments)
    assert last.output_text.startswith(SAID)


def test_parsed_structured_output(sdk: openai.OpenAI) -> None:
    arguments: Any = {"model": MODEL, "temperature": 0}
    chat = sdk.chat.completions.parse(messages=ask(DESCRIBE), response_format=Lamp, **arguments)
    assert isinstance(chat.choices[0].message.parsed, Lamp)
    response = sdk.responses.parse(input=DESCRIBE, text_format=Lamp, **arguments)
    assert isinstance(response.output_parsed, Lamp)


def test_embeddings(sdk: openai.OpenAI) -> None:
    answered = sdk.embeddings.create(model=MODEL, input=[QUESTION, WEATHER, QUESTION])
    first, other, again = [row.embedding for row in answered.data]
    assert first == pytest.approx(again, abs=1e-3)
    assert first != pytest.approx(other, abs=1e-3)
    assert answered.usage.prompt_tokens > 0


def test_a_request_that_lost_its_worker_is_tried_again(own_server: Server) -> None:
    with openai.OpenAI(base_url=f"{own_server.url}/v1", api_key=own_server.token, max_retries=3) as sdk:
        sdk.chat.completions.create(model=ENDLESS, max_tokens=1, messages=ask("Hi"))
        with worker_killed(own_server.url, own_server.token):
            answered = sdk.chat.completions.create(model=ENDLESS, max_tokens=1500, messages=ask("Hi"))
    assert answered.usage is not None
    assert answered.usage.completion_tokens == 1500


@pytest.mark.anyio
async def test_the_asynchronous_client(server: Server) -> None:
    async with openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key=server.token) as sdk:
        stream = await sdk.chat.completions.create(
            model=MODEL, messages=ask(WEATHER), tools=TOOLS, temperature=0, stream=True
        )
        deltas = [event.choices[0].delta async for event in stream if event.choices]
    calls = [call.function for delta in deltas for call in delta.tool_calls or () if call.function]
    assert calls[0].name == "get_weather"
    assert "".join(call.arguments or "" for call in calls) == '{"city": "Paris"}'
