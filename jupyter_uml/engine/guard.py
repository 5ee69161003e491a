"""What people wrote must not be read as control tokens: those would end its turn and begin another's."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from jupyter_uml.types import Message, Tool, ToolCall

# Put into what people wrote, inside of what would be read as a control token; the rendered prompt is cut there and its
# pieces are tokenized one by one. One lone mark survives whatever a template does with a text: cut, split or trim it,
# or write it as JSON. A noncharacter of Unicode, so that nobody misses it.
MARK = "\ufdd0"


def guard(messages: Iterable[Message], controls: Sequence[str]) -> list[Message]:
    """The messages, without control tokens in any of their texts. `controls`: texts of control tokens."""

    def guarded(text: str) -> str:
        return _guarded(text, controls)

    return [
        replace(
            message,
            content=guarded(message.content),
            name=message.name and guarded(message.name),
            tool_calls=tuple(_call(call, guarded) for call in message.tool_calls),
            tool_call_id=message.tool_call_id and guarded(message.tool_call_id),
            reasoning=message.reasoning and guarded(message.reasoning),
        )
        for message in messages
    ]


def guard_tools(tools: Iterable[Tool], controls: Sequence[str]) -> list[Tool]:
    """The tools, without control tokens in names, descriptions and schemas."""

    def guarded(text: str) -> str:
        return _guarded(text, controls)

    return [
        replace(
            tool,
            name=guarded(tool.name),
            description=guarded(tool.description),
            parameters=_json(tool.parameters, guarded),
        )
        for tool in tools
    ]


def _call(call: ToolCall, guarded: Callable[[str], str]) -> ToolCall:
    return ToolCall(guarded(call.id), guarded(call.name), _json(call.arguments, guarded))


def _json(text: str, guarded: Callable[[str], str]) -> str:
    """JSON text: a control token may also be written in it by escapes, which a template that parses it undoes."""
    try:
        value = json.loads(text)
        safe = _value(value, guarded)
    except (ValueError, RecursionError):
        return guarded(text)
    return guarded(text) if safe == value else json.dumps(safe, ensure_ascii=False)


def _value(value: Any, guarded: Callable[[str], str]) -> Any:
    match value:
        case str():
            return guarded(value)
        case list():
            return [_value(item, guarded) for item in value]
        case dict():
            return {guarded(key): _value(item, guarded) for key, item in value.items()}
    return value


def _guarded(text: str, controls: Sequence[str]) -> str:
    text = text.replace(MARK, "")
    # Looked for one by one: a pattern of thousands of alternatives takes seconds on a hostile text.
    while present := [control for control in controls if control in text]:
        for control in present:  # what is left of one may be another: until there is none
            text = text.replace(control, control[0] + MARK + control[1:])
    return text
