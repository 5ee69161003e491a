"""Calls without any tag: the whole answer is a JSON object, or a list of them, that names a function."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from jupyter_uml.engine.formats.chat_format import Parser, Word
from jupyter_uml.engine.formats.json_call import JsonCall
from jupyter_uml.engine.formats.tagged_format import CallStyle, TaggedFormat, TaggedReader
from jupyter_uml.engine.formats.tagged_grammar import TaggedGrammar
from jupyter_uml.engine.formats.turn_reader import Reading
from jupyter_uml.types import Tool, ToolCall


@dataclass(frozen=True)
class BareCalls(CallStyle):
    """`leads`: what may come before the object; `ends`: after it."""

    leads: tuple[str, ...] = ()
    ends: tuple[str, ...] = ()
    arguments: str = "arguments"  # the key
    listed: bool = True  # several calls are a list; else there is one at most

    @property
    def openers(self) -> tuple[str, ...]:  # type: ignore[override]
        return ()

    @property
    def markers(self) -> tuple[str, ...]:  # type: ignore[override]
        return (*self.leads, *self.ends)

    def read(self, reader: TaggedReader, opener: str) -> Reading[str]:
        """Calls at the beginning of the content, if there are some."""
        raw, mark = yield from reader.next("{", "[", *self.leads)
        raw += mark
        for following in (("{", "["), ("{",)):
            if mark in ("", "{"):
                break
            space, mark = yield from reader.next(*following)
            raw += space + mark
        failed = (yield from JsonCall(reader, reader.tools).read()) if mark else " "
        if failed:
            reader.say(raw[:-1] + failed if mark else raw)
            return ""
        while mark:
            space, mark = yield from reader.next("{", ",", ";", "]", *self.ends)
            if mark == "{" and (failed := (yield from JsonCall(reader, reader.tools).read())):
                reader.say(failed)
                return ""
        return ""

    # --- grammar ---

    def grammar(self, grammar: TaggedGrammar, tools: Sequence[Tool], opener: int, many: bool) -> str:
        options = [f"{grammar.words(self._head(tool.name))} {grammar.arguments(tool)}" for tool in tools]
        call = grammar.rule(f"{grammar.choice(options)} {grammar.words('}')}")
        if not (many and self.listed):
            return call
        listed = f"{grammar.words('[')} {call} ({grammar.words(', ')} {call})* {grammar.words(']')}"
        return grammar.choice([call, listed])

    def written(self, calls: Sequence[ToolCall]) -> str:
        objects = [f"{self._head(call.name)}{call.arguments or '{}'}}}" for call in calls]
        return objects[0] if len(objects) == 1 else f"[{', '.join(objects)}]"

    def _head(self, name: str) -> str:
        return f'{{"name": {json.dumps(name)}, "{self.arguments}": '


class BareReader(TaggedReader):
    """Looks for calls once, where the content begins."""

    def read(self) -> Reading[None]:
        yield from self._thoughts()
        if self._style:
            yield from self._style.read(self, "")
        yield from self.content()


@dataclass(frozen=True)
class BareFormat(TaggedFormat):
    """A `ChatFormat` that `WritesCalls`."""

    style: BareCalls

    def parser(self, tools: Sequence[Tool], opening: str) -> Parser:
        return BareReader(self, tools, opening)

    def calls(self, tools: Sequence[Tool], opening: str, word: Word, *, many: bool, free: bool) -> str:
        grammar = TaggedGrammar(word, self.markers)
        calls = self.style.grammar(grammar, tools, 0, many)
        if free:  # what begins like a call is one; a link in Markdown does not
            other = r"/(\[[^\s{\[]|[^\s{\[])(?s:.*)/" if self.style.listed else r"/[^\s{](?s:.*)/"
            calls = f"({calls} | {grammar.rule(other)})?"
        return grammar.source(f"{self._thoughts(grammar, opening)} {calls}")

    def written(self, calls: Sequence[ToolCall]) -> str:
        return self.style.written(calls)
