"""Anthropic's requests: what they become, and what is refused by name."""

from __future__ import annotations

import base64
import json
import struct
import time
import zlib
from typing import Any

import orjson
import pytest

from jupyter_uml.errors import InvalidRequest
from jupyter_uml.protocol.anthropic.body import MessagesBody, PromptBody
from jupyter_uml.protocol.body import parse
from jupyter_uml.protocol.endpoint import Caller
from jupyter_uml.protocol.images import ImageReader
from jupyter_uml.types import IMAGE_MARK, GenerateRequest, Message, ToolCall

CALLER = Caller("me", "0" * 24)
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOL = {"name": "get_weather", "description": "Get weather", "input_schema": SCHEMA}


def png() -> bytes:
    def piece(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + piece(b"IHDR", head) + piece(b"IDAT", zlib.compress(b"\0" * 4)) + piece(b"IEND", b"")


IMAGE = {
    "type": "image",
    "source": {"type": "base64", "media_type": "image/png", "data": base64.b64encode(png()).decode()},
}


def body(**fields: Any) -> dict[str, Any]:
    return {"model": "demo", "max_tokens": 64, "messages": [{"role": "user", "content": "Hi"}], **fields}


def native(**fields: Any) -> GenerateRequest:
    return parse(MessagesBody, json.dumps(body(**fields)).encode()).to_native(CALLER, ImageReader())


def turns(*contents: Any) -> tuple[Message, ...]:
    roles = ("user", "assistant")
    return native(messages=[{"role": roles[i % 2], "content": c} for i, c in enumerate(contents)]).messages


def refused(**fields: Any) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        native(**fields)
    return caught.value


def test_a_string_is_a_text_block() -> None:
    assert turns("Hi") == turns([{"type": "text", "text": "Hi"}]) == (Message("user", "Hi"),)


def test_blocks_of_a_person_are_paragraphs_and_those_of_the_assistant_one_text() -> None:
    two = [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]
    assert turns(two, two) == (Message("user", "one\n\ntwo"), Message("assistant", "onetwo"))


def test_the_system_prompt_comes_first() -> None:
    blocks = [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]
    assert (
        native(system="a").messages == native(system=blocks).messages == (Message("system", "a"), Message("user", "Hi"))
    )


def test_turns_of_one_role_become_one() -> None:
    messages = [{"role": "user", "content": "one"}, {"role": "user", "content": "two"}]
    assert native(messages=messages).messages == (Message("user", "one\n\ntwo"),)


def test_a_hundred_thousand_pieces_are_joined_in_no_time() -> None:
    """Joined one by one they would be copied each time, for minutes, while the server serves nobody else."""
    blocks = [{"type": "text", "text": "x" * 40}] * 1000
    started = time.monotonic()
    (message,) = native(messages=[{"role": "user", "content": blocks}] * 80).messages
    assert time.monotonic() - started < 5
    assert len(message.content) == 80_000 * 42 - 2


def test_an_image_between_texts_that_are_joined_has_no_paragraph_beside_it() -> None:
    text = {"type": "text", "text": "a"}
    (message,) = turns([text, text, IMAGE, text, {"type": "text", "text": ""}, text])
    assert message.content == f"a\n\na{IMAGE_MARK}a\n\na"
    assert message.images == (png(),)


def test_a_turn_with_thoughts_and_calls() -> None:
    sent = [
        {"type": "thinking", "thinking": "hm", "signature": "x"},
        {"type": "redacted_thinking", "data": "opaque"},
        {"type": "text", "text": "I look."},
        {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {"city": "Rome"}},
        {"type": "tool_use", "id": "elsewhere", "name": "get_time", "input": {}},
    ]
    calls = (ToolCall("1", "get_weather", '{"city": "Rome"}'), ToolCall("elsewhere", "get_time", "{}"))
    assert turns("?", sent)[1] == Message("assistant", "I look.", tool_calls=calls, reasoning="hm")


def test_results_are_messages_of_their_own_and_failures_can_be_read() -> None:
    results = [
        {"type": "tool_result", "tool_use_id": "toolu_1", "content": "22"},
        {
            "type": "tool_result",
            "tool_use_id": "toolu_2",
            "content": [{"type": "text", "text": "down"}],
            "is_error": True,
        },
        {"type": "tool_result", "tool_use_id": "toolu_3"},
        {"type": "text", "text": "Go on."},
    ]
    assert turns(results) == (
        Message("tool", "22", tool_call_id="1"),
        Message("tool", "Error: down", tool_call_id="2"),
        Message("tool", "", tool_call_id="3"),
        Message("user", "Go on."),
    )


def test_a_result_has_the_name_of_the_tool() -> None:
    call = {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "22"}
    assert turns("?", [call], [result])[-1] == Message("tool", "22", "get_weather", tool_call_id="1")


def test_images_stand_where_they_were() -> None:
    text = {"type": "text", "text": "a"}
    assert turns([text, IMAGE, text]) == (Message("user", f"a{IMAGE_MARK}a", images=(png(),)),)
    (result,) = turns([{"type": "tool_result", "tool_use_id": "1", "content": [IMAGE, text]}])
    assert (result.content, result.images) == (f"{IMAGE_MARK}a", (png(),))


def test_nobody_can_write_an_image_mark() -> None:
    text = f"a{IMAGE_MARK}b"
    blocks = [
        {"type": "text", "text": text},
        {"type": "tool_result", "tool_use_id": "1", "content": text},
    ]
    answered = [{"type": "thinking", "thinking": text, "signature": ""}, {"type": "text", "text": text}]
    request = native(
        system=text, messages=[{"role": "user", "content": blocks}, {"role": "assistant", "content": answered}]
    )
    written = [message.content + (message.reasoning or "") for message in request.messages]
    assert written == ["ab", "ab", "ab", "abab"]


def test_the_last_turn_of_the_assistant_is_gone_on_with() -> None:
    assert turns("Hi", "The answer is (")[-1] == Message("assistant", "The answer is (")


def test_sampling() -> None:
    params = native(temperature=1, top_p=0.5, top_k=7, stop_sequences=["END"]).params
    assert (params.max_tokens, params.temperature, params.top_p, params.top_k) == (64, 1.0, 0.5, 7)
    assert params.stop == ("END",)


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (None, ("auto", None, True)),
        ({"type": "auto", "disable_parallel_tool_use": True}, ("auto", None, False)),
        ({"type": "any"}, ("required", None, True)),
        (
            {"type": "tool", "name": "get_weather", "disable_parallel_tool_use": True},
            ("required", "get_weather", False),
        ),
        ({"type": "none"}, ("none", None, True)),
    ],
)
def test_tool_choice(choice: Any, expected: tuple[Any, ...]) -> None:
    request = native(tools=[TOOL], tool_choice=choice)
    assert (request.tool_choice, request.tool_name, request.parallel_tool_calls) == expected
    (tool,) = request.tools
    assert (tool.name, tool.description, orjson.loads(tool.parameters)) == ("get_weather", "Get weather", SCHEMA)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, (None, None)),
        ({"thinking": {"type": "disabled"}}, ("none", None)),
        ({"thinking": {"type": "enabled", "budget_tokens": 32}}, ("medium", 32)),
        ({"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}}, ("xhigh", None)),
        ({"output_config": {"effort": "low"}}, ("low", None)),
        ({"thinking": {"type": "disabled"}, "output_config": {"effort": "low"}}, ("none", None)),
    ],
)
def test_thinking(fields: dict[str, Any], expected: tuple[Any, ...]) -> None:
    request = native(**fields)
    assert (request.reasoning_effort, request.reasoning_budget) == expected


