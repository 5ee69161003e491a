"""Calls that are JSON objects, or lists of them, between tags."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from jupyter_uml.engine.formats.json_call import JsonCall
from jupyter_uml.engine.formats.tagged_format import CallStyle, TaggedFormat, TaggedReader
from jupyter_uml.engine.formats.tagged_grammar import TaggedGrammar
from jupyter_uml.engine.formats.turn_reader import Reading
from jupyter_uml.types import Tool, ToolCall


@dataclass(frozen=True)
class JsonCalls(CallStyle):
    """`<tool_call>` {"name": …, "arguments": {…}} `</tool_call>`, and again for the next call; or, where they are
    `listed`, `[TOOL_CALLS]` [{…}, {…}] once for all of them."""

    opener: str
    end: str = ""  # empty where nothing but the end of the turn follows
    listed: bool = False
    gap: str = ""  # between a tag and an object
    between: str = ""  # between two calls
    ids: bool = False  # each object may end with an id

    @property
    def openers(self) -> tuple[str, ...]:  # type: ignore[override]
        return (self.opener,)

    @property
    def markers(self) -> tuple[str, ...]:  # type: ignore[override]
        return tuple(filter(None, (self.opener, self.end)))

    # --- reading ---

    def read(self, reader: TaggedReader, opener: str) -> Reading[str]:
        space, bracket = yield from reader.next("{", "[")
        if not bracket:
            reader.say(opener + space)
            return ""
        if bracket == "{":
            raw = yield from JsonCall(reader).read()
        else:
            raw = yield from self._list(reader)
        if raw:
            reader.say(opener + space + raw)
            return ""
        space, marker = yield from reader.next(*self.markers)
        if not marker:
            reader.say(space)
        return "" if marker == self.end else marker

    def _list(self, reader: TaggedReader) -> Reading[str]:
        """Objects, the "[" before which has been read. Returns "" if the first is a call, else what was read."""
        raw, before = "[", reader.calls_begun
        while True:
            space, mark = yield from reader.next("{", ",", "]")
            raw += space + mark
            if mark == "{":
                raw = raw[:-1] + (yield from JsonCall(reader).read())
            if mark not in ("{", ",") or reader.calls_begun == before:
                return "" if reader.calls_begun > before else raw

    # --- grammar ---

    def grammar(self, grammar: TaggedGrammar, tools: Sequence[Tool], opener: int, many: bool) -> str:
        options = [f"{grammar.words(self._head(tool.name))} {grammar.arguments(tool)}" for tool in tools]
        identifier = """(", \\"id\\": \\"" /[\\w:.-]{1,64}/ "\\"")?""" if self.ids else ""
        call = grammar.rule(f"{grammar.choice(options)} {identifier} {grammar.words('}')}")
        if self.listed:
            more = f"({grammar.words(', ')} {call})*" if many else ""
            return f"{grammar.words(self.gap, '[')} {call} {more} {grammar.words(']', self.gap, self.end)}"
        whole = grammar.rule(f"{grammar.words(self.gap)} {call} {grammar.words(self.gap, self.end)}")
        return f"{whole} ({grammar.words(self.between, self.opener)} {whole})*" if many else whole

    def _head(self, name: str) -> str:
        return f'{{"name": {json.dumps(name)}, "arguments": '

    def written(self, calls: Sequence[ToolCall]) -> str:
        """The calls as the model writes them."""
        objects = [f"{self._head(call.name)}{call.arguments or '{}'}}}" for call in calls]
        if self.listed:
            return f"{self.opener}{self.gap}[{', '.join(objects)}]{self.gap}{self.end}"
        return self.between.join(f"{self.opener}{self.gap}{text}{self.gap}{self.end}" for text in objects)


@dataclass(frozen=True)
class JsonFormat(TaggedFormat):
    """A `ChatFormat` that `WritesCalls`."""

    style: JsonCalls

    def written(self, calls: Sequence[ToolCall]) -> str:
        return self.style.written(calls)
