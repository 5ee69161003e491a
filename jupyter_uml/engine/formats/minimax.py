"""MiniMax: M1 writes JSON, M2 `<invoke name=…><parameter name=…>`, M3 values as XML, with a token before each tag."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jupyter_uml.engine.formats.json_call import JsonCall
from jupyter_uml.engine.formats.json_calls import JsonCalls
from jupyter_uml.engine.formats.tagged_calls import TaggedCalls, quoted
from jupyter_uml.engine.formats.tagged_format import TaggedFormat, TaggedReader
from jupyter_uml.engine.formats.tagged_grammar import TaggedGrammar
from jupyter_uml.engine.formats.tool_parameters import TYPES, Parameter, as_json, item, members, parameters
from jupyter_uml.engine.formats.turn_reader import Reading
from jupyter_uml.types import Tool

_MARK = "]<]minimax[>["  # a control token
_OPEN, _CLOSE = f"{_MARK}<", f"{_MARK}</"
_DEEPEST = 16  # elements within each other; what is deeper is text

MINIMAX_M2 = TaggedFormat(
    "minimax-m2",
    TaggedCalls(
        begins=('<invoke name="',),
        named='">',
        key_begins='<parameter name="',
        key_ends="",
        value_begins='">',
        value_ends="</parameter>",
        ends=("</invoke>",),
        section=("<minimax:tool_call>", "</minimax:tool_call>"),
    ),
)


@dataclass(frozen=True)
class NestedCalls(TaggedCalls):
    """Calls whose objects and arrays are elements within elements: `<key>`, and `<item>` in arrays."""

    def _arguments(self, reader: TaggedReader, tool: Tool | None, marker: str) -> Reading[str]:
        known = parameters(tool) if tool else {}
        marker = yield from reader.skip_to(*self.ends, *self.openers, _OPEN)
        if marker == _OPEN:
            whole = yield from self._members(reader, known, 0)
            marker = self.ends[0] if whole else ""  # what closed the last element is the invocation's own end
        elif marker:
            reader.argue("{}")
        if marker:
            reader.end_call()
        return marker

    def _members(self, reader: TaggedReader, known: Mapping[str, Parameter], depth: int) -> Reading[bool]:
        """An object, from within its first element's tag on, up to the tag that closes the object itself."""
        separator = "{"
        while True:
            key, end = yield from reader.word(">")
            reader.argue(f"{separator}{quoted(key)}: ")
            anything = Parameter(key, {}, TYPES, False)
            whole = bool(end) and (yield from self._element(reader, known.get(key, anything), depth + 1))
            marker = (yield from reader.skip_to(_OPEN, _CLOSE)) if whole else ""
            if marker != _OPEN:
                break
            separator = ", "
        return (yield from self._closed(reader, "}", marker))

    def _items(self, reader: TaggedReader, parameter: Parameter, depth: int) -> Reading[bool]:
        separator = "["
        while True:
            reader.argue(separator)
            whole = yield from self._element(reader, item(parameter.schema), depth + 1)
            marker = (yield from reader.skip_to(_OPEN, _CLOSE)) if whole else ""
            if marker != _OPEN:
                break
            yield from reader.skip_to(">")
            separator = ", "
        return (yield from self._closed(reader, "]", marker))

    def _element(self, reader: TaggedReader, parameter: Parameter, depth: int) -> Reading[bool]:
        """A value and the tag that closes it; False where the answer ends before."""
        if parameter.is_text or depth > _DEEPEST:
            reader.argue('"')
            marker = yield from reader.through(lambda text: reader.argue(quoted(text)[1:-1]), _CLOSE)
            return (yield from self._closed(reader, '"', marker))
        text, marker = yield from reader.word(_OPEN, _CLOSE)
        if marker != _OPEN:
            return (yield from self._closed(reader, as_json(text, parameter.types), marker))
        if "array" in parameter.types and (yield from reader.starting("item>")):
            return (yield from self._items(reader, parameter, depth))
        return (yield from self._members(reader, members(parameter.schema), depth))

    def _closed(self, reader: TaggedReader, end: str, marker: str) -> Reading[bool]:
        if not marker:
            return False
        reader.argue(end)
        return bool((yield from reader.skip_to(">")))

    def _named(self, grammar: TaggedGrammar, name: str) -> str:
        return grammar.words(name, self.named)

    def _parameters(self, grammar: TaggedGrammar, tool: Tool) -> str:
        grammar.lenient = not tool.strict
        return self._object(grammar, parameters(tool), 0)

    def _object(self, grammar: TaggedGrammar, known: Mapping[str, Parameter], depth: int) -> str:
        options = []
        for each in known.values():
            body = self._content(grammar, each, f"{_CLOSE}{each.name}>", depth + 1)
            options.append((grammar.rule(f"{grammar.words(_OPEN, each.name, '>')} {body}"), each.required))
        return grammar.any_order(options) if options else ""

    def _content(self, grammar: TaggedGrammar, parameter: Parameter, end: str, depth: int) -> str:
        """A value's grammar, with what closes it."""
        if depth > _DEEPEST or parameter.types >= {"object", "array", "string"}:
            return grammar.up_to(end)
        if parameter.types == {"object"} and members(parameter.schema):
            return f"{self._object(grammar, members(parameter.schema), depth)} {grammar.words(end)}"
        if parameter.types == {"array"}:
            body = self._content(grammar, item(parameter.schema), f"{_CLOSE}item>", depth + 1)
            return f"({grammar.words(_OPEN, 'item>')} {body})* {grammar.words(end)}"
        return grammar.choice(text for _, text in grammar.value(parameter, end))


MINIMAX_M3 = TaggedFormat(
    "minimax-m3",
    NestedCalls(
        begins=(f'{_MARK}<invoke name="',),
        named='">',
        key_begins=_OPEN,
        key_ends="",
        value_begins=">",
        value_ends=_CLOSE,
        ends=(f"{_MARK}</invoke>",),
        section=(f"{_MARK}<tool_call>", f"{_MARK}</tool_call>"),
    ),
    thinking=("<mm:think>", "</mm:think>"),
    tokens=(_MARK, "<mm:think>", "</mm:think>"),
)


@dataclass(frozen=True)
class CallLines(JsonCalls):
    """`<tool_calls>` and a line for each call, which is a JSON object."""

    def read(self, reader: TaggedReader, opener: str) -> Reading[str]:
        raw, before = opener, reader.calls_begun
        while True:
            space, marker = yield from reader.next("{", self.end)
            if marker != "{":
                reader.say(raw + space + marker if reader.calls_begun == before else space.strip())
                return ""
            raw += space + (yield from JsonCall(reader).read())
            if reader.calls_begun == before:
                reader.say(raw)
                return ""

    def grammar(self, grammar: TaggedGrammar, tools: Sequence[Tool], opener: int, many: bool) -> str:
        options = [f"{grammar.words(self._head(tool.name))} {grammar.arguments(tool)}" for tool in tools]
        call = grammar.rule(f"{grammar.words(self.gap)} {grammar.choice(options)} {grammar.words('}')}")
        return f"{call} {f'({call})*' if many else ''} {grammar.words(self.gap, self.end)}"


MINIMAX_M1 = TaggedFormat("minimax-m1", CallLines("<tool_calls>", "</tool_calls>", gap="\n"))


def recognise(template: str) -> TaggedFormat | None:
    if _MARK in template:
        return MINIMAX_M3
    if "<beginning_of_sentence>" in template and "<tool_calls>" in template:
        return MINIMAX_M1
    return MINIMAX_M2 if "<minimax:tool_call>" in template else None
