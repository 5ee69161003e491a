"""Hand-written answers, read in pieces; and grammars, asked whether they would have allowed them."""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from llguidance import LLTokenizer
from llguidance._tokenizer import TokenizerWrapper

from jupyter_uml.engine.formats.chat_format import ChatFormat, Parsed
from jupyter_uml.engine.grammar import compile_grammar
from jupyter_uml.types import Grammar, Tool

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "city": {"type": "string"},
        "days": {"type": "integer"},
        "unit": {"enum": ["C", "F"]},
        "hourly": {"type": "boolean"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "place": {"type": "object", "properties": {"lat": {"type": "number"}, "name": {"type": "string"}}},
    },
    "required": ["city"],
    "additionalProperties": False,
}
WEATHER = Tool("get_weather", "The weather of a city", json.dumps(SCHEMA))
TIME = Tool("get_time", "What time it is", '{"type":"object","properties":{}}')
TOOLS = (WEATHER, TIME)
Calls = list[tuple[str, Any]]


@dataclass
class Answer:
    """What a parser made of an answer. `calls`: name and arguments of each, the raw text where it is no JSON."""

    content: str = ""
    reasoning: str = ""
    calls: Calls = field(default_factory=list)
    ended: int = 0


def read(format: ChatFormat, pieces: Sequence[str], opening: str = "", tools: Sequence[Tool] = TOOLS) -> Answer:
    parser = format.parser(tools, opening)
    parsed = [*(parser.push(piece) for piece in pieces), parser.finish()]
    return Answer(
        "".join(part.content for part in parsed),
        "".join(part.reasoning for part in parsed),
        _calls(parsed),
        parser.calls_ended,
    )


def check(
    format: ChatFormat,
    answer: str,
    *,
    opening: str = "",
    content: str = "",
    reasoning: str = "",
    calls: Calls = (),  # type: ignore[assignment]
    ended: int | None = None,
    tools: Sequence[Tool] = TOOLS,
) -> None:
    """The answer is read as expected however it is cut."""
    expected = Answer(content, reasoning, list(calls), len(calls) if ended is None else ended)
    assert read(format, [answer], opening, tools) == expected
    assert read(format, list(answer), opening, tools) == expected
    chance = random.Random(len(answer))
    for _ in range(20):
        cuts = sorted(chance.choices(range(len(answer) + 1), k=chance.randint(1, 8)))
        pieces = [answer[start:end] for start, end in zip([0, *cuts], [*cuts, len(answer)], strict=True)]
        assert read(format, pieces, opening, tools) == expected


def seconds_for(format: ChatFormat, text: str, size: int, opening: str = "") -> float:
    """CPU time of reading `size` characters of `text`, over and over, in pieces of about a token's length."""
    parser = format.parser(TOOLS, opening)
    started = time.thread_time()
    whole = (text * (size // len(text) + 1))[:size]
    for start in range(0, size, 4):
        parser.push(whole[start : start + 4])
    parser.finish()
    return time.thread_time() - started


def allows(
    format: ChatFormat,
    answer: str,
    *,
    opening: str = "",
    many: bool = True,
    free: bool = False,
    tokens: bool = False,
    tools: Sequence[Tool] = TOOLS,
) -> bool:
    """Whether the grammar of calls takes this answer as a whole. `tokens`: the markers are control tokens."""
    markers = format.markers if tokens else ()
    source = format.calls(tools, opening, _word(markers), many=many, free=free)
    return follows(source, answer, markers)


def allows_answer(format: ChatFormat, body: str, answer: str, *, opening: str = "", tokens: bool = False) -> bool:
    markers = format.markers if tokens else ()
    return follows(format.answer(body, opening, _word(markers)), answer, markers)


def follows(source: str, answer: str, markers: tuple[str, ...]) -> bool:
    matcher = compile_grammar(_tokenizer(markers), Grammar("lark", source)).deep_copy()
    written = _tokens(answer, markers)
    return matcher.try_consume_tokens(written) == len(written) and matcher.is_accepting()


class _Tokens:
    """One token for each byte, and then one for each marker."""

    bos_token_id = None

    def __init__(self, markers: tuple[str, ...]) -> None:
        self.tokens = [bytes([byte]) for byte in range(256)] + [marker.encode() for marker in markers] + [b"<end>"]
        self.special_token_ids = list(range(256, len(self.tokens)))
        self.eos_token_id = len(self.tokens) - 1

    def __call__(self, text: bytes) -> list[int]:
        return list(text)


@cache
def _tokenizer(markers: tuple[str, ...]) -> LLTokenizer:
    return LLTokenizer(TokenizerWrapper(_Tokens(markers)))


def _word(markers: tuple[str, ...]) -> Any:
    def word(text: str) -> str:
        return f"<[{256 + markers.index(text)}]>" if text in markers else json.dumps(text, ensure_ascii=False)

    return word


def _tokens(text: str, markers: tuple[str, ...]) -> list[int]:
    pattern = "|".join(map(re.escape, sorted(markers, key=len, reverse=True))) or "(?!)"
    found: list[int] = []
    for piece in re.split(f"({pattern})", text):
        found += [256 + markers.index(piece)] if piece in markers else list(piece.encode())
    return found


def _calls(parsed: Sequence[Parsed]) -> Calls:
    names: dict[int, str] = {}
    arguments: dict[int, str] = {}
    ids = set()
    for delta in (delta for part in parsed for delta in part.calls):
        if delta.name is not None:
            assert delta.index == len(names)
            assert delta.id
            assert delta.id not in ids
            names[delta.index] = delta.name
            ids.add(delta.id)
        arguments[delta.index] = arguments.get(delta.index, "") + delta.arguments
    return [(name, _value(arguments[index])) for index, name in names.items()]


def _value(arguments: str) -> Any:
    try:
        return json.loads(arguments)
    except ValueError:
        return arguments
