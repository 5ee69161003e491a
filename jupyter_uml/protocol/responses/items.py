"""Items of the Responses API, as they are sent: messages, calls and outputs, reasoning, references to stored ones.

Each knows how it is kept: with an id, and its text in parts, in the form in which it is listed and can be sent again.
"""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, TypeAdapter, field_validator

from jupyter_uml.protocol.body import StrictBody

MAX_ITEMS = 4096
MAX_PARTS = 1024
ItemId = Annotated[str, Field(min_length=1, max_length=64)]
CallId = Annotated[str, Field(min_length=1, max_length=64)]
ItemStatus = Literal["in_progress", "completed", "incomplete"]


# --- parts of a message ----------------------------------------------------------------------


class CacheBreakpoint(StrictBody):
    """A hint to a cache that has to be told; here every prefix is kept."""

    mode: Literal["explicit"]
    ttl: Literal["30m", "12h"] | None = None


class InputText(StrictBody):
    type: Literal["input_text"]
    text: str
    prompt_cache_breakpoint: CacheBreakpoint | None = None


class OutputText(StrictBody):
    type: Literal["output_text"]
    text: str
    annotations: Annotated[list[Any], Field(max_length=MAX_PARTS)] | None = None
    logprobs: list[Any] | None = None
    parsed: Any = None  # put there by the SDK, beside the text that it was read from


class Refusal(StrictBody):
    type: Literal["refusal"]
    refusal: str


class InputImage(StrictBody):
    type: Literal["input_image"]
    image_url: str
    detail: Literal["auto"] = "auto"  # the model's projector decides about the resolution
    prompt_cache_breakpoint: CacheBreakpoint | None = None
    file_id: None = None


Part = Annotated[
    InputText | OutputText | Refusal | InputImage,
    Discriminator(
        "type", "unknown_part", "parts are input_text, output_text, refusal and input_image with a data: URL."
    ),
]
Parts = Annotated[list[Part], Field(min_length=1, max_length=MAX_PARTS, fail_fast=True)]
OutputPart = Annotated[
    InputText | InputImage, Discriminator("type", "unknown_part", "parts are input_text and input_image.")
]


# --- items -----------------------------------------------------------------------------------


class MessageItem(StrictBody):
    type: Literal["message"] = "message"
    role: Literal["user", "assistant", "system", "developer"]
    content: str | Parts
    id: ItemId | None = None
    status: ItemStatus | None = None
    phase: Literal["commentary", "final_answer"] | None = None

    @field_validator("content")
    @classmethod
    def _only_people_show_images(cls, content: str | list[Any], info: Any) -> str | list[Any]:
        pictured = not isinstance(content, str) and any(isinstance(part, InputImage) for part in content)
        if pictured and info.data.get("role") != "user":
            raise ValueError("images stand in messages of the user only")
        return content

    def kept(self, new_id: str) -> dict[str, Any]:
        if not isinstance(self.content, str):
            content = [part.model_dump(exclude_none=True, exclude={"parsed"}) for part in self.content]
        elif self.role == "assistant":
            content = [{"type": "output_text", "text": self.content, "annotations": []}]
        else:
            content = [{"type": "input_text", "text": self.content}]
        labels = {} if self.phase is None else {"phase": self.phase}
        return {**_head(self, new_id), "role": self.role, "content": content, **labels}


class DirectCaller(StrictBody):
    """The model itself, and not a program that it wrote."""

    type: Literal["direct"]


class FunctionCallItem(StrictBody):
    type: Literal["function_call"]
    call_id: CallId
    name: Annotated[str, Field(min_length=1, max_length=128)]
    arguments: str
    id: ItemId | None = None
    status: ItemStatus | None = None
    caller: DirectCaller | None = None
    namespace: None = None
    deferred: Literal[False] | None = Field(None, alias="async")
    parsed_arguments: Any = None  # put there by the SDK

    def kept(self, new_id: str) -> dict[str, Any]:
        same = {"call_id": self.call_id, "name": self.name, "arguments": self.arguments}
        return {**_head(self, new_id), **same}


