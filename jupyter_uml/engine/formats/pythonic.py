"""LFM2 writes calls as Python does: `<|tool_call_start|>[name(key='value', other=2)]<|tool_call_end|>`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from jupyter_uml.engine.formats.tagged_calls import quoted
from jupyter_uml.engine.formats.tagged_format import CallStyle, TaggedFormat, TaggedReader, is_name
from jupyter_uml.engine.formats.tagged_grammar import TaggedGrammar
from jupyter_uml.engine.formats.tool_parameters import TYPES, Parameter, as_json, parameters
from jupyter_uml.engine.formats.turn_reader import Reading
from jupyter_uml.types import Tool, ToolCall

_STRUCTURE = ("(", ")", "[", "]", "{", "}", ",", ":", "=", "'", '"')
_BRACKETS = {"(": "[", ")": "]"}  # a tuple becomes an array
_ESCAPES = {"\\'": "'", '\\"': '\\"', "\\n": "\\n", "\\t": "\\t", "\\r": "\\r", "\\\\": "\\\\", "\\u": "\\u"}
_AFTER_STRING = (",", ")", "]", "}", ":", " ,", " )", " ]", " }")  # a quote before another belongs to the text


@dataclass(frozen=True)
class PythonicCalls(CallStyle):
    begins: str
    end: str

    @property
    def openers(self) -> tuple[str, ...]:  # type: ignore[override]
        return (self.begins,)

    @property
    def markers(self) -> tuple[str, ...]:  # type: ignore[override]
        return (self.begins, self.end)

    # --- reading ---

    def read(self, reader: TaggedReader, opener: str) -> Reading[str]:
        space, bracket = yield from reader.next("[")
        raw = opener + space + bracket
        if not bracket:
            reader.say(raw)
            return ""
        while True:
            name, mark = yield from reader.short_word("(", "]", *self.markers)
            if mark != "(" or not is_name(name.strip()):
                break
            raw = ""
            reader.begin_call(name.strip())
            if not (yield from self._arguments(reader)):
                return ""
            reader.end_call()
            yield from reader.next(",")
        if raw or name.strip():
            reader.say(raw + name + mark)
        if mark == "]":
            yield from reader.next(self.end)
        return mark if mark == self.begins else ""

    def _arguments(self, reader: TaggedReader) -> Reading[bool]:
        """The arguments up to the closing bracket, as JSON; False where the answer ends before."""
        reader.argue("{")
        depth, separator = 0, ""
        while True:
            word, mark = yield from reader.word(*_STRUCTURE)
            if not mark:
                return False
            if word := word.strip():
                is_key = depth == 0 and mark == "="
                reader.argue(f"{separator}{quoted(word)}: " if is_key else as_json(word, TYPES - {"string"}))
                separator = ", " if is_key else separator
            if mark in ("'", '"'):
                mark = yield from self._string(reader, mark)
            if mark == ")" and depth == 0:
                reader.argue("}")
                return True
            depth += (mark in "([{") - (mark in ")]}") if mark else 0
            if depth or mark in (")", "]", "}"):
                reader.argue({",": ", ", ":": ": "}.get(mark, _BRACKETS.get(mark, mark)))

    def _string(self, reader: TaggedReader, quote: str) -> Reading[str]:
        """A string, as JSON. Returns what came after it."""
        ends = [quote + after for after in _AFTER_STRING]
        reader.argue('"')
        while True:
            mark = yield from reader.through(lambda text: reader.argue(quoted(text)[1:-1]), *ends, *_ESCAPES, "\\")
            if mark not in _ESCAPES and mark != "\\":
                break
            reader.argue(_ESCAPES.get(mark, "\\\\"))
        reader.argue('"' if mark else "")
        return mark[-1:]

    # --- writing ---

    def written(self, calls: Sequence[ToolCall]) -> str:
        return f"{self.begins}[{', '.join(_call(call) for call in calls)}]{self.end}"

    def grammar(self, grammar: TaggedGrammar, tools: Sequence[Tool], opener: int, many: bool) -> str:
        call = grammar.rule(grammar.choice(self._call(grammar, tool) for tool in tools))
        more = f"({grammar.words(', ')} {call})*" if many else ""
        return f"{grammar.words('[')} {call} {more} {grammar.words(']', self.end)}"

    def _call(self, grammar: TaggedGrammar, tool: Tool) -> str:
        grammar.lenient = not tool.strict
        options = [(self._parameter(grammar, each), each.required) for each in parameters(tool).values()]
        return f"{grammar.words(tool.name, '(')} {grammar.listed(options, ', ')} {grammar.words(')')}"

    def _parameter(self, grammar: TaggedGrammar, parameter: Parameter) -> str:
        values = [f"{grammar.words(chr(39))} {grammar.text(parameter, chr(39))}"] if "string" in parameter.types else []
        values += [plain] if (plain := grammar.plain(parameter)) else []
        return grammar.rule(f"{grammar.words(parameter.name, '=')} {grammar.choice(values)}")


def _call(call: ToolCall) -> str:
    arguments = json.loads(call.arguments or "{}")
    return f"{call.name}({', '.join(f'{name}={value!r}' for name, value in arguments.items())})"


@dataclass(frozen=True)
class PythonicFormat(TaggedFormat):
    def written(self, calls: Sequence[ToolCall]) -> str:
        """The calls as the model writes them: the template of LFM2 leaves them out."""
        return self.style.written(calls) if isinstance(self.style, PythonicCalls) else ""


_CALLS = PythonicCalls("<|tool_call_start|>", "<|tool_call_end|>")
LFM2 = PythonicFormat("lfm2", _CALLS, thinking=())
LFM2_THINKING = PythonicFormat("lfm2", _CALLS)


def recognise(template: str) -> TaggedFormat | None:
    if not any(text in template for text in ("<|tool_list_start|>", "<|tool_call_start|>", '"List of tools: ["')):
        return None
    return LFM2_THINKING if "</think>" in template else LFM2
