"""Calls whose parameters are written one by one, each between tags, strings as they are and other values as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from jupyter_uml.engine.formats.tagged_format import CallStyle, TaggedReader, is_name
from jupyter_uml.engine.formats.tagged_grammar import TaggedGrammar
from jupyter_uml.engine.formats.tool_parameters import Parameter, as_json, find_parameter, parameters
from jupyter_uml.engine.formats.turn_reader import Reading
from jupyter_uml.types import Tool

_CDATA = ("<![CDATA[", "]]>")


@dataclass(frozen=True)
class TaggedCalls(CallStyle):
    """`<tool_call>` gap `<function=`name`>` gap (`<parameter=`key`>` pad value pad `</parameter>` gap)* `</function>`…

    A parameter is written between `key_begins`, `key_ends` (if there is one), `value_begins` and `value_ends`.
    `attribute`: for a JSON type, what stands between the key's end and the value's beginning.
    """

    begins: tuple[str, ...]
    named: str  # after the name; empty where the first tag ends it
    key_begins: str
    key_ends: str
    value_begins: str
    value_ends: str
    ends: tuple[str, ...]
    section: tuple[str, ...] = ()  # what stands around all calls
    gap: str = "\n"  # between tags
    pad: str = ""  # between a value and its tags
    attribute: Callable[[str], str] | None = None
    after_name: tuple[str, ...] = ()  # texts, and terminals as `/…/`, that a grammar writes after `named`
    cdata: bool = False

    @property
    def openers(self) -> tuple[str, ...]:  # type: ignore[override]
        return (*self.section[:1], *self.begins)

    @property
    def markers(self) -> tuple[str, ...]:  # type: ignore[override]
        tags = (self.named, self.key_begins, self.key_ends, self.value_begins, self.value_ends)
        return tuple(filter(None, (*self.section, *self.begins, *tags, *self.ends)))

    # --- reading ---

    def read(self, reader: TaggedReader, opener: str) -> Reading[str]:
        raw, expected = opener, list(self.openers[self.openers.index(opener) + 1 :])
        while expected:
            space, marker = yield from reader.next(*expected)
            if not marker:
                reader.say(raw + space)
                return ""
            raw += space + marker
            del expected[: expected.index(marker) + 1]
        return (yield from self._call(reader, raw))

    def _call(self, reader: TaggedReader, raw: str) -> Reading[str]:
        name_ends = (self.named,) if self.named else ("\n", self.key_begins, self.ends[0])
        name, marker = yield from reader.short_word(*name_ends, *self.openers)
        if not is_name(name.strip()) or marker not in name_ends:
            restart = marker in self.openers
            reader.say(raw + name + ("" if restart else marker))
            return marker if restart else ""
        reader.begin_call(name.strip())
        marker = yield from self._arguments(reader, reader.tools.get(name.strip()), marker)
        return (yield from self._after(reader, marker))

    def _arguments(self, reader: TaggedReader, tool: Tool | None, marker: str) -> Reading[str]:
        """The arguments, from after `marker` on. Returns what ended them: "" at the end of the answer."""
        reader.argue("{")
        separator = ""
        stops = (self.key_begins, *self.ends, *self.openers)
        while True:
            if marker not in stops:
                marker = yield from reader.skip_to(*stops)
            if marker != self.key_begins:
                break
            key, _ = yield from reader.word(self.key_ends or self.value_begins)
            attributes = (yield from reader.word(self.value_begins))[0] if self.key_ends else ""
            reader.argue(f"{separator}{quoted(key.strip())}: ")
            yield from self._value(reader, self._meant(find_parameter(tool, key.strip()), attributes))
            separator, marker = ", ", ""
        if marker:
            reader.argue("}")
            reader.end_call()
        return marker

    def _meant(self, parameter: Parameter, attributes: str) -> Parameter:
        if self.attribute is None:
            return parameter
        is_text = attributes.strip() == self.attribute("string").strip()
        types = frozenset({"string"}) if is_text else parameter.types - {"string"}
        return Parameter(parameter.name, parameter.schema, types, parameter.required)

    def _value(self, reader: TaggedReader, parameter: Parameter) -> Reading[None]:
        ends: tuple[str, ...] = (self.pad + self.value_ends, self.value_ends)
        if self.pad:
            yield from reader.starting(self.pad)
        if self.cdata and (yield from reader.starting(_CDATA[0])):
            ends = (_CDATA[1],)
        if parameter.is_text:
            reader.argue('"')
            if (yield from reader.through(lambda text: reader.argue(quoted(text)[1:-1]), *ends)):
                reader.argue('"')
        else:
            text, end = yield from reader.word(*ends)
            reader.argue(as_json(text, parameter.types) if end else text)
        if ends[0] == _CDATA[1]:
            yield from reader.skip_to(self.value_ends)

    def _after(self, reader: TaggedReader, marker: str) -> Reading[str]:
        """What closes a call and the section of calls, as far as it is there."""
        if marker in self.openers:
            return marker
        closing = (*self.ends[1:], *self.section[1:])
        while marker:
            space, marker = yield from reader.next(*closing, *self.openers)
            if marker in self.openers:
                return marker
            reader.say("" if marker else space)
        return ""

    # --- grammar ---

    def grammar(self, grammar: TaggedGrammar, tools: Sequence[Tool], opener: int, many: bool) -> str:
        named = [f"{self._named(grammar, tool.name)} {self._parameters(grammar, tool)}" for tool in tools]
        body = grammar.rule(f"{grammar.choice(named)} {grammar.words(self.gap.join(self.ends))}")
        rest = "".join(self.gap + tag for tag in self.openers[opener + 1 :])
        calls = f"{grammar.words(rest)} {body}"
        if many:
            calls += f" ({grammar.words(self.gap + self.gap.join(self.begins))} {body})*"
        return f"{calls} {grammar.words(self.gap, self.section[1])}" if self.section and opener == 0 else calls

    def _named(self, grammar: TaggedGrammar, name: str) -> str:
        after = [part if part.startswith("/") else grammar.words(part) for part in self.after_name]
        return " ".join([grammar.words(name, self.named), *after, grammar.words(self.gap)])

    def _parameters(self, grammar: TaggedGrammar, tool: Tool) -> str:
        grammar.lenient = not tool.strict
        options = [(self._parameter(grammar, each), each.required) for each in parameters(tool).values()]
        return grammar.any_order(options) if options else ""

    def _parameter(self, grammar: TaggedGrammar, parameter: Parameter) -> str:
        written = []
        for kind, value in grammar.value(parameter, self.pad + self.value_ends):
            attribute = self.attribute(kind) if self.attribute else ""
            between = (self.key_ends, attribute, "" if self.attribute or not self.key_ends else self.gap)
            head = grammar.words(self.key_begins, parameter.name, *between, self.value_begins, self.pad)
            written.append(f"{head} {value} {grammar.words(self.gap)}")
        return grammar.rule(grammar.choice(written))


def quoted(text: str) -> str:
    """The text as a JSON string."""
    return json.dumps(text, ensure_ascii=False)