def test_a_schema_binds_the_answer_in_both_places() -> None:
    form = {"type": "json_schema", "schema": SCHEMA}
    for fields in ({"output_config": {"format": form}}, {"output_format": form}):
        grammar = native(**fields).params.grammar
        assert grammar is not None
        assert (grammar.kind, orjson.loads(grammar.source)) == ("json_schema", SCHEMA)
    assert refused(output_config={"format": form}, output_format=form).param == "output_format"


def test_what_asks_nothing_of_a_model_is_accepted() -> None:
    native(
        cache_control={"type": "ephemeral"},
        metadata={"user_id": "me"},
        service_tier="auto",
        speed="standard",
        container=None,
        mcp_servers=[],
        context_management={"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
        tools=[
            {**TOOL, "type": "custom", "strict": True, "cache_control": {"type": "ephemeral"}, "defer_loading": False}
        ],
    )


DOCUMENT = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x"}}
DEEP: dict[str, Any] = {"type": "tool_use", "id": "1", "name": "f", "input": {}}
for _ in range(400):
    DEEP["input"] = {"a": DEEP["input"]}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"max_tokens": 0}, "max_tokens"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages.0"),
        ({"messages": [{"role": "user", "content": [DOCUMENT]}]}, "messages.0.content.0"),
        (
            {"messages": [{"role": "user", "content": [{"type": "text", "text": "a", "foo": 1}]}]},
            "messages.0.content.0.foo",
        ),
        (
            {
                "messages": [
                    {"role": "user", "content": [{"type": "image", "source": {"type": "file", "file_id": "f"}}]}
                ]
            },
            "messages.0.content.0.source",
        ),
        (
            {"messages": [{"role": "user", "content": [{**IMAGE, "source": {**IMAGE["source"], "data": "?"}}]}]},  # type: ignore[dict-item]
            "messages.0.content.0.source",
        ),
        ({"messages": [{"role": "assistant", "content": [DEEP]}]}, "messages"),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "tools.0.type"),
        ({"tools": [{**TOOL, "defer_loading": True}]}, "tools.0.defer_loading"),
        ({"tools": [TOOL, TOOL]}, "tools.1"),
        ({"tool_choice": {"type": "any"}}, "tool_choice"),
        ({"tools": [TOOL], "tool_choice": {"type": "tool", "name": "nope"}}, "tool_choice"),
        ({"thinking": {"type": "enabled", "budget_tokens": 64}}, "thinking.budget_tokens"),
        ({"thinking": {"type": "between_tools"}}, "thinking"),
        ({"mcp_servers": [{"type": "url", "url": "x", "name": "y"}]}, "mcp_servers"),
        ({"container": "c"}, "container"),
        ({"context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]}}, "context_management.edits.0.type"),
        ({"speed": "fast"}, "speed"),
        ({"temperature": 3}, "temperature"),
        ({"stop_sequences": [""]}, "stop_sequences.0"),
        ({"inference_geo": "eu"}, "inference_geo"),
        ({"n": 2}, "n"),
    ],
)
def test_the_rest_is_refused_by_name(fields: dict[str, Any], param: str) -> None:
    assert refused(**fields).param == param


def test_a_tool_of_anthropics_is_named_in_its_refusal() -> None:
    assert "web_search_20250305" in refused(tools=[{"type": "web_search_20250305", "name": "web_search"}]).message


def test_counting_takes_the_prompt_alone() -> None:
    sent = {key: value for key, value in body(tools=[TOOL], system="a").items() if key != "max_tokens"}
    counted = parse(PromptBody, orjson.dumps(sent)).to_native(CALLER, ImageReader())
    assert counted.messages == native(tools=[TOOL], system="a").messages
    assert counted.tools
    with pytest.raises(InvalidRequest):
        parse(PromptBody, orjson.dumps({**sent, "temperature": 1}))
