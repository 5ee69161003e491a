"""The formats that mark reasoning and each part of a tool call by tags. How a call is written in between is a style."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from jupyter_uml.engine.formats.chat_format import Parser, Word
from jupyter_uml.engine.formats.tagged_grammar import TaggedGrammar
from jupyter_uml.engine.formats.turn_reader import Reading, TurnReader, is_inside
from jupyter_uml.types import Tool

LONGEST_NAME = 256  # characters before the end of a function's name; what has more is no call
_GAP = r"/[ \n]{1,4}/?"
_NAME = re.compile(r"[\w.:/-]{1,128}")


class TaggedReader(TurnReader):
    """The parser of all these formats."""

    def __init__(self, format: TaggedFormat, tools: Sequence[Tool], opening: str) -> None:
        self.tools = {tool.name: tool for tool in tools}
        self._format = format
        self._opening = opening
        self._style = format.style if tools else None
        super().__init__(bool(tools))

    def read(self) -> Reading[None]:
        marker = yield from self._thoughts()
        openers = self._style.openers if self._style else ()
        again = self._format.thinking[:1] if self._format.thinks_again else ()
        while True:
            if marker in openers and self._style:
                marker = yield from self._style.read(self, marker)
            elif marker in again and marker:
                marker = yield from self.thinking(self._format.end_of_reasoning, *self._interrupting())
            else:  # a silent marker, or none
                marker = ""
            if not marker:
                marker = yield from self.content(*openers, *again, *self._format.silent)
                if not marker:
                    return

    def short_word(self, *ends: str) -> Reading[tuple[str, str]]:
        """A word, and which of `ends` came after it: "" where the answer ends, or where this is too long for a word."""
        pieces: list[str] = []
        while True:
            text, end = self.text.until(*ends)
            pieces.append(text)
            if end or self.text.closed or sum(map(len, pieces)) > LONGEST_NAME:
                return "".join(pieces), end
            yield

    def json_arguments(self) -> Reading[bool]:
        """The arguments of the call that was begun, as one JSON value; whether all of it has come."""
        return (yield from self.json(lambda text: self.argue(text if self._has_arguments else text.lstrip())))

    def _thoughts(self) -> Reading[str]:
        """The reasoning that the turn begins with. Returns the marker of a call that cut it short, or ""."""
        if not self._format.thinking:
            return ""
        start, end = self._format.thinking
        if not is_inside(self._opening, start, end):
            if end in self._opening:
                if self._opening.rstrip().endswith(end):
                    self.skip_space()
                return ""
            space, marker = yield from self.next(start, end)
            if marker != start:
                self.say("" if marker else space)
                return ""
        return (yield from self.thinking(end, *self._interrupting())).replace(end, "")

    def _interrupting(self) -> tuple[str, ...]:
        return self._style.openers if self._style and self._format.calls_end_reasoning else ()


class CallStyle(ABC):
    """How a family writes its calls."""

    openers: tuple[str, ...]  # each of them begins a call, or the section of all calls
    markers: tuple[str, ...]  # all texts that may be control tokens

    @abstractmethod
    def read(self, reader: TaggedReader, opener: str) -> Reading[str]:
        """Read what follows `opener`. Returns the next one, where it has been read already, else ""."""

    @abstractmethod
    def grammar(self, grammar: TaggedGrammar, tools: Sequence[Tool], opener: int, many: bool) -> str:
        """Calls, from after `openers[opener]` on."""


@dataclass(frozen=True)
class TaggedFormat:
    """A `ChatFormat`."""

    name: str
    style: CallStyle
    thinking: tuple[str, ...] = ("<think>", "</think>")  # empty, or how reasoning begins and ends
    thinks_again: bool = False  # reasoning may also come later in an answer
    calls_end_reasoning: bool = False
    silent: tuple[str, ...] = ()  # markers in content that say nothing
    after_reasoning: str = ""  # what a model writes between reasoning and all else
    around_content: tuple[str, str] = ("", "")
    tokens: tuple[str, ...] = ()  # texts of control tokens, where the markers are made of several

    @property
    def reasons(self) -> bool:
        return bool(self.thinking)

    @property
    def end_of_reasoning(self) -> str:
        return self.thinking[1] if self.thinking else ""

    @property
    def start_of_answer(self) -> str:
        return self.around_content[0] if self.thinks_again else ""

    @property
    def markers(self) -> tuple[str, ...]:
        return self.tokens or tuple(dict.fromkeys((*self.thinking, *self.style.markers, *self.silent)))

    def parser(self, tools: Sequence[Tool], opening: str) -> Parser:
        reader = TaggedReader(self, tools, opening)
        reader.push("")  # it knows from the beginning whether reasoning comes
        return reader

    def calls(self, tools: Sequence[Tool], opening: str, word: Word, *, many: bool, free: bool) -> str:
        grammar = TaggedGrammar(word, self.markers)
        thoughts = self._thoughts(grammar, opening)
        if not free:
            first = f"{grammar.words(self.style.openers[0])} {self.style.grammar(grammar, tools, 0, many)}"
            return grammar.source(f"{thoughts} {first}")
        return grammar.source(f"{thoughts} {grammar.choice(self._free(grammar, tools, opening, many))}?")

    def _free(self, grammar: TaggedGrammar, tools: Sequence[Tool], opening: str, many: bool) -> list[str]:
        """Text, and text that is followed by calls."""
        calls = [self.style.grammar(grammar, tools, place, many) for place in range(len(self.style.openers))]
        if not any(self.around_content):
            leads = [grammar.up_to(opener) for opener in self.style.openers]
            return ["TEXT", *(f"{lead} {call}" for lead, call in zip(leads, calls, strict=True))]
        text = self._around(grammar, "TEXT?", opening)
        leads = [grammar.words(opener) for opener in self.style.openers]
        return [text, *(f"({text})? {lead} {call}" for lead, call in zip(leads, calls, strict=True))]

    def answer(self, body: str, opening: str, word: Word) -> str:
        grammar = TaggedGrammar(word, self.markers)
        content = self._around(grammar, grammar.rule(body), opening)
        return grammar.source(f"{self._thoughts(grammar, opening)} {content}")

    def _around(self, grammar: TaggedGrammar, content: str, opening: str) -> str:
        before, after = self.around_content
        return f"{grammar.words('' if before in opening else before)} {content} {grammar.words(after)}"

    def _thoughts(self, grammar: TaggedGrammar, opening: str) -> str:
        if not self.thinking:
            return ""
        start, end = self.thinking
        rest = f"{grammar.up_to(end)} {grammar.words(self.after_reasoning) or _GAP}"
        if is_inside(opening, start, end):
            return rest
        return "" if end in opening else f"({grammar.lazily(start)} {rest})?"


def is_name(text: str) -> bool:
    """Whether a function may have this name."""
    return _NAME.fullmatch(text) is not None
