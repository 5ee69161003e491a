"""Conversations as programs send them, and as the SDK sends our own answers back."""

from __future__ import annotations

import base64
import struct
import zlib
from typing import Any

import pytest
from openai.types.chat import ChatCompletionMessage, ParsedChatCompletionMessage
from pydantic import TypeAdapter

from jupyter_uml.errors import InvalidRequest
from jupyter_uml.protocol.body import StrictBody, validated
from jupyter_uml.protocol.openai.messages import ChatMessage, conversation
from jupyter_uml.types import IMAGE_MARK, Message, ToolCall

CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}


class Body(StrictBody):
    messages: list[ChatMessage]


def native(*messages: Any) -> tuple[Message, ...]:
    return conversation(validated(Body, {"messages": list(messages)}).messages)


def png() -> bytes:
    """One white pixel."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"\0\xff\xff\xff")) + chunk(b"IEND", b"")


def test_a_tool_loop() -> None:
    messages = native(
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": "How is it?", "name": "ann"},
        {"role": "assistant", "content": None, "tool_calls": [CALL], "reasoning_content": "Let me see."},
        {
            "role": "tool",
            "content": [{"type": "text", "text": "fi"}, {"type": "text", "text": "ne"}],
            "tool_call_id": "call_1",
        },
        {"role": "assistant", "content": "Fine."},
    )
    assert messages == (
        Message("developer", "Be brief."),
        Message("user", "How is it?", "ann"),
        Message("assistant", "", tool_calls=(ToolCall("1", "f", '{"a": 1}'),), reasoning="Let me see."),
        Message("tool", "fine", "f", tool_call_id="1"),  # some templates write the function's name
        Message("assistant", "Fine."),
    )


def test_what_the_sdk_makes_of_an_answer_is_understood() -> None:
    sent = {"role": "assistant", "content": None, "refusal": None, "reasoning_content": "Hm.", "tool_calls": [CALL]}
    message = TypeAdapter(ChatCompletionMessage).validate_python(sent)
    parsed = TypeAdapter(ParsedChatCompletionMessage[dict[str, Any]]).validate_python(
        {
            **sent,
            "content": "{}",
            "parsed": {"a": 1},
            "tool_calls": [{**CALL, "function": {**CALL["function"], "parsed_arguments": {"a": 1}}}],
        }  # type: ignore[dict-item]
    )
    for answer in (message, parsed):
        for dumped in (
            answer.model_dump(),
            answer.model_dump(exclude_unset=True),
            answer.model_dump(exclude_none=True),
        ):
            (back,) = native(dumped)
            assert back.tool_calls == (ToolCall("1", "f", '{"a": 1}'),)
            assert back.reasoning == "Hm."


def test_a_refusal_is_what_was_said() -> None:
    said = Message("assistant", "No.")
    assert native({"role": "assistant", "content": None, "refusal": "No."}) == (said,)
    assert native({"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]}) == (said,)


def test_images_stand_where_they_were() -> None:
    url = "data:image/png;base64," + base64.b64encode(png()).decode()
    image = {"type": "image_url", "image_url": {"url": url, "detail": "auto"}}
    (message,) = native(
        {"role": "user", "content": [{"type": "text", "text": f"a{IMAGE_MARK}"}, image, {"type": "text", "text": "b"}]}
    )
    assert message == Message("user", f"a{IMAGE_MARK}b", images=(png(),))


def with_image(role: str = "user", **image: str) -> dict[str, Any]:
    return {"role": role, "content": [{"type": "image_url", "image_url": image}]}


IMAGE = "messages.0.content.0.image_url"
OLD_CALL = {"name": "f", "arguments": ""}


@pytest.mark.parametrize(
    ("message", "param"),
    [
        (with_image(url="file:///etc/passwd"), f"{IMAGE}.url"),
        (with_image(url="http://127.0.0.1/a.png"), f"{IMAGE}.url"),
        (with_image(url="data:image/png;base64,", detail="low"), f"{IMAGE}.detail"),
        (with_image("system", url="data:image/png;base64,"), "messages.0.content"),
        ({"role": "user", "content": [{"type": "refusal", "refusal": "no"}]}, "messages.0.content"),
        ({"role": "user", "content": "x", "tool_call_id": "call_1"}, "messages.0.tool_call_id"),
        ({"role": "user", "content": "x", "reasoning_content": "x"}, "messages.0.reasoning_content"),
        ({"role": "assistant", "content": "x", "function_call": OLD_CALL}, "messages.0.function_call"),
        ({"role": "assistant", "content": "x", "audio": {"id": "a"}}, "messages.0.audio"),
        ({"role": "function", "content": "x", "name": "f"}, "messages.0.role"),
    ],
)
def test_what_cannot_be_honoured_is_named(message: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        native(message)
    assert caught.value.param == param
