"""What a request of the Responses API says to the engine, and what of it is refused."""

from __future__ import annotations

import base64
import struct
import zlib
from typing import Any

import orjson
import pytest
from openai.types.responses import Response

from jupyter_uml.errors import InvalidRequest
from jupyter_uml.protocol.body import parse
from jupyter_uml.protocol.endpoint import Caller
from jupyter_uml.protocol.images import ImageReader
from jupyter_uml.protocol.responses.body import ResponsesRequest
from jupyter_uml.protocol.responses.echo import echo
from jupyter_uml.types import IMAGE_MARK, GenerateRequest, Message, ToolCall

CALLER = Caller("ann", "0123456789abcdef01234567")
FUNCTION: dict[str, Any] = {
    "type": "function",
    "name": "get_time",
    "description": "The time.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    "strict": True,
}
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


def body(**fields: Any) -> ResponsesRequest:
    return parse(ResponsesRequest, orjson.dumps({"model": "demo", "input": "Hello.", **fields}))


def native(**fields: Any) -> GenerateRequest:
    asked = body(**fields)
    return asked.to_native(CALLER, [], asked.given(), ImageReader())  # type: ignore[arg-type]


def refused(**fields: Any) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        native(**fields)
    return caught.value


# --- items ---


def test_a_text_is_a_message_of_the_user_after_the_instructions() -> None:
    assert native(instructions="Be brief.").messages == (Message("system", "Be brief."), Message("user", "Hello."))


def test_messages_with_parts() -> None:
    parts = [{"type": "input_text", "text": "Hel"}, {"type": "input_text", "text": "lo."}]
    items = [
        {"role": "developer", "content": "Be brief."},
        {"type": "message", "role": "user", "content": parts},
        {"role": "assistant", "content": [{"type": "output_text", "text": "Hi!", "annotations": []}]},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]},
    ]
    said = [(message.role, message.content) for message in native(input=items).messages]
    assert said == [("developer", "Be brief."), ("user", "Hello."), ("assistant", "Hi!"), ("assistant", "No.")]


def test_what_the_assistant_did_in_a_row_is_one_message() -> None:
    items = [
        {"role": "user", "content": "Time in Rome and Oslo?"},
        {"type": "reasoning", "id": "rs_1", "summary": [], "content": [{"type": "reasoning_text", "text": "Hm."}]},
        {"type": "message", "role": "assistant", "content": "I'll look."},
        {"type": "function_call", "call_id": "a", "name": "get_time", "arguments": '{"city":"Rome"}'},
        {"type": "function_call", "call_id": "b", "name": "get_time", "arguments": '{"city":"Oslo"}'},
        {"type": "function_call_output", "call_id": "a", "output": "12:00"},
        {"type": "function_call_output", "call_id": "b", "output": [{"type": "input_text", "text": "13:00"}]},
    ]
    _, assistant, *outputs = native(input=items).messages
    calls = (ToolCall("a", "get_time", '{"city":"Rome"}'), ToolCall("b", "get_time", '{"city":"Oslo"}'))
    assert assistant == Message("assistant", "I'll look.", tool_calls=calls, reasoning="Hm.")
    assert outputs == [Message("tool", "12:00", tool_call_id="a"), Message("tool", "13:00", tool_call_id="b")]


@pytest.mark.parametrize(
    ("items", "words"),
    [
        ([{"type": "function_call_output", "call_id": "zz", "output": "1"}], "no function call for .* zz"),
        ([{"type": "function_call", "call_id": "zz", "name": "f", "arguments": "{}"}], "no function call output .* zz"),
        ([{"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm."}]}], "reasoning"),
        ([], "empty"),
    ],
)
def test_items_that_do_not_fit_together_are_refused(items: list[dict[str, Any]], words: str) -> None:
    with pytest.raises(InvalidRequest, match=words) as caught:
        native(input=items)
    assert caught.value.param == "input"


def test_a_request_must_say_something() -> None:
    assert refused(input=None).param == "input"


