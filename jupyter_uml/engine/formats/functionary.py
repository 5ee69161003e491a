"""Functionary: v3.1 writes `<function=name>{…}</function>`, v3.2 says whom each part of an answer is for: `>>>name`."""

from __future__ import annotations

from collections.abc import Sequence

from jupyter_uml.engine.formats.chat_format import ChatFormat, Parser, Word
from jupyter_uml.engine.formats.named_json_calls import NamedJsonCalls
from jupyter_uml.engine.formats.tagged_format import TaggedFormat
from jupyter_uml.engine.formats.tagged_grammar import TaggedGrammar
from jupyter_uml.engine.formats.turn_reader import Reading, TurnReader
from jupyter_uml.types import Tool

_FOR = ">>>"
_ALL = "all\n"

FUNCTIONARY_31 = TaggedFormat("functionary-v3.1", NamedJsonCalls("<function=", ">", "</function>"), thinking=())


class Functionary32:
    """A `ChatFormat`."""

    name = "functionary-v3.2"
    markers = ()
    reasons = False
    end_of_reasoning = ""
    start_of_answer = ""

    def parser(self, tools: Sequence[Tool], opening: str) -> Parser:
        return _PartsReader(tools, opening)

    def calls(self, tools: Sequence[Tool], opening: str, word: Word, *, many: bool, free: bool) -> str:
        grammar = TaggedGrammar(word, self.markers)
        call = grammar.rule(
            grammar.choice(f"{grammar.words(tool.name, chr(10))} {grammar.arguments(tool)}" for tool in tools)
        )
        more = f"({grammar.words(_FOR)} {call})*" if many else ""
        before = "" if opening.endswith(_FOR) else grammar.words(_FOR)
        if not free:
            return grammar.source(f"{before} {call} {more}")
        text = f"{grammar.words(_ALL)} TEXT?"
        text_first = f"{grammar.words(_ALL)} {grammar.up_to(_FOR)} {call} {more}"
        return grammar.source(f"{before} ({call} {more} | {text} | {text_first})")

    def answer(self, body: str, opening: str, word: Word) -> str:
        grammar = TaggedGrammar(word, self.markers)
        head = grammar.words(_ALL if opening.endswith(_FOR) else "")
        return grammar.source(f"{head} {grammar.rule(body)}")


class _PartsReader(TurnReader):
    def __init__(self, tools: Sequence[Tool], opening: str) -> None:
        self._heads = {f"{tool.name}\n": tool.name for tool in tools}
        self._begun = opening.endswith(_FOR)
        super().__init__(bool(tools))

    def read(self) -> Reading[None]:
        before = "" if self._begun else _FOR
        marker = yield from self.starting(*(before + head for head in (_ALL, *self._heads)))
        while True:
            name = self._heads.get(marker.removeprefix(_FOR))
            if name:
                yield from self._call(name)
            marker = yield from self.content(*(_FOR + head for head in (_ALL, *self._heads)))
            if not marker:
                return

    def _call(self, name: str) -> Reading[None]:
        self.begin_call(name)
        if (yield from self.json(self.argue)):
            self.end_call()


FUNCTIONARY_32 = Functionary32()


def recognise(template: str) -> ChatFormat | None:
    if ">>>${recipient}" in template:
        return FUNCTIONARY_32
    return FUNCTIONARY_31 if "<{start_tag}={function_name}>" in template else None
