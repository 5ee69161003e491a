"""From the items of a conversation to native messages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from jupyter_uml.errors import InvalidRequest
from jupyter_uml.protocol.images import ImageReader, without_marks
from jupyter_uml.protocol.responses.items import (
    FunctionCallItem,
    FunctionOutputItem,
    InputImage,
    InputText,
    KeptItem,
    MessageItem,
    OutputText,
    Part,
    ReasoningItem,
    Refusal,
)
from jupyter_uml.types import IMAGE_MARK, Message, Role, ToolCall


def to_messages(items: Sequence[KeptItem], images: ImageReader, before: int = 0) -> list[Message]:
    """What the assistant reasoned, said and called in a row becomes one message.

    The first `before` items come from earlier responses: the request's own are counted from there.

    Raises:
        InvalidRequest: an image is not good, a call has no output or an output no call, or reasoning comes last.
    """
    _check_calls(items)
    conversation = _Conversation(images)
    for index, item in enumerate(items):
        conversation.add(item, f"input.{max(index - before, 0)}")
    return conversation.finish()


def _check_calls(items: Sequence[KeptItem]) -> None:
    called = {item.call_id for item in items if isinstance(item, FunctionCallItem)}
    answered = {item.call_id for item in items if isinstance(item, FunctionOutputItem)}
    for call in sorted(answered - called):
        raise InvalidRequest(f"There is no function call for the function call output {call}.", param="input")
    for call in sorted(called - answered):
        raise InvalidRequest(f"There is no function call output for the function call {call}.", param="input")


@dataclass
class _Turn:
    """What the assistant does between two messages of others."""

    reasoning: list[str] = field(default_factory=list)
    content: str | None = None
    calls: list[ToolCall] = field(default_factory=list)

    @property
    def spoken(self) -> bool:
        return self.content is not None or bool(self.calls)

    def message(self) -> Message:
        reasoning = "\n".join(self.reasoning) or None
        return Message("assistant", self.content or "", tool_calls=tuple(self.calls), reasoning=reasoning)


class _Conversation:
    def __init__(self, images: ImageReader) -> None:
        self._images = images
        self._messages: list[Message] = []
        self._turn = _Turn()

    def add(self, item: KeptItem, param: str) -> None:
        match item:
            case ReasoningItem():
                if self._turn.spoken:
                    self._end_turn()
                self._turn.reasoning.append(without_marks(item.text))
            case FunctionCallItem():
                self._turn.calls.append(ToolCall(item.call_id, item.name, without_marks(item.arguments)))
            case FunctionOutputItem():
                self._say("tool", item.output, f"{param}.output", item.name, item.call_id)
            case MessageItem(role="assistant"):
                if self._turn.spoken:
                    self._end_turn()
                self._turn.content, _ = self._read(item.content, param)
            case MessageItem():
                self._say(item.role, item.content, f"{param}.content")

    def finish(self) -> list[Message]:
        if self._turn.reasoning and not self._turn.spoken:
            raise InvalidRequest("The input ends with reasoning. Let a message follow it.", param="input")
        self._end_turn()
        return self._messages

    def _say(
        self,
        role: Role,
        content: str | Sequence[Part],
        param: str,
        name: str | None = None,
        call: str | None = None,
    ) -> None:
        self._end_turn()
        text, pictures = self._read(content, param)
        self._messages.append(Message(role, text, name, tool_call_id=call, images=pictures))

    def _end_turn(self) -> None:
        if self._turn.spoken or self._turn.reasoning:
            self._messages.append(self._turn.message())
        self._turn = _Turn()

    def _read(self, content: str | Sequence[Part], param: str) -> tuple[str, tuple[bytes, ...]]:
        """The text, with a mark where an image stands, and the images."""
        if isinstance(content, str):
            return without_marks(content), ()
        text, pictures = "", []
        for index, part in enumerate(content):
            match part:
                case InputImage(image_url=url):
                    text += IMAGE_MARK
                    pictures.append(self._images.url(url, f"{param}.{index}.image_url"))
                case InputText() | OutputText():
                    text += without_marks(part.text)
                case Refusal():
                    text += without_marks(part.refusal)
        return text, tuple(pictures)
