"""What people wrote must not be read as control tokens: those would end its turn and begin another's."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

from jupyter_uml.types import Message, Tool, ToolCall

# Put into what people wrote, inside of what would be read as a control token; the rendered prompt is cut there and its
# pieces are tokenized one by one. One lone mark survives whatever a template does with a text: cut, split or trim it,
# or write it as JSON. A noncharacter of Unicode, so that nobody misses it.
MARK = "\ufdd0"
HERE = "\ufdd3"  # where an answer begins in a text that a template wrote


def guard(messages: Iterable[Message], controls: Sequence[str]) -> list[Message]:
    """The messages, without control tokens in any of their texts. `controls`: texts of control tokens."""

    compiled = _compiled(tuple(controls))

    def guarded(text: str) -> str:
        return _guarded(text, compiled)

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

    compiled = _compiled(tuple(controls))

    def guarded(text: str) -> str:
        return _guarded(text, compiled)

    return [
        replace(
            tool,
            name=guarded(tool.name),
            description=guarded(tool.description),
            parameters=_json(tool.parameters, guarded),
        )
        for tool in tools
    ]


def guard_options(options: Mapping[str, Any], controls: Sequence[str]) -> dict[str, Any]:
    """Variables of a template, without control tokens in those that are text."""
    compiled = _compiled(tuple(controls))
    return {name: _guarded(value, compiled) if isinstance(value, str) else value for name, value in options.items()}


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


def _guarded(text: str, controls: _Controls) -> str:
    text = text.replace(MARK, "").replace(HERE, "")
    starts = list(controls.starts(text))  # each of them is broken, also those that overlap
    ends = [start + 1 for start in starts]
    return MARK.join(text[begin:end] for begin, end in zip([0, *ends], [*ends, len(text)], strict=True))


class _Controls:
    """Finds control tokens, in time that does not depend on how many there are: some models have thousands, and a
    pattern of as many alternatives takes seconds on a hostile text."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._texts = frozenset(texts)
        self._lengths: dict[str, set[int]] = {}  # by their first two characters
        for text in self._texts:
            self._lengths.setdefault(text[:2], set()).add(len(text))
        self._heads = re.compile(f"(?={'|'.join(map(re.escape, self._lengths)) or '(?!)'})")

    def starts(self, text: str) -> Iterator[int]:
        """The places where one begins."""
        for found in self._heads.finditer(text):
            start = found.start()
            if any(text[start : start + length] in self._texts for length in self._lengths[text[start : start + 2]]):
                yield start


@lru_cache(maxsize=4)
def _compiled(controls: tuple[str, ...]) -> _Controls:
    return _Controls(controls)
