"""`client.responses` of the real `openai` package against a real server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Literal

import openai
import pytest
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import BaseModel, TypeAdapter

from tests.conftest import Server

QUESTION = "How do I load a model?"
EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
PARAMETERS = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
WEATHER: Any = {
    "type": "function",
    "name": "get_weather",
    "description": "Get the weather in a city.",
    "parameters": PARAMETERS,
    "strict": True,
}


@pytest.fixture
def sdk(server: Server) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key=server.token, max_retries=0) as client:
        yield client


def events_of(server: Server, body: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The names and data of a stream, as they are sent."""
    answer = server.post("v1/responses", {"model": "demo", "stream": True, **body})
    assert answer.headers["content-type"].startswith("text/event-stream")
    for block in answer.text.strip().split("\n\n"):
        name, data = block.split("\n")
        yield name.removeprefix("event: "), json.loads(data.removeprefix("data: "))


def test_text(sdk: openai.OpenAI) -> None:
    response = sdk.responses.create(model="demo", input=QUESTION, temperature=0)
    assert response.status == "completed"
    assert response.output_text
    assert response.usage is not None
    assert response.usage.total_tokens == response.usage.input_tokens + response.usage.output_tokens > 0
    assert Response.model_validate_json(response.model_dump_json()) == response


def test_a_stream_says_the_same_as_a_whole_answer(server: Server, sdk: openai.OpenAI) -> None:
    whole = sdk.responses.create(model="demo", input=QUESTION, temperature=0)
    events = list(events_of(server, {"input": QUESTION, "temperature": 0}))
    for name, data in events:
        assert name == data["type"]
        EVENT.validate_python(data)
    assert [data["sequence_number"] for _, data in events] == list(range(len(events)))
    assert (events[0][0], events[1][0], events[-1][0]) == (
        "response.created",
        "response.in_progress",
        "response.completed",
    )
    deltas = [data["delta"] for name, data in events if name == "response.output_text.delta"]
    assert len(deltas) > 1
    assert "".join(deltas) == whole.output_text
    with sdk.responses.stream(model="demo", input=QUESTION, temperature=0) as stream:
        assert stream.get_final_response().output_text == whole.output_text


def test_a_tool_is_called_and_its_result_is_told(sdk: openai.OpenAI) -> None:
    first = sdk.responses.create(
        model="demo", input="What is the weather in Paris?", tools=[WEATHER], tool_choice="required", temperature=0
    )
    call = next(item for item in first.output if item.type == "function_call")
    assert call.name == "get_weather"
    assert set(json.loads(call.arguments)) == {"city"}
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "sunny, 21 degrees"}
    kept: Any = {"input": [result], "previous_response_id": first.id}
    sent: Any = {"input": [{"role": "user", "content": "What is the weather in Paris?"}, *first.output, result]}
    answers = [sdk.responses.create(model="demo", tools=[WEATHER], temperature=0, **more) for more in (kept, sent)]
    assert answers[0].output_text
    assert answers[0].output_text == answers[1].output_text


def test_a_named_tool_streams_its_arguments(sdk: openai.OpenAI) -> None:
    choice: Any = {"type": "function", "name": "get_weather"}
    with sdk.responses.stream(
        model="demo", input="What is the weather in Rome?", tools=[WEATHER], tool_choice=choice, temperature=0
    ) as stream:
        pieces = [event.delta for event in stream if event.type == "response.function_call_arguments.delta"]
        final = stream.get_final_response()
    (call,) = final.output
    assert call.type == "function_call"
    assert "".join(pieces) == call.arguments
    assert call.parsed_arguments == json.loads(call.arguments)


class Shape(BaseModel):
    """Finite: whatever the model writes, it comes to its end."""

    name: Literal["triangle", "square"]
    sides: Literal[3, 4]


def test_structured_output_is_parsed(sdk: openai.OpenAI) -> None:
    response = sdk.responses.parse(model="demo", input="A triangle.", text_format=Shape, temperature=0)
    assert isinstance(response.output_parsed, Shape)
    assert response.text is not None
    assert response.text.format is not None
    assert response.text.format.type == "json_schema"


def test_a_conversation_goes_on(sdk: openai.OpenAI) -> None:
    first = sdk.responses.create(model="demo", input=QUESTION, temperature=0)
    second = sdk.responses.create(model="demo", input="And then?", previous_response_id=first.id, temperature=0)
    whole = sdk.responses.create(
        model="demo",
        input=[
            {"role": "user", "content": QUESTION},
            {"role": "assistant", "content": first.output_text},
            {"role": "user", "content": "And then?"},
        ],
        temperature=0,
    )
    assert second.previous_response_id == first.id
    assert second.output_text == whole.output_text
    assert second.usage is not None
    assert whole.usage is not None
    assert second.usage.input_tokens == whole.usage.input_tokens
    listed = list(sdk.responses.input_items.list(second.id, order="asc", limit=1))
    assert [item.type for item in listed] == ["message", "message", "message"]


