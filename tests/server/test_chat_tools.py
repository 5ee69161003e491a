"""The demo model calls tools: whole, in a stream, by choice and by force, and answers with the result."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import openai
import pytest

from tests.conftest import Server

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
LIGHT = {
    "type": "object",
    "properties": {"room": {"type": "string"}, "state": {"type": "string", "enum": ["on", "off"]}},
    "required": ["room", "state"],
    "additionalProperties": False,
}


def tool(name: str, description: str, parameters: Any, **more: Any) -> dict[str, Any]:
    function = {"name": name, "description": description, "parameters": parameters, **more}
    return {"type": "function", "function": function}


WEATHER = tool("get_weather", "Get the current weather in a city", CITY)
TIME = tool("get_time", "Get the current time in a city", CITY)
SET_LIGHT = tool("set_light", "Turn a light on or off", LIGHT, strict=True)
ASK: Any = {"model": "demo", "temperature": 0, "tools": [WEATHER]}
QUESTION: Any = [{"role": "user", "content": "What is the weather in Paris?"}]


@pytest.fixture
def sdk(server: Server) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key=server.token, max_retries=0) as client:
        yield client


def test_a_tool_is_called_and_its_result_is_told(sdk: openai.OpenAI) -> None:
    answer = sdk.chat.completions.create(messages=QUESTION, **ASK).choices[0]
    assert answer.finish_reason == "tool_calls"
    assert answer.message.content is None
    (call,) = answer.message.tool_calls or []
    assert call.type == "function"
    assert call.id.startswith("call_")
    assert call.function.name == "get_weather"
    assert json.loads(call.function.arguments) == {"city": "Paris"}
    result = {"role": "tool", "tool_call_id": call.id, "content": '{"temperature": 21, "sky": "sunny"}'}
    told = sdk.chat.completions.create(messages=[*QUESTION, answer.message, result], **ASK).choices[0]
    assert told.finish_reason == "stop"
    assert "21" in (told.message.content or "")
    assert "sunny" in (told.message.content or "")


def test_a_call_comes_in_pieces(sdk: openai.OpenAI) -> None:
    whole = sdk.chat.completions.create(messages=QUESTION, **ASK).choices[0].message.tool_calls or []
    ids, names, arguments, reasons = [], [], "", []
    for event in sdk.chat.completions.create(messages=QUESTION, stream=True, **ASK):
        (choice,) = event.choices
        reasons.append(choice.finish_reason)
        assert not choice.delta.content
        for piece in choice.delta.tool_calls or []:
            assert piece.index == 0
            assert piece.function is not None
            ids += [piece.id] if piece.id else []
            names += [piece.function.name] if piece.function.name else []
            arguments += piece.function.arguments or ""
    assert len(ids) == 1
    assert names == ["get_weather"]
    assert json.loads(arguments) == json.loads(whole[0].function.arguments)  # type: ignore[union-attr]
    assert reasons[-1] == "tool_calls"
    assert set(reasons[:-1]) == {None}


def test_the_sdks_own_stream_puts_calls_together(sdk: openai.OpenAI) -> None:
    with sdk.chat.completions.stream(messages=QUESTION, **ASK) as stream:
        kinds = {event.type for event in stream}
        final = stream.get_final_completion().choices[0].message
    assert final.content is None  # as in the whole answer
    assert "tool_calls.function.arguments.done" in kinds
    assert [call.function.name for call in final.tool_calls or []] == ["get_weather"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("choice", "names"),
    [
        ("required", {"get_weather", "get_time", "set_light"}),
        ({"type": "function", "function": {"name": "set_light"}}, {"set_light"}),
        (
            {
                "type": "allowed_tools",
                "allowed_tools": {
                    "mode": "required",
                    "tools": [{"type": "function", "function": {"name": "get_time"}}],
                },
            },
            {"get_time"},
        ),
    ],
)
def test_a_call_that_is_required_comes_at_once(sdk: openai.OpenAI, choice: Any, names: set[str], stream: bool) -> None:
    """Of a question that calls for none. No prose before it, and its arguments satisfy the schema."""
    schemas = {each["function"]["name"]: each["function"]["parameters"] for each in (WEATHER, TIME, SET_LIGHT)}
    for seed in range(3):
        arguments: Any = {
            "model": "demo", "messages": [{"role": "user", "content": "hello"}], "tools": [WEATHER, TIME, SET_LIGHT],
            "tool_choice": choice, "parallel_tool_calls": False, "seed": seed, "max_tokens": 200,
        }  # fmt: skip
        if stream:
            with sdk.chat.completions.stream(**arguments) as events:
                answer = events.get_final_completion().choices[0]  # type: ignore[assignment]
        else:
            answer = sdk.chat.completions.create(**arguments).choices[0]
        assert not answer.message.content
        (call,) = answer.message.tool_calls or []
        assert call.type == "function"
        assert call.function.name in names
        if answer.finish_reason != "length":
            assert answer.finish_reason == "tool_calls"
            jsonschema.validate(json.loads(call.function.arguments), schemas[call.function.name])


def test_no_call_where_none_is_wanted(sdk: openai.OpenAI) -> None:
    answer = sdk.chat.completions.create(messages=QUESTION, tool_choice="none", max_tokens=20, **ASK).choices[0]
    assert answer.message.tool_calls is None
    assert answer.finish_reason in ("stop", "length")


def test_tools_that_are_not_needed_change_no_answer_into_a_call(sdk: openai.OpenAI) -> None:
    answer = sdk.chat.completions.create(messages=[{"role": "user", "content": "hello"}], **ASK).choices[0]
    assert answer.message.tool_calls is None
    assert answer.message.content


def test_every_answer_of_several_may_call(sdk: openai.OpenAI) -> None:
    answers = sdk.chat.completions.create(messages=QUESTION, n=2, **ASK).choices
    ids = [call.id for answer in answers for call in answer.message.tool_calls or []]
    assert len(set(ids)) == 2


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tool_choice": {"type": "function", "function": {"name": "nope"}}}, "tool_choice"),
        ({"tools": [WEATHER, WEATHER]}, "tools.1"),
        ({"tools": [tool("a b", "", CITY)]}, "tools.0.function.name"),
        (
            {
                "tools": [
                    tool(
                        "f",
                        "",
                        {"type": "object", "properties": {"a": {"type": "string", "format": "haiku"}}},
                        strict=True,
                    )
                ]
            },
            "tools",
        ),
    ],
)
def test_tools_that_are_wrong_are_refused_by_name(sdk: openai.OpenAI, fields: Any, param: str) -> None:
    for stream in (False, True):
        with pytest.raises(openai.BadRequestError) as caught:
            sdk.chat.completions.create(messages=QUESTION, stream=stream, **{**ASK, **fields})
        assert str(caught.value.param).startswith(param)