@pytest.mark.parametrize(
    ("item", "param"),
    [
        ({"role": "critic", "content": "x"}, "input.0.role"),
        ({"role": "user", "content": "x", "colour": "red"}, "input.0.colour"),
        ({"role": "user", "content": [{"type": "input_file", "file_id": "f"}]}, "input.0.content.0"),
        ({"role": "user", "content": [{"type": "input_text", "text": 1}]}, "input.0.content.0.text"),
        ({"role": "user", "content": [{"type": "input_image", "image_url": "ftp://x"}]}, "input.0.content.0.image_url"),
        ({"type": "computer_call_output", "call_id": "a", "output": {}}, "input.0"),
        ({"type": "function_call", "call_id": "a", "name": "f"}, "input.0.arguments"),
        ({"type": "reasoning", "summary": [], "encrypted_content": "gAAA!"}, "input.0.encrypted_content"),
        ({"role": "system", "content": [{"type": "input_image", "image_url": "data:x"}]}, "input.0.content"),
        (7, "input.0"),
    ],
)
def test_a_wrong_item_is_named(item: Any, param: str) -> None:
    assert refused(input=[item]).param == param


def test_images_stand_where_they_were_sent() -> None:
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(bytes(2))),
        (b"IEND", b""),
    )
    png = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    url = f"data:image/png;base64,{base64.b64encode(png).decode()}"
    parts = [
        {"type": "input_text", "text": f"What is{IMAGE_MARK} this"},
        {"type": "input_image", "image_url": url, "detail": "auto"},
        {"type": "input_text", "text": "?"},
    ]
    (message,) = native(input=[{"role": "user", "content": parts}]).messages
    assert (message.content, message.images) == (f"What is this{IMAGE_MARK}?", (png,))
    error = refused(input=[{"role": "user", "content": [*parts, {**parts[1], "detail": "low"}]}])
    assert error.param == "input.0.content.3.detail"


# --- settings ---


def test_sampling() -> None:
    request = native(max_output_tokens=7, temperature=0, top_p=0.5, top_k=3, seed=1, stop=["x"])
    params = request.params
    assert (params.max_tokens, params.temperature, params.top_p, params.top_k) == (7, 0, 0.5, 3)
    assert (params.seed, params.stop, params.logprobs) == (1, ("x",), None)
    assert (request.id, request.principal) == (CALLER.request_id, "ann")


@pytest.mark.parametrize(
    ("fields", "logprobs"),
    [
        ({"include": ["message.output_text.logprobs"]}, 0),
        ({"include": ["message.output_text.logprobs"], "top_logprobs": 3}, 3),
        ({"top_logprobs": 2}, 2),
        ({"top_logprobs": 0}, None),
    ],
)
def test_logprobs(fields: dict[str, Any], logprobs: int | None) -> None:
    assert native(**fields).params.logprobs == logprobs


def test_structured_output() -> None:
    form = {"type": "json_schema", "name": "n", "schema": SCHEMA, "strict": True}
    grammar = native(text={"format": form}).params.grammar
    assert grammar is not None
    assert (grammar.kind, orjson.loads(grammar.source)) == ("json_schema", SCHEMA)
    assert native(text={"format": {"type": "text"}}).params.grammar is None
    both = refused(text={"format": form}, grammar={"kind": "regex", "source": "a+"})
    assert both.param == "text"


def test_tools() -> None:
    request = native(tools=[FUNCTION], parallel_tool_calls=False, tool_choice={"type": "function", "name": "get_time"})
    assert (request.tool_choice, request.tool_name, request.parallel_tool_calls) == ("required", "get_time", False)
    tool = request.tools[0]
    assert (tool.name, tool.description, tool.strict) == ("get_time", "The time.", True)
    assert orjson.loads(tool.parameters) == FUNCTION["parameters"]


def test_only_allowed_tools_are_offered() -> None:
    tools = [FUNCTION, {**FUNCTION, "name": "get_weather"}]
    allowed = {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "get_weather"}]}
    request = native(tools=tools, tool_choice=allowed)
    assert ([tool.name for tool in request.tools], request.tool_choice) == (["get_weather"], "required")


def test_reasoning() -> None:
    request = native(reasoning={"effort": "low", "summary": "auto"}, reasoning_budget=100)
    assert (request.reasoning_effort, request.reasoning_budget) == ("low", 100)


