"""What an answer may look like: llguidance's matcher over the tokens of one answer.

A grammar comes from a stranger. Its size, the work of compiling it and the work of each step are bounded; what goes
beyond is the request's fault.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
from llguidance import LLMatcher, LLParserLimits, LLTokenizer

from jupyter_uml.engine.joined_patterns import most_joined
from jupyter_uml.engine.prefilter import Logits
from jupyter_uml.errors import InvalidRequest
from jupyter_uml.types import Grammar

MAX_GRAMMAR_BYTES = 1 << 17
_MAX_DIVISOR = 10_000  # significant digits of a `multipleOf`: its automaton has that many states, 10 µs each
# Patterns that one text has to match: each further one makes the work about twice as much, which no limit counts.
_MAX_JOINED = 8
_LITERAL = re.compile(r'"(?:\\.|[^"\\])*"|/(?:\\.|[^/\\])+/')  # of a Lark grammar
_LIMITS = LLParserLimits(
    initial_lexer_fuel=200_000,
    step_lexer_fuel=200_000,  # about 15 ms
    step_max_items=50_000,  # about 3 ms
    max_lexer_states=50_000,  # up to 2 kB each
    max_grammar_size=200_000,
    verbose_errors=False,
)
# Between two parts of JSON. Without a bound some models write white space for ever; without any, most of an object's
# frame is known beforehand and need not be sampled.
_COMPACT = {"whitespace_flexible": False}
_LOOSE = {"whitespace_pattern": r"[ \n\t]{1,32}"}


def compile_grammar(tokenizer: LLTokenizer, grammar: Grammar) -> LLMatcher:
    """A matcher at its start; copies of it follow answers.

    Raises:
        InvalidRequest: not a grammar, one that asks for what is not implemented, or one that is too complex.
    """
    if len(grammar.source.encode(errors="replace")) > MAX_GRAMMAR_BYTES:
        raise _refused(grammar, f"it is longer than {MAX_GRAMMAR_BYTES >> 10} KiB")
    try:
        matcher = LLMatcher(tokenizer, _translated(grammar), log_level=0, limits=_LIMITS)
    except (ValueError, RecursionError, ArithmeticError) as error:  # the last from numbers beyond `decimal`
        raise _refused(grammar, str(error)) from None
    trial = matcher.deep_copy()
    if not trial.is_error():
        trial.compute_bitmask()  # brings to light that no text satisfies it
    if trial.is_error():
        raise _refused(grammar, trial.get_error())
    return matcher


def _translated(grammar: Grammar) -> str:
    match grammar.kind:
        case "json_schema":
            _check_work(grammar.source)
            return LLMatcher.grammar_from_json_schema(grammar.source, defaults=_COMPACT)  # type: ignore[arg-type]
        case "json_object":
            return LLMatcher.grammar_from_json_schema({"type": "object"}, defaults=_LOOSE)  # type: ignore[arg-type]
        case "regex":
            return LLMatcher.grammar_from_regex(grammar.source)
        case "lark":
            _check_joined(_LITERAL.sub("", grammar.source).count("&") + 1)
            return LLMatcher.grammar_from_lark(grammar.source)


def check_schema(source: str, param: str) -> None:
    """Of a JSON schema that becomes part of a larger grammar: what llguidance would not notice in time.

    Raises:
        InvalidRequest: it asks for too much.
    """
    try:
        _check_work(source)
    except (ValueError, RecursionError, ArithmeticError) as error:
        raise _refused(Grammar("json_schema", param=param), str(error)) from None


def _check_work(source: str) -> None:
    schema = json.loads(source, parse_float=Decimal)
    if any(divisor > _MAX_DIVISOR for divisor in _divisors(schema)):
        raise ValueError(f"multipleOf has more than {len(str(_MAX_DIVISOR)) - 1} significant digits")
    _check_joined(most_joined(schema))


def _check_joined(patterns: int) -> None:
    if patterns > _MAX_JOINED:
        raise ValueError(f"one text must match more than {_MAX_JOINED} patterns")


def _divisors(schema: Any) -> Iterator[int]:
    """What stands under `multipleOf` anywhere, without its decimal point."""
    inner = list(schema.values()) if isinstance(schema, dict) else schema if isinstance(schema, list) else []
    for value in inner:
        yield from _divisors(value)
    divisor = schema.get("multipleOf") if isinstance(schema, dict) else None
    if isinstance(divisor, int | Decimal):
        yield int("".join(map(str, Decimal(divisor).as_tuple().digits)))


_NOUNS = {"json_schema": "JSON schema", "json_object": "JSON object", "regex": "regular expression", "lark": "grammar"}


def _refused(grammar: Grammar, reason: str) -> InvalidRequest:
    if reason.startswith("NoExtension"):
        reason = "no text satisfies it"
    first_line = reason.strip().partition("\n")[0].rstrip(".:")[:300]
    param = grammar.param or ("response_format" if grammar.kind.startswith("json") else "grammar")
    noun = "schema of a tool" if param == "tools" else _NOUNS[grammar.kind]
    return InvalidRequest(f"This {noun} cannot be followed: {first_line or 'it is invalid'}.", param=param)


class GrammarMatcher:
    """Follows one answer. `compiled` is not changed."""

    def __init__(self, compiled: LLMatcher, tokenizer: LLTokenizer, grammar: Grammar) -> None:
        self._matcher = compiled.deep_copy()
        self._mask = np.zeros(-(-tokenizer.vocab_size // 32), np.int32)
        self._grammar = grammar

    @property
    def ended(self) -> bool:
        """Nothing may follow but the end."""
        return self._matcher.is_stopped()

    def accept(self, token: int) -> bool:
        """Go on by `token`; False, and nothing has changed, where it does not fit."""
        return self._matcher.try_consume_tokens([token]) == 1

    def accept_all(self, tokens: Sequence[int]) -> bool:
        """Go on by all of `tokens`; False, and nothing has changed, where they do not fit."""
        taken = self._matcher.try_consume_tokens(list(tokens))
        if taken < len(tokens) and taken:
            self._matcher.rollback(taken)
        return taken == len(tokens)

    def forbid(self, logits: Logits) -> None:
        """Make every token impossible that does not fit. The end of the generation fits where the grammar is complete.

        Raises:
            InvalidRequest: the grammar has become too complex.
        """
        self._matcher.unsafe_compute_mask_ptr(self._mask.ctypes.data, self._mask.nbytes)
        if self._matcher.is_error():
            raise self.refused(self._matcher.get_error())
        fits = np.unpackbits(self._mask.view(np.uint8), bitorder="little")[: len(logits)]
        np.copyto(logits, -np.inf, where=fits == 0)

    def forced(self) -> list[int]:
        """The tokens of the text that must come next, as far as they are the same whatever follows it."""
        return list(self._matcher.compute_ff_tokens())

    def refused(self, reason: str) -> InvalidRequest:
        """The error that names this grammar."""
        return _refused(self._grammar, reason)
