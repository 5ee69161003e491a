"""Calls that have the function's name between tags, and then all arguments as one JSON object."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from jupyter_uml.engine.formats.tagged_format import CallStyle, TaggedReader, is_name
from jupyter_uml.engine.formats.tagged_grammar import TaggedGrammar
from jupyter_uml.engine.formats.turn_reader import Reading
from jupyter_uml.types import Tool, ToolCall


@dataclass(frozen=True)
class NamedJsonCalls(CallStyle):
    """Section, and in it for each call: begins, head, named, arguments, end, between.

    `head`: what stands for a function called NAME, a regular expression whose group `name` is that name;
    `written`: the same for a grammar, its literal texts and, as `/…/`, terminals.
    """

    begins: str
    named: str  # after the head
    end: str
    head: str = r"(?P<name>.*)"
    written: tuple[str, ...] = ("NAME",)
    section: tuple[str, ...] = ()  # what stands around all calls
    between: str = ""
    fence: tuple[str, str] = ("", "")  # around the arguments
    only_in_section: bool = False  # what begins a call means nothing elsewhere
    tokens: tuple[str, ...] = ()  # further control tokens, within the head

    @property
    def openers(self) -> tuple[str, ...]:  # type: ignore[override]
        return self.section[:1] if self.only_in_section else (*self.section[:1], self.begins)

    @property
    def markers(self) -> tuple[str, ...]:  # type: ignore[override]
        return tuple(filter(None, (*self.section, self.begins, self.named, self.end, *self.tokens)))

    def read(self, reader: TaggedReader, opener: str) -> Reading[str]:
        raw, marker = opener, opener
        if opener != self.begins:
            space, marker = yield from reader.next(self.begins)
            raw += space + marker
            if not marker:
                reader.say(raw)
        while marker == self.begins:
            marker = yield from self._call(reader, raw)
            raw = marker
        return marker

    def _call(self, reader: TaggedReader, raw: str) -> Reading[str]:
        """A call, from after its beginning on. Returns the marker that was read after it, if any."""
        head, marker = yield from reader.short_word(self.named, *self.openers)
        found = re.fullmatch(self.head, head.strip(), re.DOTALL)
        if marker != self.named or not found or not is_name(found["name"]):
            restart = marker in self.openers
            reader.say(raw + head + ("" if restart else marker))
            return marker if restart else ""
        reader.begin_call(found["name"])
        return (yield from self._arguments(reader))

    def _arguments(self, reader: TaggedReader) -> Reading[str]:
        before, after = (text.strip() for text in self.fence)
        if before:
            yield from reader.next(before)
        whole = yield from reader.json_arguments()
        if whole:
            reader.end_call()
        closing = tuple(text for text in (after, self.end, *self.section[1:], self.between.strip()) if text)
        while True:
            space, marker = yield from reader.next(*closing, self.begins, *self.openers)
            if not whole and (marker or not reader.text.closed):  # there are no arguments
                reader.end_call()
            whole = True
            if marker in (self.begins, *self.openers) or not marker:
                reader.say("" if marker else space)
                return marker

    def grammar(self, grammar: TaggedGrammar, tools: Sequence[Tool], opener: int, many: bool) -> str:
        options = [f"{self._head(grammar, tool.name)} {grammar.arguments(tool)}" for tool in tools]
        body = grammar.rule(f"{grammar.choice(options)} {grammar.words(self.fence[1], self.end)}")
        in_section = bool(self.section) and opener == 0
        calls = f"{grammar.words(self.begins) if in_section else ''} {body}"
        if many:
            calls += f" ({grammar.words(self.between, self.begins)} {body})*"
        return f"{calls} {grammar.words(self.section[1])}" if in_section else calls

    def spelled(self, calls: Sequence[ToolCall]) -> str:
        """The calls as the model writes them, in a family whose head is nothing but text."""
        head = "".join(self.written) + self.named + self.fence[0]
        texts = [head.replace("NAME", call.name) + (call.arguments or "{}") + self.fence[1] for call in calls]
        inner = self.between.join(f"{self.begins}{text}{self.end}" for text in texts)
        return inner.join(self.section) if self.section else inner

    def _head(self, grammar: TaggedGrammar, name: str) -> str:
        parts = [part if part.startswith("/") else grammar.words(part.replace("NAME", name)) for part in self.written]
        return " ".join([*parts, grammar.words(self.named, self.fence[0])])