def test_truncation() -> None:
    assert native(truncation="auto").truncate == "oldest_messages"
    assert native(truncation="disabled").truncate is None


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"background": True}, "background"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"conversation": {"id": "conv_1"}}, "conversation"),
        ({"prompt": {"id": "pmpt_1"}}, "prompt"),
        ({"context_management": [{"type": "compaction"}]}, "context_management"),
        ({"moderation": {"model": "omni"}}, "moderation"),
        ({"tools": [{"type": "web_search"}]}, "tools.0"),
        ({"tools": [{"type": "mcp", "server_label": "x"}]}, "tools.0"),
        ({"tools": [FUNCTION, {"type": "code_interpreter", "container": {"type": "auto"}}]}, "tools.1"),
        ({"tools": [FUNCTION, FUNCTION]}, "tools.1"),
        ({"tools": [{**FUNCTION, "name": "get time"}]}, "tools.0.name"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tool_choice": "sometimes", "tools": [FUNCTION]}, "tool_choice"),
        ({"tool_choice": {"type": "function", "name": "other"}, "tools": [FUNCTION]}, "tool_choice"),
        ({"tool_choice": {"type": "web_search_preview"}, "tools": [FUNCTION]}, "tool_choice"),
        ({"text": {"verbosity": "low"}}, "text.verbosity"),
        ({"text": {"format": {"type": "json_schema", "name": "a b", "schema": {}}}}, "text.format.name"),
        ({"reasoning": {"summary": "concise"}}, "reasoning.summary"),
        ({"reasoning": {"effort": "max"}}, "reasoning.effort"),
        ({"reasoning": {"mode": "pro"}}, "reasoning.mode"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"temperature": 3}, "temperature"),
        ({"top_logprobs": 21}, "top_logprobs"),
        ({"truncation": "sometimes"}, "truncation"),
        ({"include": ["everything"]}, "include.0"),
        ({"stream_options": {"include_obfuscation": True}}, "stream_options.include_obfuscation"),
        ({"metadata": {"a": 1}}, "metadata.a"),
        ({"metadata": {str(n): "" for n in range(17)}}, "metadata"),
        ({"messages": []}, "messages"),
        ({"service_tier": "ultrafast"}, "service_tier"),
    ],
)
def test_what_is_not_supported_is_refused_by_name(fields: dict[str, Any], param: str) -> None:
    error = refused(**fields)
    assert error.param == param
    assert param.split(".", maxsplit=1)[0] in error.message


def test_what_asks_nothing_of_a_model_is_accepted() -> None:
    labels = {
        "user": "u",
        "safety_identifier": "s",
        "prompt_cache_key": "k",
        "prompt_cache_retention": "24h",
        "prompt_cache_options": {"mode": "implicit", "ttl": "30m"},
        "metadata": {"a": "b"},
        "max_tool_calls": 3,
        "background": False,
        "service_tier": "auto",
        "conversation": None,
        "include": ["web_search_call.results"],
    }
    assert native(**labels) == native()


def test_the_answer_repeats_the_settings() -> None:
    form = {"type": "json_schema", "name": "n", "schema": SCHEMA, "strict": True}
    asked = body(
        instructions="Be brief.",
        temperature=0.5,
        max_output_tokens=9,
        tools=[FUNCTION],
        tool_choice={"type": "function", "name": "get_time"},
        text={"format": form},
        reasoning={"effort": "low", "summary": "auto"},
        metadata={"a": "b"},
        truncation="auto",
        store=False,
    )
    head = {"id": "resp_1", "object": "response", "created_at": 1, "status": "completed", "output": []}
    read = Response.model_validate({**head, **echo(asked)})
    assert (read.instructions, read.temperature, read.max_output_tokens) == ("Be brief.", 0.5, 9)
    assert read.tools[0].model_dump(exclude_unset=True) == FUNCTION
    assert read.tool_choice.name == "get_time"  # type: ignore[union-attr]
    assert read.text is not None
    assert read.text.format is not None
    assert read.text.format.model_dump(by_alias=True, exclude_none=True) == form
    assert read.reasoning is not None
    assert (read.reasoning.effort, read.reasoning.summary) == ("low", "auto")
    assert (read.metadata, read.truncation, read.to_dict()["store"]) == ({"a": "b"}, "auto", False)
    defaults = Response.model_validate({**head, **echo(body())})
    assert (defaults.tool_choice, defaults.truncation, defaults.parallel_tool_calls) == ("auto", "disabled", True)
