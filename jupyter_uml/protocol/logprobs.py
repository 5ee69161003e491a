"""Log-probabilities in OpenAI's two shapes. A writer belongs to one answer and is given its tokens in order."""

from __future__ import annotations

import codecs
from collections.abc import Iterable
from typing import Any, Protocol

from jupyter_uml.types import Alternative, TokenLogprob

_LOWEST = -9999.0  # OpenAI's figure for what cannot be; JSON has no infinity


class LogprobWriter(Protocol):
    def body(self, tokens: Iterable[TokenLogprob]) -> dict[str, Any]: ...


class ChatLogprobs:
    """`choices[].logprobs` of chat completions: a list of tokens with text, bytes and alternatives."""

    def body(self, tokens: Iterable[TokenLogprob]) -> dict[str, Any]:
        content = [
            {**_entry(token.chosen), "top_logprobs": [_entry(alternative) for alternative in token.top]}
            for token in tokens
        ]
        return {"content": content, "refusal": None}


class TextLogprobs:
    """`choices[].logprobs` of text completions: four lists of one length. Offsets are characters of the answer."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._offset = 0

    def body(self, tokens: Iterable[TokenLogprob]) -> dict[str, Any]:
        lists: dict[str, list[Any]] = {"tokens": [], "token_logprobs": [], "top_logprobs": [], "text_offset": []}
        for token in tokens:
            lists["tokens"].append(_text(token.chosen))
            lists["token_logprobs"].append(_value(token.chosen))
            # Where two tokens have one text, the likelier one comes last and stays.
            lists["top_logprobs"].append({_text(a): _value(a) for a in reversed(token.top)} or None)
            lists["text_offset"].append(self._offset)
            self._offset += len(self._decoder.decode(token.chosen.piece))
        return lists


def _entry(alternative: Alternative) -> dict[str, Any]:
    return {"token": _text(alternative), "logprob": _value(alternative), "bytes": list(alternative.piece)}


def _text(alternative: Alternative) -> str:
    return alternative.piece.decode("utf-8", errors="replace")


def _value(alternative: Alternative) -> float:
    return max(alternative.logprob, _LOWEST)
