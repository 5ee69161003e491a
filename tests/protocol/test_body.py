"""How a wrong body is told: the field's path in what was sent, and what is wrong, whatever unions are in the way."""

from __future__ import annotations

import time
from typing import Any

import orjson
import pytest

from jupyter_uml.errors import InvalidRequest
from jupyter_uml.protocol.body import parse
from jupyter_uml.protocol.openai.chat import ChatCompletionBody
from jupyter_uml.protocol.openai.completions import TextCompletionBody

HELLO = [{"role": "user", "content": "Hi"}]
CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def fault(model: Any, **body: Any) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        parse(model, orjson.dumps({"model": "demo", **body}))
    return caught.value


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": [{"role": "wizard", "content": "x"}]}, "messages.0.role"),
        ({"messages": [*HELLO, {"role": "user", "content": [{"type": "text"}]}]}, "messages.1.content.0.text"),
        ({"messages": [{"role": "user", "content": [{"type": "video"}]}]}, "messages.0.content.0"),
        ({"messages": [{"role": "assistant", "content": None}]}, "messages.0.content"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages.0.tool_call_id"),
        ({"messages": [{"role": "user", "content": "x", "tool_calls": [CALL]}]}, "messages.0.tool_calls"),
        ({"tools": [{"type": "function", "function": {"name": "a b"}}]}, "tools.0.function.name"),
        ({"tools": [{"type": "function"}]}, "tools.0.function"),
        ({"tools": [{"type": "custom", "custom": {"name": "a"}}]}, "tools.0.type"),
        ({"tool_choice": "always"}, "tool_choice"),
        ({"tool_choice": {"type": "function", "function": {"name": 5}}}, "tool_choice.function.name"),
        ({"tool_choice": {"type": "custom", "custom": {"name": "a"}}}, "tool_choice"),
        ({"tool_choice": {"type": "allowed_tools"}}, "tool_choice.allowed_tools"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "a b"}}},
            "response_format.json_schema.name",
        ),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        ({"stop": ["a", 5]}, "stop.1"),
        ({"logit_bias": {"01": 1}}, "logit_bias.01"),
        ({"chat_template_kwargs": {"a": [1]}}, "chat_template_kwargs.a"),
        ({"chat_template_kwargs": {"messages": "x"}}, "chat_template_kwargs.messages"),
        ({"chat_template_kwargs": {f"a{number}": 1 for number in range(33)}}, "chat_template_kwargs"),
        ({"reasoning_effort": "a lot"}, "reasoning_effort"),
        ({"reasoning_budget": -1}, "reasoning_budget"),
        ({"max_tokens": 5, "max_completion_tokens": 6}, "max_completion_tokens"),
        ({"n": 9}, "n"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"metadata": {"a": 5}}, "metadata.a"),
    ],
)
def test_the_field_of_a_chat_is_named(fields: dict[str, Any], param: str) -> None:
    error = fault(ChatCompletionBody, **{"messages": HELLO, **fields})
    assert error.param == param
    assert error.message.startswith(f"{param}: ")


@pytest.mark.parametrize(
    "name",
    ["audio", "functions", "function_call", "moderation", "prediction", "prompt_cache_options", "web_search_options"],
)
def test_what_is_refused_whatever_it_says_may_be_null(name: str) -> None:
    error = fault(ChatCompletionBody, messages=HELLO, **{name: {"a": 1}})
    assert (error.param, error.message) == (name, f"{name}: this field is not supported. Leave it out.")
    parse(ChatCompletionBody, orjson.dumps({"model": "demo", "messages": HELLO, name: None}))


@pytest.mark.parametrize(
    ("name", "value"),
    [("store", True), ("modalities", ["audio"]), ("verbosity", "low"), ("prompt_cache_retention", "24h")],
)
def test_a_value_that_cannot_be_honoured_is_refused(name: str, value: Any) -> None:
    assert (fault(ChatCompletionBody, messages=HELLO, **{name: value}).param or "").startswith(name)


def test_an_unknown_field_is_refused() -> None:
    error = fault(ChatCompletionBody, messages=HELLO, temprature=1)
    assert error.message == "temprature: this field is not supported. Leave it out."


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"prompt": 5}, "prompt"),
        ({"prompt": []}, "prompt"),
        ({"prompt": [1, "a"]}, "prompt.1"),
        ({"prompt": ["a", 1]}, "prompt.1"),
        ({"prompt": [[1], [-1]]}, "prompt.1.0"),
        ({"prompt": [[1], []]}, "prompt.1"),
        ({"prompt": ["a"] * 65}, "prompt"),
        ({"prompt": ["a"] * 64, "n": 3}, None),
        ({"prompt": "a", "max_tokens": 0}, "max_tokens"),
        ({"prompt": "a", "max_tokens": -2}, "max_tokens"),
        ({"prompt": "a", "n": 3, "best_of": 2}, "best_of"),
        ({"prompt": "a", "best_of": 2, "stream": True}, "best_of"),
        ({"prompt": "a", "logprobs": 21}, "logprobs"),
    ],
)
def test_the_field_of_a_completion_is_named(fields: dict[str, Any], param: str | None) -> None:
    assert fault(TextCompletionBody, **fields).param == param


def test_a_million_wrong_items_cost_no_more_than_one() -> None:
    """Every item's fault would be collected, else, and take minutes and gigabytes."""
    wrong: list[Any] = [1] + ["a"] * 1_000_000
    assert fault(TextCompletionBody, prompt=wrong).param == "prompt.1"


@pytest.mark.parametrize(
    "fields",
    [
        {f"a{number}": 1 for number in range(300_000)},
        {"logit_bias": {str(number): "a" for number in range(300_000)}},
        {"logit_bias": {str(number): "a" for number in range(200_000)}},
        {"messages": [{"role": "user", "content": [{"type": "x"}] * 100}] * 4000},
    ],
)
def test_hundreds_of_thousands_of_faults_hold_nobody_up(fields: dict[str, Any]) -> None:
    content = orjson.dumps({"model": "demo", "messages": HELLO, **fields})
    started = time.monotonic()
    with pytest.raises(InvalidRequest, match=r"more than (1000 faults|262144 objects)"):
        parse(ChatCompletionBody, content)
    assert time.monotonic() - started < 3


def test_a_conversation_of_a_million_pieces_is_not_even_begun() -> None:
    pieces = [{"type": "text", "text": "x"}] * 1000
    messages = [{"role": "user", "content": pieces}] * 400
    with pytest.raises(InvalidRequest, match="more than 262144 objects"):
        parse(ChatCompletionBody, orjson.dumps({"model": "demo", "messages": messages}))


def test_what_is_long_but_not_made_of_many_pieces_is_read() -> None:
    messages = [{"role": "user", "content": [{"type": "text", "text": "x" * 100}] * 4}] * 4096
    assert len(parse(ChatCompletionBody, orjson.dumps({"model": "demo", "messages": messages})).messages) == 4096
    tokens = parse(TextCompletionBody, orjson.dumps({"model": "demo", "prompt": [1] * 1_000_000})).prompts()
    assert len(tokens[0]) == 1_000_000


@pytest.mark.parametrize(("content", "param"), [(b"[]", None), (b'{"model": "demo", "messages": [1]}', "messages.0")])
def test_what_is_no_object_is_told_without_our_own_names(content: bytes, param: str | None) -> None:
    with pytest.raises(InvalidRequest, match=r"must be a JSON object\.") as caught:
        parse(ChatCompletionBody, content)
    assert caught.value.param == param
    assert "ChatMessage" not in caught.value.message
