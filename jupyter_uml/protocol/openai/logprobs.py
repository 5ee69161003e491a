"""Log-probabilities in OpenAI's two shapes."""

from __future__ import annotations

import codecs
from collections.abc import Iterable
from typing import Any

from jupyter_uml.types import Alternative, TokenLogprob

_LOWEST = -9999.0  # OpenAI's figure for what cannot be; JSON has no infinity


class ChatLogprobs:
    """`choices[].logprobs` of chat completions: a list of tokens with text, bytes, number and alternatives."""

    def body(self, tokens: Iterable[TokenLogprob]) -> dict[str, Any]:
        content = [
            {**_entry(token.chosen), "top_logprobs": [_entry(alternative) for alternative in token.top]}
            for token in tokens
        ]
        return {"content": content, "refusal": None}


class TextLogprobs:
    """`choices[].logprobs` of text completions: four lists of one length. A writer belongs to one choice and is given
    its tokens in order. Offsets are characters of the text that the choice shows, the prompt with `echo` included."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._offset = 0

    def body(self, tokens: Iterable[TokenLogprob], first: bytes | None = None) -> dict[str, Any]:
        """`first`: a token before all others, which has no probability."""
        lists: dict[str, list[Any]] = {"tokens": [], "token_logprobs": [], "top_logprobs": [], "text_offset": []}
        if first is not None:
            self._add(lists, first, None, None)
        for token in tokens:
            # The chosen token is always among them. Where two have one text, the likelier one comes last and stays.
            top = {_text(each.piece): _value(each) for each in (token.chosen, *reversed(token.top))}
            self._add(lists, token.chosen.piece, _value(token.chosen), top)
        return lists

    def _add(
        self, lists: dict[str, list[Any]], piece: bytes, logprob: float | None, top: dict[str, float] | None
    ) -> None:
        lists["tokens"].append(_text(piece))
        lists["token_logprobs"].append(logprob)
        lists["top_logprobs"].append(top)
        lists["text_offset"].append(self._offset)
        self._offset += len(self._decoder.decode(piece))


def _entry(alternative: Alternative) -> dict[str, Any]:
    return {
        "token": _text(alternative.piece),
        "logprob": _value(alternative),
        "bytes": list(alternative.piece),
        "id": alternative.token,
    }


def _text(piece: bytes) -> str:
    return piece.decode("utf-8", errors="replace")


def _value(alternative: Alternative) -> float:
    return max(alternative.logprob, _LOWEST)