class FunctionOutputItem(StrictBody):
    type: Literal["function_call_output"]
    call_id: CallId
    output: str | Annotated[list[OutputPart], Field(max_length=MAX_PARTS, fail_fast=True)]
    id: ItemId | None = None
    status: ItemStatus | None = None
    name: Annotated[str, Field(max_length=128)] | None = None
    caller: DirectCaller | None = None
    namespace: None = None

    def kept(self, new_id: str) -> dict[str, Any]:
        output: Any = self.output
        if not isinstance(output, str):
            output = [part.model_dump(exclude_none=True) for part in output]
        return {**_head(self, new_id), "call_id": self.call_id, "output": output}


class SummaryText(StrictBody):
    type: Literal["summary_text"]
    text: str


class ReasoningText(StrictBody):
    type: Literal["reasoning_text"]
    text: str


class ReasoningItem(StrictBody):
    """What a model thought. Its text is in one of three places, and `text` finds it."""

    type: Literal["reasoning"]
    summary: Annotated[list[SummaryText], Field(max_length=MAX_PARTS, fail_fast=True)]
    content: Annotated[list[ReasoningText], Field(max_length=MAX_PARTS, fail_fast=True)] | None = None
    encrypted_content: str | None = None
    id: ItemId | None = None
    status: ItemStatus | None = None

    @field_validator("encrypted_content")
    @classmethod
    def _is_ours(cls, sealed: str | None) -> str | None:
        if sealed is not None:
            unsealed(sealed)
        return sealed

    @property
    def text(self) -> str:
        if not self.content and self.encrypted_content is not None:
            return unsealed(self.encrypted_content)
        return "\n".join(part.text for part in self.content or self.summary)

    def kept(self, new_id: str) -> dict[str, Any]:
        return {**self.model_dump(exclude_none=True), **_head(self, new_id)}


class ItemReference(StrictBody):
    """An item of a stored response, named instead of sent again."""

    type: Literal["item_reference"] | None = None
    id: ItemId


def _kind(item: Any) -> str:
    """The type of an item. Messages and references may leave theirs out."""
    if isinstance(item, StrictBody):
        return str(getattr(item, "type", None) or "item_reference")
    kind = item.get("type") if isinstance(item, dict) else None
    if kind is None and isinstance(item, dict):
        return "message" if "role" in item else "item_reference"
    return kind if isinstance(kind, str) else "unknown"


KeptItem = MessageItem | FunctionCallItem | FunctionOutputItem | ReasoningItem
Item = Annotated[
    Annotated[MessageItem, Tag("message")]
    | Annotated[FunctionCallItem, Tag("function_call")]
    | Annotated[FunctionOutputItem, Tag("function_call_output")]
    | Annotated[ReasoningItem, Tag("reasoning")]
    | Annotated[ItemReference, Tag("item_reference")],
    Discriminator(
        _kind,
        custom_error_type="unknown_item",
        custom_error_message="items of this type are not supported: there are messages, function calls and their "
        "outputs, and reasoning.",
    ),
]
_KEPT: TypeAdapter[list[Any]] = TypeAdapter(list[Item])


def read_kept(items: list[dict[str, Any]]) -> list[KeptItem]:
    """Items that were listed or answered, read again."""
    return _KEPT.validate_python(items)


def sealed(text: str) -> str:
    """Reasoning as `encrypted_content`: opaque to programs, which send it back as it is. It hides nothing: whoever is
    given it may read the same text in clear."""
    return base64.urlsafe_b64encode(text.encode()).decode()


def unsealed(content: str) -> str:
    """The inverse of `sealed`.

    Raises:
        ValueError: it was made by somebody else.
    """
    try:
        return base64.b64decode(content, altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeError) as error:
        raise ValueError("this reasoning was not written by this server. Leave encrypted_content out") from error


def _head(item: KeptItem, new_id: str) -> dict[str, Any]:
    return {"type": item.type, "id": item.id or new_id, "status": item.status or "completed"}
