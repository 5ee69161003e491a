"""The chat template of a model's file: messages and tools in, prompt text out."""

from __future__ import annotations

import os.path
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from jupyter_uml.engine.conversation import Conversation
from jupyter_uml.engine.formats.detect import chat_format
from jupyter_uml.engine.guard import HERE, MARK, guard, guard_tools
from jupyter_uml.engine.sandbox import Program
from jupyter_uml.engine.template_traits import Traits, customary
from jupyter_uml.errors import InvalidRequest
from jupyter_uml.types import IMAGE_MARK, Message, Tool

__all__ = ["MARK", "ChatTemplate", "Rendered", "guard", "guard_tools"]

SPARE_LENGTH = 1 << 20  # characters that a template may add of its own
REPEATS = 4  # times that it may write what messages and tools say
_OURS = frozenset({"messages", "tools", "documents", "add_generation_prompt", "continue_final_message"})

Options = Mapping[str, bool | int | float | str]


@dataclass(frozen=True, slots=True)
class Rendered:
    """`text`: the prompt. `opening`: how it ends, from the beginning of the assistant's turn on. One `IMAGE_MARK`
    stands for each image."""

    text: str
    opening: str = ""


class ChatTemplate:
    """A model's template, and the one that it uses instead where there are tools, if it has two.

    `bos` and `eos` are the texts of these tokens, for templates that write them out.

    Raises:
        InvalidRequest: a template cannot be compiled.
    """

    def __init__(self, source: str, bos: str = "", eos: str = "", tools_source: str | None = None) -> None:
        self._plain = _Variant(Program(source, bos, eos))
        self._with_tools = _Variant(Program(tools_source, bos, eos)) if tools_source else self._plain

    def takes(self, name: str) -> bool:
        """Whether the template makes use of a variable of this name."""
        return any(name in variant.program.variables for variant in (self._plain, self._with_tools))

    def render(
        self, messages: Sequence[Message], *, tools: Sequence[Tool] = (), options: Options | None = None
    ) -> Rendered:
        """The prompt that ends where the answer begins: in a message of the assistant if that is the last one.

        `options`: further variables of the template; those that it does not use do nothing.

        Raises:
            InvalidRequest: the template refuses these messages (an unknown role, two user turns in a row, …), takes
                too long or writes too much; an option has a name that means something else.
        """
        if taken := (_OURS | self._plain.program.reserved) & set(options or ()):
            raise InvalidRequest(
                f"The chat template's variable {min(taken)!r} cannot be set.", param="chat_template_kwargs"
            )
        variant = self._with_tools if tools or any(_is_of_tools(m) for m in messages) else self._plain
        return variant.rendered(messages, tools, dict(options or {}))


class _Variant:
    """One of a model's templates."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self._traits = Traits(program)
        self._conversation = Conversation(self._traits, chat_format(program.source))

    def rendered(self, messages: Sequence[Message], tools: Sequence[Tool], options: dict[str, Any]) -> Rendered:
        if not messages or messages[-1].role != "assistant":
            return self._answering(messages, tools, options)
        *before, last = messages
        if last.tool_calls:
            raise InvalidRequest("The calls of the last message have no results yet.", param="messages")
        if not last.content and not last.reasoning:
            return self._answering(before, tools, options)
        return self._going_on(before, last, tools, options)

    def _answering(self, messages: Sequence[Message], tools: Sequence[Tool], options: dict[str, Any]) -> Rendered:
        text = self._run(messages, tools, options, prompt=True)
        return Rendered(text, self._opening(text, messages, tools, options))

    def _going_on(
        self, before: Sequence[Message], last: Message, tools: Sequence[Tool], options: dict[str, Any]
    ) -> Rendered:
        """The prompt up to the end of what the assistant has said, or thought, so far."""
        if last.content:
            marked = replace(last, content=last.content + HERE)
        else:
            marked = replace(last, reasoning=(last.reasoning or "") + HERE)
        try:
            text, here, _ = self._run([*before, marked], tools, options, prompt=False).rpartition(HERE)
        except InvalidRequest:  # a message of the assistant may not be the last one
            here = ""
        if here:
            return Rendered(text, self._opening(text, before, tools, options))
        if last.reasoning:
            raise InvalidRequest("The model's chat template cannot go on with reasoning.", param="messages")
        start = self._answering(before, tools, options)
        return Rendered(start.text + last.content, start.opening + last.content)

    def _opening(self, text: str, messages: Sequence[Message], tools: Sequence[Tool], options: dict[str, Any]) -> str:
        """What `text` says beyond these messages."""
        try:
            said = self._run(messages, tools, options, prompt=False)
        except InvalidRequest:
            return text.rpartition(messages[-1].content)[2] if messages else text
        common = os.path.commonprefix([text, said])  # noqa: RUF071  # characters are meant
        tag = max(common.rfind("<"), common.rfind("["))  # the beginnings of two tags may be the same
        inside = tag > max(common.rfind(">"), common.rfind("]"))
        return text[tag if inside else len(common) :]

    def _run(self, messages: Sequence[Message], tools: Sequence[Tool], options: dict[str, Any], *, prompt: bool) -> str:
        images = sum(len(message.images) for message in messages)
        if images and (word := self._traits.image):
            text = self._written(messages, tools, options, prompt, images=True).replace(word, IMAGE_MARK)
            if text.count(IMAGE_MARK) == images:
                return text
        text = self._written(messages, tools, options, prompt, images=False)
        if images and text.count(IMAGE_MARK) != images:
            raise InvalidRequest("The model's chat template has no place for these images.", param="messages")
        return text

    def _written(
        self, messages: Sequence[Message], tools: Sequence[Tool], options: dict[str, Any], prompt: bool, images: bool
    ) -> str:
        offered = self._conversation.tools(tools)
        variables = {
            **customary(self.program, offered),
            **options,
            "messages": self._conversation.rows(messages, tools, images),
            "tools": offered,
            "add_generation_prompt": prompt,
        }
        length = sum(map(_length, messages)) + sum(len(tool.description) + len(tool.parameters) for tool in tools)
        return self.program.run(variables, SPARE_LENGTH + REPEATS * length)


def _is_of_tools(message: Message) -> bool:
    return message.role == "tool" or bool(message.tool_calls)


def _length(message: Message) -> int:
    return len(message.content) + len(message.reasoning or "") + sum(len(call.arguments) for call in message.tool_calls)
