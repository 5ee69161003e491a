"""Messages and tools in the form that a chat template takes; what it does not know is put into words."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from hashlib import sha256
from itertools import chain
from typing import Any

from jupyter_uml.engine.formats.chat_format import ChatFormat, WritesCalls
from jupyter_uml.engine.formats.generic import GENERIC, described
from jupyter_uml.engine.guard import MARK
from jupyter_uml.engine.template_traits import Row, Traits, parts
from jupyter_uml.errors import InvalidRequest
from jupyter_uml.types import IMAGE_MARK, Message, Tool, ToolCall

_REASONING = ("reasoning_content", "reasoning", "thinking")  # names that templates give it


class Conversation:
    """`messages` and `tools` for a template of these traits, whose model writes calls as `chat_format` says."""

    def __init__(self, traits: Traits, chat_format: ChatFormat) -> None:
        self._traits, self._format = traits, chat_format
        # A way of writing calls that is not known here cannot be read: then they are put into words, too.
        self._offers = traits.tools and chat_format.name != GENERIC.name
        self._calls = traits.calls and chat_format.name != GENERIC.name

    def tools(self, tools: Sequence[Tool]) -> list[Row] | None:
        if not tools or not self._offers:
            return self._traits.no_tools
        return [{"type": "function", "function": _function(tool)} for tool in tools]

    def rows(self, messages: Sequence[Message], tools: Sequence[Tool], images: bool) -> list[Row]:
        """`images`: as parts of the content; else their marks stay in its text."""
        told = list(messages)
        if tools and not self._offers:
            told = _told(told, described(tools, self._written))
        told = list(self._in_words(told))
        if not self._traits.system and any(message.role in ("system", "developer") for message in told):
            told = _folded(told)
        names = {call.id: call.name for message in messages for call in message.tool_calls}
        rows = []
        for message in self._taken_apart(told):
            names |= {call.id: call.name for call in message.tool_calls}  # some ids come again in each turn
            rows.append(self._row(message, names, images))
        return rows

    def _in_words(self, messages: Iterable[Message]) -> Iterator[Message]:
        """Calls and results that the template would leave out become text."""
        results: list[str] = []
        for message in messages:
            if message.role == "tool" and not self._traits.results:
                results.append(f"<tool_response>\n{message.content}\n</tool_response>")
                continue
            if results:
                yield Message("user", "\n".join(results))
                results = []
            if message.tool_calls and not self._calls:
                text = "\n".join(filter(None, (message.content, self._written(message.tool_calls))))
                yield replace(message, content=text, tool_calls=())
            else:
                yield message
        if results:
            yield Message("user", "\n".join(results))

    def _written(self, calls: Sequence[ToolCall]) -> str:
        return (self._format if isinstance(self._format, WritesCalls) else GENERIC).written(calls)

    def _taken_apart(self, messages: Sequence[Message]) -> Iterator[Message]:
        """Messages with no more content and calls in each of them than the template can take, each with its results."""
        rest = deque(messages)
        while rest:
            parts_of = list(self._parts(rest.popleft()))
            if len(parts_of) == 1:
                yield parts_of[0]
                continue
            results: dict[str | None, list[Message]] = {}
            while rest and rest[0].role == "tool":
                results.setdefault(rest[0].tool_call_id, []).append(rest.popleft())
            for part in parts_of:
                yield part
                for call in part.tool_calls:
                    yield from results.pop(call.id, ())
            yield from chain.from_iterable(results.values())

    def _parts(self, message: Message) -> Iterator[Message]:
        calls = message.tool_calls
        # Where a template takes neither form it leaves the content out, as it was when the model was trained.
        apart = not self._traits.content_with_calls and self._traits.turns_in_a_row
        if message.content and calls and apart:
            yield replace(message, tool_calls=())
            yield from self._parts(replace(message, content="", reasoning=None))
        elif len(calls) > 1 and not self._traits.many_calls:
            yield replace(message, tool_calls=calls[:1])
            yield from (replace(message, content="", reasoning=None, tool_calls=(call,)) for call in calls[1:])
        else:
            yield message

    def _row(self, message: Message, names: dict[str, str], images: bool) -> Row:
        # OpenAI renamed `system` to `developer`; templates know the old word.
        row: Row = {"role": "system" if message.role == "developer" else message.role}
        row["content"] = self._content(message, images)
        name = message.name or names.get(message.tool_call_id or "")
        if name is not None:
            row["name"] = name
        if message.tool_call_id is not None:
            row["tool_call_id"] = self._id(message.tool_call_id)
        if message.tool_calls:
            row["tool_calls"] = [self._call(call) for call in message.tool_calls]
        if message.reasoning:
            row |= dict.fromkeys(_REASONING, message.reasoning)
        return row

    def _content(self, message: Message, images: bool) -> str | list[Row] | None:
        if not message.content and message.tool_calls:
            return self._traits.no_content
        if not (images and message.images and self._traits.image):
            return self._traits.content(message.content)
        # The template's own word for an image would count as one.
        word = self._traits.image
        texts = message.content.replace(word, word[0] + MARK + word[1:]).split(IMAGE_MARK)
        rows = [row for text in texts for row in (*parts(text), {"type": "image"})][:-1]
        return [row for row in rows if row.get("text") != ""]

    def _call(self, call: ToolCall) -> Row:
        function = {"name": call.name, "arguments": self._arguments(call)}
        return {"id": self._id(call.id), "type": "function", "function": function}

    def _arguments(self, call: ToolCall) -> Any:
        try:
            arguments = json.loads(call.arguments or "{}")
        except (ValueError, RecursionError):
            arguments = None
        if not isinstance(arguments, dict):
            raise InvalidRequest("The arguments of a tool call are not a JSON object.", param="messages")
        # As templates' `tojson` would write them: models know calls with a space behind each comma and colon.
        return json.dumps(arguments, ensure_ascii=False) if self._traits.text_arguments else arguments

    def _id(self, identifier: str) -> str:
        if not self._traits.short_ids or (len(identifier) == 9 and identifier.isalnum()):
            return identifier
        return sha256(identifier.encode(errors="replace")).hexdigest()[:9]


def _function(tool: Tool) -> Row:
    return {"name": tool.name, "description": tool.description, "parameters": json.loads(tool.parameters)}


def _told(messages: Sequence[Message], text: str) -> list[Message]:
    """With a text in the message of the system."""
    if messages and messages[0].role in ("system", "developer"):
        first = messages[0]
        return [replace(first, content=f"{first.content}\n\n{text}"), *messages[1:]]
    return [Message("system", text), *messages]


def _folded(messages: Sequence[Message]) -> list[Message]:
    """Without messages of the system: the first message of the user says what they say."""
    said = [message.content for message in messages if message.role in ("system", "developer")]
    others = [message for message in messages if message.role not in ("system", "developer")]
    place = next((at for at, message in enumerate(others) if message.role == "user"), None)
    if place is None:
        return [Message("user", "\n\n".join(said)), *others]
    first = others[place]
    others[place] = replace(first, content="\n\n".join([*said, first.content]))
    return others