def test_a_kept_answer_is_read_and_deleted(sdk: openai.OpenAI) -> None:
    kept = sdk.responses.create(model="demo", input=QUESTION, max_output_tokens=2, metadata={"a": "b"})
    assert kept.status == "incomplete"
    assert sdk.responses.retrieve(kept.id) == kept
    sdk.responses.delete(kept.id)
    with pytest.raises(openai.NotFoundError, match=kept.id):
        sdk.responses.retrieve(kept.id)
    with pytest.raises(openai.NotFoundError):
        sdk.responses.delete(kept.id)
    with pytest.raises(openai.NotFoundError):
        sdk.responses.input_items.list(kept.id)
    with pytest.raises(openai.BadRequestError) as caught:
        sdk.responses.create(model="demo", input="And?", previous_response_id=kept.id)
    assert (caught.value.code, caught.value.param) == ("previous_response_not_found", "previous_response_id")


def test_a_streamed_answer_can_be_gone_on_from_at_once(server: Server, sdk: openai.OpenAI) -> None:
    *_, (_, last) = events_of(server, {"input": QUESTION, "max_output_tokens": 2})
    assert last["type"] == "response.incomplete"
    assert sdk.responses.retrieve(last["response"]["id"]).to_dict() == last["response"]


def test_what_is_not_to_be_kept_is_not(sdk: openai.OpenAI) -> None:
    answer = sdk.responses.create(model="demo", input=QUESTION, max_output_tokens=2, store=False)
    with pytest.raises(openai.NotFoundError):
        sdk.responses.retrieve(answer.id)


def test_logprobs(sdk: openai.OpenAI) -> None:
    response = sdk.responses.create(
        model="demo", input=QUESTION, include=["message.output_text.logprobs"], top_logprobs=2, temperature=0
    )
    (message,) = response.output
    assert message.type == "message"
    (part,) = message.content
    assert part.type == "output_text"
    assert part.logprobs is not None
    assert "".join(entry.token for entry in part.logprobs) == part.text
    assert {len(entry.top_logprobs) for entry in part.logprobs} == {2}


def test_tokens_are_counted_without_an_answer(sdk: openai.OpenAI) -> None:
    counted = sdk.responses.input_tokens.count(model="demo", input=QUESTION)
    answer = sdk.responses.create(model="demo", input=QUESTION, max_output_tokens=1)
    assert answer.usage is not None
    assert counted.input_tokens == answer.usage.input_tokens


def test_errors_before_a_stream_have_a_status(server: Server, sdk: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError):
        sdk.responses.create(model="no-such-model", input=QUESTION, stream=True)
    with pytest.raises(openai.BadRequestError) as caught:
        sdk.responses.create(model="demo", input="word " * 20_000, stream=True)
    assert (caught.value.code, caught.value.param) == ("context_length_exceeded", "input")
    bad: Any = {"type": "json_schema", "name": "n", "schema": {"type": "object", "not": {}}, "strict": True}
    with pytest.raises(openai.BadRequestError) as caught:
        sdk.responses.create(model="demo", input=QUESTION, text={"format": bad})
    assert caught.value.param == "text.format"
    with pytest.raises(openai.BadRequestError) as caught:
        sdk.responses.create(model="demo", input=QUESTION, reasoning={"effort": "high"})
    assert caught.value.param == "reasoning.effort"
    with pytest.raises(openai.BadRequestError) as caught:
        sdk.responses.create(model="demo", input=QUESTION, tools=[{"type": "web_search"}])
    assert caught.value.param == "tools.0"
    assert server.get("v1/responses/resp_1?stream=true").status_code == 400


def test_a_stream_that_breaks_ends_with_an_error(own_server: Server) -> None:
    with openai.OpenAI(base_url=f"{own_server.url}/v1", api_key=own_server.token, max_retries=0) as sdk:
        stream = iter(sdk.responses.create(model="endless", input=QUESTION, stream=True))
        seen = [next(stream).type for _ in range(8)]
        for worker in own_server.workers():
            worker.kill()
        with pytest.raises(openai.APIError) as caught:
            seen.extend(event.type for event in stream)
    assert seen[0] == "response.created"
    assert caught.value.code == "worker_died"
