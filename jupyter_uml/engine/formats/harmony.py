"""gpt-oss: messages `<|start|>assistant<|channel|>analysis<|message|>…<|end|>`, whose header may name a recipient."""

from __future__ import annotations

import re
from collections.abc import Sequence

from jupyter_uml.engine.formats.chat_format import Parser, Word
from jupyter_uml.engine.formats.tagged_grammar import TaggedGrammar
from jupyter_uml.engine.formats.turn_reader import Reading, TurnReader
from jupyter_uml.types import Tool

_START, _CHANNEL, _MESSAGE, _CONSTRAIN = "<|start|>", "<|channel|>", "<|message|>", "<|constrain|>"
_ENDS = ("<|end|>", "<|call|>", "<|return|>", _START)
_RECIPIENT = re.compile(r"\bto=(?:functions\.)?([\w.:/-]+)")
_ANALYSIS = re.compile(r"<\|channel\|>\s*analysis\b")


class Harmony:
    """A `ChatFormat`."""

    name = "harmony"
    markers = (_CHANNEL, _MESSAGE, _CONSTRAIN, *_ENDS)
    reasons = True
    end_of_reasoning = "<|end|>"
    start_of_answer = f"{_START}assistant{_CHANNEL}final{_MESSAGE}"

    def parser(self, tools: Sequence[Tool], opening: str) -> Parser:
        reader = _HarmonyReader(bool(tools), opening)
        reader.push("")  # it knows from the beginning whether reasoning comes
        return reader

    def calls(self, tools: Sequence[Tool], opening: str, word: Word, *, many: bool, free: bool) -> str:
        """One call at most: the end of a call is the end of an answer, whatever `many` says."""
        grammar = TaggedGrammar(word, self.markers)
        call = grammar.choice(self._call(grammar, tool) for tool in tools)
        message = grammar.words(_CHANNEL, "commentary", _MESSAGE)
        final = f"{grammar.words(_CHANNEL, 'final', _MESSAGE)} TEXT?"
        last = f"({message} {self._rest(grammar)})? ({call} | {final})" if free else call
        header, body = _split(opening)
        if body is not None and not _ANALYSIS.search(header):
            return grammar.source(f"TEXT? ({grammar.words('<|end|>', _START, 'assistant')} {last})?" if free else last)
        return grammar.source(f"{self._thoughts(grammar, opening)} {last}")

    def answer(self, body: str, opening: str, word: Word) -> str:
        grammar = TaggedGrammar(word, self.markers)
        content = grammar.rule(body)
        header, begun = _split(opening)
        if begun is not None and not _ANALYSIS.search(header):
            return grammar.source(content)
        json = grammar.words(" ", _CONSTRAIN, "json")
        final = f"{grammar.words(_CHANNEL, 'final')} ({json})? {grammar.words(_MESSAGE)} {content}"
        return grammar.source(f"{self._thoughts(grammar, opening)} {final}")

    def _call(self, grammar: TaggedGrammar, tool: Tool) -> str:
        header = grammar.words(_CHANNEL, f"commentary to=functions.{tool.name} ", _CONSTRAIN, "json", _MESSAGE)
        return f"{header} {grammar.arguments(tool)} {grammar.words('<|call|>')}"

    def _thoughts(self, grammar: TaggedGrammar, opening: str) -> str:
        thought = f"({grammar.words(_CHANNEL, 'analysis', _MESSAGE)} {self._rest(grammar)})*"
        return f"{self._rest(grammar)} {thought}" if _split(opening)[1] is not None else thought

    def _rest(self, grammar: TaggedGrammar) -> str:
        """The text of a message, and the beginning of the next one."""
        return f"TEXT? {grammar.words('<|end|>', _START, 'assistant')}"


class _HarmonyReader(TurnReader):
    def __init__(self, tools: bool, opening: str) -> None:
        self._header, self._body = _split(opening)
        self._tools = tools
        self._has_content = False
        super().__init__(tools)

    def read(self) -> Reading[None]:
        marker = _MESSAGE if self._body is not None else (yield from self._first())
        header = self._header
        while marker:
            if marker == _MESSAGE:
                yield from self._message(header)
            header, marker = yield from self.word(_MESSAGE, *_ENDS)

    def _first(self) -> Reading[str]:
        """The header of the first message, of which the prompt may have some already."""
        space, start = yield from self.next(_CHANNEL, "to=", _MESSAGE, _START)
        if not start:  # no header: content from the beginning
            self.say(space)
            return (yield from self.content(*_ENDS))
        if start in (_MESSAGE, _START):
            return start
        rest, marker = yield from self.word(_MESSAGE, *_ENDS)
        self._header += space + start + rest
        return marker

    def _message(self, header: str) -> Reading[None]:
        """One message, from after its header on."""
        recipient = _RECIPIENT.search(header)
        if recipient and self._tools:
            self.begin_call(recipient[1])
            if (yield from self.json(self.argue)):
                self.end_call()
            yield from self.skip_to(*_ENDS)
        elif _ANALYSIS.search(header):
            yield from self.thinking(*_ENDS)
        else:
            self.say("\n\n" if self._has_content else "")
            yield from self.content(*_ENDS)
            self._has_content = True


def _split(opening: str) -> tuple[str, str | None]:
    """The header that the prompt ends in, and what there is of its message's text: None before it has begun."""
    header, message, text = opening.rpartition(_START)[2].partition(_MESSAGE)
    closed = any(end in text for end in _ENDS)
    return ("", None) if closed else (header, text if message else None)


HARMONY = Harmony()


def recognise(template: str) -> Harmony | None:
    return HARMONY if "<|channel|>analysis<|message|>" in template else None
