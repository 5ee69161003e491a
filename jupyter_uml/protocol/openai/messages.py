"""OpenAI's chat messages. What an answer's message holds is accepted when it is sent back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from jupyter_uml.protocol.body import StrictBody
from jupyter_uml.protocol.content import native_content
from jupyter_uml.protocol.images import ImageReader, without_marks
from jupyter_uml.types import Message, Role, ToolCall

MAX_PARTS = 1024
MAX_CALLS = 128
CALL_PREFIX = "call_"  # what OpenAI's ids of tool calls begin with; the model sees the rest
CallId = Annotated[str, Field(min_length=1, max_length=256)]


class TextPart(StrictBody):
    type: Literal["text"]
    text: str


class RefusalPart(StrictBody):
    type: Literal["refusal"]
    refusal: str


class ImageUrl(StrictBody):
    url: str
    detail: Literal["auto"] | None = None  # the model's projector decides the resolution


class ImagePart(StrictBody):
    type: Literal["image_url"]
    image_url: ImageUrl


Part = Annotated[TextPart | RefusalPart | ImagePart, Field(discriminator="type")]


class CalledFunction(StrictBody):
    name: Annotated[str, Field(min_length=1, max_length=256)]
    arguments: str
    parsed_arguments: Any = None  # the SDK's own, made of `arguments`


class ToolCallBody(StrictBody):
    id: CallId
    type: Literal["function"] = "function"
    function: CalledFunction
    index: int | None = None  # left over from a stream

    def to_native(self) -> ToolCall:
        return ToolCall(self.id.removeprefix(CALL_PREFIX), self.function.name, self.function.arguments)


class ChatMessage(StrictBody):
    role: Role
    name: Annotated[str, Field(max_length=64)] | None = None
    tool_calls: Annotated[list[ToolCallBody], Field(max_length=MAX_CALLS)] | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    content: str | Annotated[list[Part], Field(min_length=1, max_length=MAX_PARTS, fail_fast=True)] | None = Field(
        None, validate_default=True
    )
    tool_call_id: CallId | None = Field(None, validate_default=True)
    parsed: Any = None  # the SDK's own, made of `content`
    provider_specific_fields: dict[str, Any] | None = None  # litellm's copy of what it has no place for
    audio: None = None
    function_call: None = None
    annotations: Annotated[list[Any], Field(max_length=0)] | None = None

    @field_validator("tool_calls", "refusal", "reasoning_content", "parsed")
    @classmethod
    def _is_the_assistants(cls, value: Any, info: ValidationInfo) -> Any:
        if value and info.data.get("role") != "assistant":
            raise ValueError("only messages of the assistant have this")
        return value

    @field_validator("content")
    @classmethod
    def _says_something(cls, value: str | list[Part] | None, info: ValidationInfo) -> str | list[Part] | None:
        role = info.data.get("role")
        others = [info.data.get(name) for name in ("tool_calls", "refusal", "reasoning_content")]
        if value is None and not any(others):
            raise ValueError("this message must have content")
        kinds = {type(part) for part in value} if isinstance(value, list) else set()
        if ImagePart in kinds and role not in ("user", "tool"):
            raise ValueError("only messages of the user and of tools may show images")
        if RefusalPart in kinds and role != "assistant":
            raise ValueError("only messages of the assistant have refusals")
        return value

    @field_validator("tool_call_id")
    @classmethod
    def _answers_a_call(cls, value: str | None, info: ValidationInfo) -> str | None:
        if (value is not None) != (info.data.get("role") == "tool"):
            raise ValueError("messages of the role tool, and no others, say which call they answer")
        return value

    def to_native(self, images: ImageReader, param: str) -> Message:
        """`param`: the place of this message in the request.

        Raises:
            InvalidRequest: an image cannot be read.
        """
        text, files = native_content(self._parts(images, param))
        return Message(
            self.role,
            text,
            self.name and without_marks(self.name),
            tool_calls=tuple(call.to_native() for call in self.tool_calls or ()),
            tool_call_id=self.tool_call_id and self.tool_call_id.removeprefix(CALL_PREFIX),
            reasoning=self.reasoning_content and without_marks(self.reasoning_content),
            images=files,
        )

    def _parts(self, images: ImageReader, param: str) -> Iterator[str | bytes]:
        if not isinstance(self.content, list):
            yield self.content if self.content is not None else self.refusal or ""
            return
        for place, part in enumerate(self.content):
            match part:
                case TextPart(text=text) | RefusalPart(refusal=text):
                    yield text
                case ImagePart(image_url=image):
                    yield images.url(image.url, f"{param}.content.{place}.image_url.url")


def conversation(messages: Sequence[ChatMessage], images: ImageReader | None = None) -> tuple[Message, ...]:
    """The messages of a request.

    Raises:
        InvalidRequest: an image cannot be read.
    """
    reader = images or ImageReader()
    return named(message.to_native(reader, f"messages.{place}") for place, message in enumerate(messages))


def named(messages: Iterable[Message]) -> tuple[Message, ...]:
    """The messages; one that answers a tool call has the name of the function, which some templates write."""
    names: dict[str | None, str] = {}
    made = []
    for message in messages:
        names |= {call.id: call.name for call in message.tool_calls}
        made.append(replace(message, name=message.name or names.get(message.tool_call_id)))
    return tuple(made)
