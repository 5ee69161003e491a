"""Prompts that are given back before their answers: as text, and with how likely each of their tokens is."""

from __future__ import annotations

from dataclasses import dataclass

from jupyter_uml.errors import InvalidRequest
from jupyter_uml.protocol.endpoint import Verbs
from jupyter_uml.types import Hold, ScoreRequest, Tokenized, TokenizeRequest, TokenLogprob

Prompt = str | tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Echo:
    """`count`: tokens of the prompt. With log-probabilities, `first` is the first token, which nothing precedes, and
    `rest` are the others."""

    text: str
    count: int
    first: bytes | None = None
    rest: tuple[TokenLogprob, ...] = ()


class EchoReader:
    """Reads back the prompts of one request."""

    def __init__(self, service: Verbs, model: str, request_id: str, hold: Hold) -> None:
        self._service, self._model, self._id, self._hold = service, model, request_id, hold

    async def read(self, prompt: Prompt, top: int | None) -> Echo:
        """`top`: so many alternatives of each token; None for no log-probabilities.

        Raises:
            UmlError: the model does not know a token, or the prompt is too long for it.
        """
        try:
            return await self._read(prompt, top)
        except InvalidRequest as error:
            error.param = "prompt" if error.param == "input" else error.param
            raise

    async def _read(self, prompt: Prompt, top: int | None) -> Echo:
        read = await self._tokenized(prompt)
        pieces = read.pieces[0]
        text = prompt if isinstance(prompt, str) else b"".join(pieces).decode(errors="replace")
        # The token that begins every text, which the tokenizer put before it, is not part of it.
        added = len(pieces) - await self._count_alone(prompt) if isinstance(prompt, str) else 0
        if top is None or added == len(pieces):
            return Echo(text, len(pieces))
        request = ScoreRequest(self._id, self._model, (read.tokens[0],), top, hold=self._hold)
        scores = await self._service.compute(request)
        return Echo(text, len(pieces), pieces[added], scores.logprobs[0][added:])

    async def _tokenized(self, prompt: Prompt, add_special: bool = True) -> Tokenized:
        request = TokenizeRequest(self._id, self._model, (prompt,), add_special, hold=self._hold)
        return await self._service.compute(request)

    async def _count_alone(self, text: str) -> int:
        return len((await self._tokenized(text, add_special=False)).tokens[0])
