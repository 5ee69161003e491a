"""Conversations as Anthropic writes them: turns of content blocks, made into native messages.

Each block becomes a little message of its own, and neighbours of one role are joined. The blocks of a person are
paragraphs; those of the assistant are pieces of one text.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal

import orjson
from pydantic import Field, field_validator

from jupyter_uml.protocol.body import StrictBody
from jupyter_uml.protocol.images import ImageReader, without_marks
from jupyter_uml.protocol.openai.messages import named
from jupyter_uml.types import IMAGE_MARK, Message, Role, ToolCall

MAX_TURNS = 4096
MAX_BLOCKS = 1024  # of one turn
CALL_PREFIX = "toolu_"  # what Anthropic's ids of tool calls begin with; the model sees the rest
_BETWEEN_PARAGRAPHS = "\n\n"

CallId = Annotated[str, Field(min_length=1, max_length=256)]


class CacheControl(StrictBody):
    """Prompts are kept by themselves, whether or not this asks for it."""

    type: Literal["ephemeral"]
    ttl: Literal["5m", "1h"] | None = None


class _Block(StrictBody):
    cache_control: CacheControl | None = None


class TextBlock(_Block):
    type: Literal["text"]
    text: str
    citations: Annotated[list[Any], Field(max_length=0)] | None = None

    def to_native(self, role: Literal["system", "user", "assistant"]) -> Message:
        return Message(role, without_marks(self.text))


class Base64Source(StrictBody):
    type: Literal["base64"]
    media_type: Annotated[str, Field(max_length=64)]
    data: str


class UrlSource(StrictBody):
    type: Literal["url"]
    url: str


class ImageBlock(_Block):
    type: Literal["image"]
    source: Annotated[Base64Source | UrlSource, Field(discriminator="type")]

    def to_native(self, images: ImageReader, path: str) -> Message:
        if isinstance(self.source, UrlSource):
            data = images.url(self.source.url, f"{path}.source.url")
        else:
            data = images.base64(self.source.media_type, self.source.data, f"{path}.source")
        return Message("user", IMAGE_MARK, images=(data,))


class ToolResultBlock(_Block):
    type: Literal["tool_result"]
    tool_use_id: CallId
    content: (
        str
        | Annotated[
            list[Annotated[TextBlock | ImageBlock, Field(discriminator="type")]],
            Field(max_length=MAX_BLOCKS, fail_fast=True),
        ]
        | None
    ) = None
    is_error: bool | None = None
    toolset_name: None = None

    def to_native(self, images: ImageReader, path: str) -> Message:
        """A native message does not know of failures: the model reads of them."""
        said = joined(_of_person("user", self.content or "", images, f"{path}.content"))
        content = "".join(message.content for message in said)
        pictures = tuple(image for message in said for image in message.images)
        failed = "Error: " if self.is_error else ""
        return Message("tool", failed + content, tool_call_id=native_id(self.tool_use_id), images=pictures)


class DirectCaller(StrictBody):
    type: Literal["direct"]


class ToolUseBlock(_Block):
    type: Literal["tool_use"]
    id: CallId
    name: Annotated[str, Field(min_length=1, max_length=128)]
    input: dict[str, Any]
    caller: DirectCaller | None = None
    toolset_name: None = None

    @field_validator("input")
    @classmethod
    def _is_shallow(cls, value: dict[str, Any]) -> dict[str, Any]:
        try:
            orjson.dumps(value)
        except orjson.JSONEncodeError as error:
            raise ValueError("this is nested too deeply") from error
        return value

    def to_native(self) -> Message:
        """The arguments are spaced as models write them, so that the prompt goes on from what was computed."""
        arguments = json.dumps(self.input, ensure_ascii=False)
        call = ToolCall(native_id(self.id), self.name, without_marks(arguments))
        return Message("assistant", "", tool_calls=(call,))


class ThinkingBlock(StrictBody):
    type: Literal["thinking"]
    thinking: str
    signature: str | None = None  # not checked: what was thought here or elsewhere may be sent back

    def to_native(self) -> Message:
        return Message("assistant", "", reasoning=without_marks(self.thinking) or None)


class RedactedThinkingBlock(StrictBody):
    """Thoughts that Anthropic has encrypted, of a conversation that began there. Nobody else can read them."""

    type: Literal["redacted_thinking"]
    data: str

    def to_native(self) -> Message:
        return Message("assistant", "")


UserBlock = Annotated[TextBlock | ImageBlock | ToolResultBlock, Field(discriminator="type")]
AssistantBlock = Annotated[
    TextBlock | ThinkingBlock | RedactedThinkingBlock | ToolUseBlock, Field(discriminator="type")
]
SystemText = str | Annotated[list[TextBlock], Field(max_length=MAX_BLOCKS, fail_fast=True)]


class UserTurn(StrictBody):
    role: Literal["user"]
    content: str | Annotated[list[UserBlock], Field(min_length=1, max_length=MAX_BLOCKS, fail_fast=True)]

    def to_native(self, images: ImageReader, path: str) -> Iterator[Message]:
        yield from _of_person("user", self.content, images, f"{path}.content")


class AssistantTurn(StrictBody):
    role: Literal["assistant"]
    content: str | Annotated[list[AssistantBlock], Field(max_length=MAX_BLOCKS, fail_fast=True)]

    def to_native(self, images: ImageReader, path: str) -> Iterator[Message]:
        if isinstance(self.content, str):
            yield Message("assistant", without_marks(self.content))
            return
        for block in self.content:
            yield block.to_native("assistant") if isinstance(block, TextBlock) else block.to_native()


class SystemTurn(StrictBody):
    role: Literal["system"]
    content: SystemText

    def to_native(self, images: ImageReader, path: str) -> Iterator[Message]:
        yield from _of_person("system", self.content, images, f"{path}.content")


Turn = Annotated[UserTurn | AssistantTurn | SystemTurn, Field(discriminator="role")]


def conversation(system: SystemText | None, turns: Iterable[Turn], images: ImageReader) -> tuple[Message, ...]:
    """All messages of a request, the system's first.

    Raises:
        InvalidRequest: an image cannot be read.
    """
    messages = list(_of_person("system", system, images, "system")) if system else []
    for place, turn in enumerate(turns):
        messages += turn.to_native(images, f"messages.{place}")
    return named(joined(messages))


def joined(messages: Iterable[Message]) -> list[Message]:
    """Neighbours of one role as one message; results of tools stay alone."""
    turns: list[list[Message]] = []
    for message in messages:
        if turns and turns[-1][0].role == message.role != "tool":
            turns[-1].append(message)
        else:
            turns.append([message])
    return [_joined(turn) if len(turn) > 1 else turn[0] for turn in turns]


def native_id(call_id: str) -> str:
    """The id under which the model knows a call."""
    return call_id.removeprefix(CALL_PREFIX)


def _joined(pieces: Sequence[Message]) -> Message:
    """All at once: a request may have a hundred thousand pieces, and one by one would copy what is there each time."""
    texts: list[str] = []
    for said in pieces:
        if said.content:
            texts += [_gap(said.role, texts[-1], said.content) if texts else "", said.content]
    return replace(
        pieces[0],
        content="".join(texts),
        reasoning=_BETWEEN_PARAGRAPHS.join(said.reasoning for said in pieces if said.reasoning) or None,
        tool_calls=tuple(call for said in pieces for call in said.tool_calls),
        images=tuple(image for said in pieces for image in said.images),
    )


def _gap(role: Role, before: str, after: str) -> str:
    """What stands between two pieces: nothing beside an image."""
    beside_image = before.endswith(IMAGE_MARK) or after.startswith(IMAGE_MARK)
    return "" if role == "assistant" or beside_image else _BETWEEN_PARAGRAPHS


def _of_person(
    role: Literal["system", "user"], content: str | Iterable[UserBlock], images: ImageReader, path: str
) -> Iterator[Message]:
    if isinstance(content, str):
        yield Message(role, without_marks(content))
        return
    for place, block in enumerate(content):
        if isinstance(block, TextBlock):
            yield block.to_native(role)
        else:
            yield block.to_native(images, f"{path}.{place}")
