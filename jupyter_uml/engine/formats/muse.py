"""Muse writes messages whose header says whom they are for: itself (reasoning), the user, or a function."""

from __future__ import annotations

from collections.abc import Sequence

from jupyter_uml.engine.formats.chat_format import Parser, Word
from jupyter_uml.engine.formats.tagged_calls import TaggedCalls
from jupyter_uml.engine.formats.tagged_format import TaggedFormat, TaggedReader
from jupyter_uml.engine.formats.tagged_grammar import TaggedGrammar
from jupyter_uml.engine.formats.turn_reader import Reading
from jupyter_uml.types import Tool

_START, _MESSAGE = "<|start|>", "<|message|>"
_ENDS = ("<|eom|>", "<|eot|>", _START)
_SELF, _USER = f" to=self{_MESSAGE}", f" to=user{_MESSAGE}"
_NEXT = f"<|eom|>{_START}assistant"

_CALLS = TaggedCalls(
    begins=('<atem:invoke name="',),
    named='">',
    key_begins='<atem:parameter name="',
    key_ends="",
    value_begins='">',
    value_ends="</atem:parameter>",
    ends=("</atem:invoke>",),
    section=("<atem:function_calls>", "</atem:function_calls>"),
)
_FORMAT = TaggedFormat("muse", _CALLS)


class Muse:
    """A `ChatFormat`. Each call is a message of its own."""

    name = "muse"
    markers = (_MESSAGE, *_ENDS)
    reasons = True
    end_of_reasoning = "<|eom|>"
    start_of_answer = ""

    def parser(self, tools: Sequence[Tool], opening: str) -> Parser:
        reader = _MessagesReader(_FORMAT, tools, opening)
        reader.push("")  # it knows from the beginning whether reasoning comes
        return reader

    def calls(self, tools: Sequence[Tool], opening: str, word: Word, *, many: bool, free: bool) -> str:
        grammar = TaggedGrammar(word, self.markers)
        call = grammar.rule(grammar.choice(self._call(grammar, tool) for tool in tools))
        calls = f"{call} ({grammar.words(_NEXT)} {call})*" if many else call
        begun, thoughts = self._before(grammar, opening)
        if begun:
            return grammar.source(
                f"TEXT? ({grammar.words(_NEXT)} {calls})?" if free else f"{grammar.words(_NEXT)} {calls}"
            )
        return grammar.source(f"{thoughts} ({calls} | {grammar.words(_USER)} TEXT?)" if free else f"{thoughts} {calls}")

    def answer(self, body: str, opening: str, word: Word) -> str:
        grammar = TaggedGrammar(word, self.markers)
        begun, thoughts = self._before(grammar, opening)
        content = grammar.rule(body)
        return grammar.source(content if begun else f"{thoughts} {grammar.words(_USER)} {content}")

    def _call(self, grammar: TaggedGrammar, tool: Tool) -> str:
        head = grammar.words(f" to={tool.name}{_MESSAGE}{_CALLS.section[0]}")
        return f"{head} {_CALLS.grammar(grammar, [tool], 0, many=False)}"

    def _before(self, grammar: TaggedGrammar, opening: str) -> tuple[bool, str]:
        """Whether the prompt ends in what is said to the user; the grammar of the reasoning that may come first."""
        header, begun = _header(opening)
        rest = f"TEXT? {grammar.words(_NEXT)}"
        if begun and header == "self":
            return False, rest
        return begun, f"({grammar.words(_SELF)} {rest})?"


class _MessagesReader(TaggedReader):
    def read(self) -> Reading[None]:
        recipient, begun = _header(self._opening)
        marker = _MESSAGE if begun else ""
        if not begun:
            space, start = yield from self.next("to=")
            if start:
                recipient, marker = yield from self.word(_MESSAGE, *_ENDS)
            else:  # no header: content from the beginning
                self.say(space)
                recipient, marker = "user", _MESSAGE
        while marker:
            if marker == _MESSAGE:
                yield from self._message(recipient)
            header, marker = yield from self.word(_MESSAGE, *_ENDS)
            recipient = header.partition("to=")[2].strip()

    def _message(self, recipient: str) -> Reading[None]:
        """One message, from after its header on."""
        if recipient == "self":
            yield from self.thinking(*_ENDS)
        elif recipient in ("", "user") or not self._style:
            yield from self.content(*_ENDS)
        else:
            marker = yield from self.content(*_CALLS.openers, *_ENDS)
            if marker in _CALLS.openers:
                while marker:
                    marker = yield from _CALLS.read(self, marker)
                yield from self.skip_to(*_ENDS)


def _header(opening: str) -> tuple[str, bool]:
    """The recipient of the message that the prompt ends in, and whether its text has begun."""
    header, message, _ = opening.rpartition(_START)[2].partition(_MESSAGE)
    return header.partition("to=")[2].strip(), bool(message)


MUSE = Muse()


def recognise(template: str) -> Muse | None:
    return MUSE if "<atem:function_calls>" in template else None
