"""Gemma 4 and FunctionGemma: `call:name{key:value,…}` with strings between marks of their own and keys as they are.

Gemma 2 and 3 know no calls.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jupyter_uml.engine.formats.tagged_calls import quoted
from jupyter_uml.engine.formats.tagged_format import CallStyle, TaggedFormat, TaggedReader, is_name
from jupyter_uml.engine.formats.tagged_grammar import TaggedGrammar, narrowed
from jupyter_uml.engine.formats.tool_parameters import TYPES, Parameter, as_json, item, members, parameters
from jupyter_uml.engine.formats.turn_reader import Reading
from jupyter_uml.types import Tool

_STRUCTURE = ("{", "}", "[", "]", ",", ":")
_DEEPEST = 16  # levels of a value that a grammar follows


@dataclass(frozen=True)
class GemmaCalls(CallStyle):
    begins: str
    end: str
    quote: str

    @property
    def openers(self) -> tuple[str, ...]:  # type: ignore[override]
        return (self.begins,)

    @property
    def markers(self) -> tuple[str, ...]:  # type: ignore[override]
        return (self.begins, self.end, self.quote)

    def read(self, reader: TaggedReader, opener: str) -> Reading[str]:
        space, call = yield from reader.next("call:")
        name, marker = (yield from reader.short_word("{", *self.openers)) if call else ("", "")
        if marker != "{" or not is_name(name):
            restart = marker in self.openers
            reader.say(opener + space + call + name + ("" if restart else marker))
            return marker if restart else ""
        reader.begin_call(name)
        reader.argue("{")
        if (yield from self._members(reader)):
            reader.end_call()
            space, end = yield from reader.next(self.end)
            reader.say("" if end else space)
        return ""

    def _members(self, reader: TaggedReader) -> Reading[bool]:
        """The object that was begun, as JSON; False where the answer ends in it."""
        depth = 1
        while depth:
            word, mark = yield from reader.word(self.quote, *_STRUCTURE)
            if word := word.strip():
                reader.argue(quoted(word) if mark == ":" else as_json(word, TYPES - {"string"}) if mark else word)
            if mark == self.quote:
                reader.argue('"')
                mark = yield from reader.through(lambda text: reader.argue(quoted(text)[1:-1]), self.quote)
                reader.argue(mark and '"')
            else:
                reader.argue(mark + " " if mark in (",", ":") else mark)
            depth += (mark in ("{", "[")) - (mark in ("}", "]"))
            if not mark:
                return False
        return True

    def grammar(self, grammar: TaggedGrammar, tools: Sequence[Tool], opener: int, many: bool) -> str:
        options = [f"{grammar.words(tool.name)} {self._arguments(grammar, tool)}" for tool in tools]
        call = grammar.rule(f"{grammar.words('call:')} {grammar.choice(options)} {grammar.words(self.end)}")
        return f"{call} ({grammar.words(self.begins)} {call})*" if many else call

    def _arguments(self, grammar: TaggedGrammar, tool: Tool) -> str:
        grammar.lenient = not tool.strict
        return self._object(grammar, parameters(tool), 0)

    def _object(self, grammar: TaggedGrammar, known: Mapping[str, Parameter], depth: int) -> str:
        """The members by name, which is the order that the models have learned."""
        parts = [
            (grammar.rule(f"{grammar.words(name, ':')} {self._value(grammar, each, depth + 1)}"), each.required)
            for name, each in sorted(known.items())
        ]
        return f'"{{" {grammar.listed(parts)} "}}"'

    def _value(self, grammar: TaggedGrammar, parameter: Parameter, depth: int) -> str:
        options = []
        types = parameter.types
        if "string" in types:
            options.append(f"{grammar.words(self.quote)} {grammar.text(parameter, self.quote)}")
        if types == {"object"} and depth < _DEEPEST:
            options.append(self._object(grammar, members(parameter.schema), depth))
        elif types == {"array"} and depth < _DEEPEST:
            each = grammar.rule(self._value(grammar, item(parameter.schema), depth + 1))
            options.append(f'"[" ({each} ("," {each})*)? "]"')
        elif plain := sorted(types & {"integer", "number", "boolean", "null"}):
            options.append(grammar.json(narrowed(parameter.schema, plain)))
        return grammar.choice(options)


GEMMA_4 = TaggedFormat(
    "gemma-4",
    GemmaCalls("<|tool_call>", "<tool_call|>", '<|"|>'),
    thinking=("<|channel>thought", "<channel|>"),
    thinks_again=True,
    tokens=("<|channel>", "<channel|>", "<|tool_call>", "<tool_call|>", '<|"|>'),
)
FUNCTION_GEMMA = TaggedFormat(
    "function-gemma", GemmaCalls("<start_function_call>", "<end_function_call>", "<escape>"), thinking=()
)


def recognise(template: str) -> TaggedFormat | None:
    if "<start_function_call>" in template:
        return FUNCTION_GEMMA
    return GEMMA_4 if "<|tool_call>call:" in template else None
