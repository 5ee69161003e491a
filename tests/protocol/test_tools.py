"""Tools are bounded before anything walks them, and a choice names what is there."""

from __future__ import annotations

import json
import time
from typing import Any

import orjson
import pytest

from jupyter_uml.errors import InvalidRequest
from jupyter_uml.protocol.body import parse
from jupyter_uml.protocol.endpoint import Caller
from jupyter_uml.protocol.openai.chat import ChatCompletionBody
from jupyter_uml.protocol.tools import MAX_TOOLS
from jupyter_uml.types import GenerateRequest, Tool


def tool(name: str, parameters: Any = None, **more: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "parameters": parameters, **more}}


def native(**fields: Any) -> GenerateRequest:
    content = orjson.dumps({"model": "demo", "messages": [{"role": "user", "content": "Hi"}], **fields})
    return parse(ChatCompletionBody, content).to_native(Caller("me", "1"))[0]


def named(name: str) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name}}


def test_a_tool_reaches_the_engine_as_it_was_sent() -> None:
    schema = {"type": "object", "properties": {"b": {"type": "string"}, "a": {"type": "integer"}}}
    request = native(tools=[tool("f", schema, description="Does f", strict=True), tool("g")])
    assert request.tools == (
        Tool("f", "Does f", orjson.dumps(schema).decode(), strict=True),
        Tool("g", "", '{"type":"object","properties":{}}'),
    )
    assert (request.tool_choice, request.tool_name, request.parallel_tool_calls) == ("auto", None, True)


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("none", ("none", None, ["f", "g"])),
        ("auto", ("auto", None, ["f", "g"])),
        ("required", ("required", None, ["f", "g"])),
        (named("g"), ("required", "g", ["f", "g"])),
        ({"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [named("g")]}}, ("auto", None, ["g"])),
        (
            {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [named("g")]}},
            ("required", None, ["g"]),
        ),
    ],
)
def test_a_choice(choice: Any, expected: tuple[Any, ...]) -> None:
    request = native(tools=[tool("f"), tool("g")], tool_choice=choice, parallel_tool_calls=False)
    assert (request.tool_choice, request.tool_name, [each.name for each in request.tools]) == expected
    assert not request.parallel_tool_calls


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tools": [tool("f"), tool("f")]}, "tools.1"),
        ({"tools": [tool(f"f{number}") for number in range(MAX_TOOLS + 1)]}, "tools"),
        ({"tools": [tool(f"f{number}", {"title": "x" * 100_000}) for number in range(6)]}, "tools"),
        ({"tools": [tool("f", {"title": "x" * 200_000})]}, "tools.0.function.parameters"),
        ({"tools": [tool("f")], "tool_choice": named("g")}, "tool_choice"),
        (
            {
                "tools": [tool("f")],
                "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [named("g")]}},
            },
            "tool_choice",
        ),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tool_choice": named("f")}, "tool_choice"),
    ],
)
def test_what_is_wrong_is_named(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        native(**fields)
    assert caught.value.param == param


@pytest.mark.parametrize("depth", [70, 250, 300])
@pytest.mark.parametrize("field", ["tools", "response_format"])
def test_deep_schemas_are_refused_at_once(field: str, depth: int) -> None:
    schema: Any = {"type": "string"}
    for _ in range(depth):
        schema = {"items": schema}
    body = {
        "tools": {"tools": [tool("f", schema)]},
        "response_format": {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}},
    }[field]
    started = time.monotonic()
    messages = [{"role": "user", "content": "Hi"}]
    content = json.dumps({"model": "demo", "messages": messages, **body}).encode()  # orjson would not write it
    with pytest.raises(InvalidRequest) as caught:
        parse(ChatCompletionBody, content)
    assert "nested" in caught.value.message
    assert (caught.value.param or "").startswith(field)
    assert time.monotonic() - started < 1


def test_no_tools_at_all() -> None:
    assert native(tools=[], parallel_tool_calls=True).tools == ()
