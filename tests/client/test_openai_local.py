"""The openai package with a server and without one: the same requests, the same answers, the same errors."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest
from pydantic import BaseModel

from tests.client.conftest import Place
from tests.conftest import wait_until

QUESTION: Any = [{"role": "user", "content": "How do I load a model?"}]
GREEDY: dict[str, Any] = {"model": "demo", "messages": QUESTION, "temperature": 0, "max_tokens": 12}
WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the current weather in a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        },
        "strict": True,
    },
}


class Verdict(BaseModel):
    ok: bool


ASK: Any = [{"role": "user", "content": "What's the weather in Paris?"}]


@pytest.fixture
def sdk(place: Place) -> openai.OpenAI:
    return place.sdk


def test_models_are_listed(sdk: openai.OpenAI) -> None:
    assert {"demo", "endless"} <= {model.id for model in sdk.models.list()}
    assert sdk.models.retrieve("demo").id == "demo"


def test_a_chat_whole_and_streamed(place: Place) -> None:
    reply = place.sdk.chat.completions.create(**GREEDY)
    text = reply.choices[0].message.content
    assert text == place.client.chat(QUESTION, model="demo", temperature=0, max_tokens=12).text
    assert reply._request_id is not None
    assert reply.id.removeprefix("chatcmpl-") == reply._request_id.removeprefix("req_")
    *parts, last = place.sdk.chat.completions.create(**GREEDY, stream=True, stream_options={"include_usage": True})
    assert "".join(part.choices[0].delta.content or "" for part in parts) == text
    assert parts[-1].choices[0].finish_reason is not None
    assert reply.usage is not None
    assert last.usage is not None
    assert last.usage.completion_tokens == reply.usage.completion_tokens


def test_several_answers_with_their_log_probabilities(sdk: openai.OpenAI) -> None:
    reply = sdk.chat.completions.create(**GREEDY, n=2, logprobs=True, top_logprobs=2)
    assert [choice.index for choice in reply.choices] == [0, 1]
    for choice in reply.choices:
        assert choice.logprobs is not None
        tokens = choice.logprobs.content or []
        assert "".join(token.token for token in tokens) == choice.message.content
        assert {len(token.top_logprobs) for token in tokens} == {2}


def test_a_text_goes_on(sdk: openai.OpenAI) -> None:
    reply = sdk.completions.create(model="demo", prompt="Load", max_tokens=2, temperature=0)
    assert reply.choices[0].finish_reason == "length"


def test_an_answer_follows_a_schema(sdk: openai.OpenAI) -> None:
    fields = {"properties": {"ok": {"type": "boolean"}}, "required": ["ok"], "additionalProperties": False}
    schema = {"name": "a", "schema": {"type": "object", **fields}, "strict": True}
    form: Any = {"type": "json_schema", "json_schema": schema}
    reply = sdk.chat.completions.create(model="demo", messages=QUESTION, response_format=form)
    assert set(json.loads(reply.choices[0].message.content or "")) == {"ok"}


def test_a_parsed_answer_is_an_object(sdk: openai.OpenAI) -> None:
    reply = sdk.chat.completions.parse(model="demo", messages=QUESTION, response_format=Verdict, temperature=0)
    assert isinstance(reply.choices[0].message.parsed, Verdict)
    response = sdk.responses.parse(model="demo", input="Is it?", text_format=Verdict, temperature=0)
    assert isinstance(response.output_parsed, Verdict)
    with sdk.chat.completions.stream(model="demo", messages=QUESTION, response_format=Verdict) as stream:
        assert isinstance(stream.get_final_completion().choices[0].message.parsed, Verdict)


def test_texts_become_vectors(place: Place) -> None:
    texts = ["How do I load a model?", "x"]
    reply = place.sdk.embeddings.create(model="demo", input=texts)
    own = place.client.embed(texts, model="demo")
    assert [row.embedding for row in reply.data] == [pytest.approx(row, abs=1e-5) for row in own]
    assert reply.usage.prompt_tokens == own.usage.prompt_tokens
    assert len(place.sdk.embeddings.create(model="demo", input="x", dimensions=8).data[0].embedding) == 8


def test_a_tool_is_called_and_its_result_told(sdk: openai.OpenAI) -> None:
    asked: dict[str, Any] = {"model": "demo", "tools": [WEATHER], "temperature": 0}
    whole = sdk.chat.completions.create(**asked, messages=ASK).choices[0]
    assert whole.finish_reason == "tool_calls"
    (call,) = whole.message.tool_calls or ()
    assert call.type == "function"
    assert (call.function.name, json.loads(call.function.arguments)) == ("get_weather", {"city": "Paris"})
    with sdk.chat.completions.stream(**asked, messages=ASK) as stream:
        streamed = stream.get_final_completion().choices[0]
    (same,) = streamed.message.tool_calls or ()
    assert (same.function.name, same.function.arguments) == (call.function.name, call.function.arguments)
    result = {"role": "tool", "tool_call_id": call.id, "content": '{"temperature": 21, "sky": "sunny"}'}
    told = sdk.chat.completions.create(**asked, messages=[*ASK, whole.message, result]).choices[0]
    assert told.message.content == "It is 21 degrees and sunny in Paris."


def test_a_tool_that_must_be_called_is_called(sdk: openai.OpenAI) -> None:
    choice: Any = {"type": "function", "function": {"name": "get_weather"}}
    reply = sdk.chat.completions.create(
        model="demo", messages=QUESTION, tools=[WEATHER], tool_choice=choice, temperature=0, max_tokens=60
    )
    (call,) = reply.choices[0].message.tool_calls or ()
    assert call.function.name == "get_weather"  # type: ignore[union-attr]


def test_a_kept_response_is_read_and_deleted(sdk: openai.OpenAI) -> None:
    made = sdk.responses.create(model="demo", input="How do I load a model?", temperature=0, max_output_tokens=16)
    assert sdk.responses.retrieve(made.id).output_text == made.output_text != ""
    assert [item.type for item in sdk.responses.input_items.list(made.id)] == ["message"]
    sdk.responses.delete(made.id)
    with pytest.raises(openai.NotFoundError):
        sdk.responses.retrieve(made.id)


@pytest.mark.parametrize(
    ("fields", "error", "param"),
    [
        ({"model": "no-such-model"}, openai.NotFoundError, "model"),
        ({"temperature": 99}, openai.BadRequestError, "temperature"),
        ({"tool_choice": "required"}, openai.BadRequestError, "tool_choice"),
        ({"extra_body": {"cost": 1}}, openai.BadRequestError, "cost"),
        ({"messages": [{"role": "user", "content": "word " * 5000}]}, openai.BadRequestError, "messages"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_errors_have_their_status(
    sdk: openai.OpenAI, fields: dict[str, Any], error: type[openai.APIStatusError], param: str, stream: bool
) -> None:
    with pytest.raises(error) as caught:
        sdk.chat.completions.create(**GREEDY | fields, stream=stream)
    assert caught.value.param == param
    assert (caught.value.request_id or "").startswith("req_")


def test_what_is_not_there_is_not_found(sdk: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError):
        sdk.files.list()
    with pytest.raises(openai.NotFoundError):
        sdk.models.retrieve("no-such-model")


def test_an_answer_that_fails_in_its_stream_ends_with_the_error(place: Place) -> None:
    stream = iter(place.sdk.chat.completions.create(model="endless", messages=QUESTION, stream=True))
    next(stream)
    place.client.unload("endless", force=True)
    with pytest.raises(openai.APIError, match="unloaded"):
        list(stream)


def test_leaving_a_stream_stops_the_engine(place: Place) -> None:
    stream = place.sdk.chat.completions.create(model="endless", messages=QUESTION, stream=True)
    next(iter(stream))
    assert place.client.model("endless").active == 1
    stream.close()
    wait_until(lambda: place.client.model("endless").active == 0, 1)


def test_a_time_out_is_kept_and_stops_the_engine(place: Place) -> None:
    place.client.load("endless")
    impatient = place.sdk.with_options(timeout=0.5)
    with pytest.raises(openai.APITimeoutError):
        impatient.chat.completions.create(model="endless", messages=QUESTION)
    wait_until(lambda: place.client.model("endless").active == 0, 2)
    stream = impatient.chat.completions.create(model="endless", messages=QUESTION, stream=True, max_tokens=300)
    assert [event.choices[0].finish_reason for event in stream][-1] == "length"
