"""The choices of a text completion, in pieces and whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jupyter_uml.protocol.answers import Reply
from jupyter_uml.protocol.openai.echo import Echo
from jupyter_uml.protocol.openai.frame import ending
from jupyter_uml.protocol.openai.logprobs import TextLogprobs
from jupyter_uml.types import Chunk, Usage


class ChoiceWriter:
    """Writes the pieces of one choice."""

    def __init__(self, index: int, echo: Echo | None) -> None:
        self._index, self._echo = index, echo
        self._logprobs = TextLogprobs()
        self.begun = False

    def choices(self, chunk: Chunk) -> list[dict[str, Any]]:
        """What a chunk adds: the echo before the first one, the end by itself."""
        made = [] if self.begun or self._echo is None else [self._echoed(self._echo)]
        self.begun = True
        if chunk.text or chunk.logprobs:
            logprobs = self._logprobs.body(chunk.logprobs) if chunk.logprobs else None
            made.append(self._choice(chunk.text, logprobs))
        if chunk.finish_reason is not None:
            made.append(self._choice("", None) | ending(chunk))
        return made

    def _echoed(self, echo: Echo) -> dict[str, Any]:
        return self._choice(echo.text, self._logprobs.body(echo.rest, echo.first) if echo.first is not None else None)

    def _choice(self, text: str, logprobs: dict[str, Any] | None) -> dict[str, Any]:
        return {"index": self._index, "text": text, "logprobs": logprobs, "finish_reason": None}


def unanswered(echoes: Sequence[Echo | None], count: int) -> list[Reply]:
    """Answers without a token, so many to each prompt."""
    made = [Reply() for _ in range(len(echoes) * count)]
    for place, reply in enumerate(made):
        reply.add(ended(echoes[place // count]))
    return made


def ended(echo: Echo | None) -> Chunk:
    return Chunk("", finish_reason="length", usage=Usage(echo.count if echo else 0))


def best(group: Sequence[Reply], count: int) -> Sequence[Reply]:
    """The likeliest ones, by the mean log-probability of their tokens."""
    return group if len(group) <= count else sorted(group, key=_likelihood, reverse=True)[:count]


def _likelihood(reply: Reply) -> float:
    values = [token.chosen.logprob for token in reply.logprobs]
    return sum(values) / len(values) if values else 0.0


def whole_choice(index: int, echo: Echo | None, reply: Reply, wants_logprobs: bool) -> dict[str, Any]:
    logprobs = None
    if wants_logprobs:
        tokens = [*(echo.rest if echo else ()), *reply.logprobs]
        logprobs = TextLogprobs().body(tokens, echo.first if echo else None)
    text = (echo.text if echo else "") + reply.text
    return {"index": index, "text": text, "logprobs": logprobs, **ending(reply)}
