"""OpenAI's `v1/embeddings`: texts as vectors."""

from __future__ import annotations

import sys
from array import array
from base64 import b64encode
from typing import Annotated, Any, Literal

from pydantic import Field

from jupyter_uml.protocol.body import ModelBody
from jupyter_uml.protocol.endpoint import Caller, Endpoint, Verbs
from jupyter_uml.types import MAX_INPUTS, EmbedRequest

MAX_TOKENS = 1 << 20  # of one text that comes as tokens
Text = Annotated[str, Field(min_length=1)]
Token = Annotated[int, Field(ge=0, lt=1 << 31)]
Tokens = Annotated[list[Token], Field(min_length=1, max_length=MAX_TOKENS, fail_fast=True)]
Texts = Annotated[list[Text], Field(min_length=1, max_length=MAX_INPUTS)]
TokenLists = Annotated[list[Tokens], Field(min_length=1, max_length=MAX_INPUTS)]


class EmbeddingsBody(ModelBody):
    """`dimensions`: only the first ones, for models that were trained to be cut so. `pooling` and `normalize` are ours:
    how the vectors of a text's tokens become one, and whether its length is 1."""

    input: Text | Texts | Tokens | TokenLists
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Annotated[int, Field(ge=1, le=1 << 16)] | None = None
    user: str | None = None
    pooling: Literal["mean", "cls", "last"] | None = None
    normalize: bool | None = None

    def to_native(self, caller: Caller) -> EmbedRequest:
        return EmbedRequest(
            caller.request_id,
            self.model,
            as_inputs(self.input),
            pooling=self.pooling,
            normalize=self.normalize is not False,
            dimensions=self.dimensions,
            hold=caller.holding(self.keep_alive),
        )


class Embeddings(Endpoint[EmbeddingsBody]):
    path = "v1/embeddings"
    summary = "Turn texts into vectors that are near each other where the texts mean the same (OpenAI's embeddings)."
    body = EmbeddingsBody

    async def whole(self, service: Verbs, body: EmbeddingsBody, caller: Caller) -> dict[str, Any]:
        rows = await service.compute(body.to_native(caller))
        encode = _base64 if body.encoding_format == "base64" else _floats
        data = [
            {"object": "embedding", "index": index, "embedding": encode(row)} for index, row in enumerate(rows.values)
        ]
        return {"object": "list", "data": data, "model": body.model, "usage": prompt_usage(rows.prompt_tokens)}


def as_inputs(given: str | list[str] | list[int] | list[list[int]]) -> tuple[str | tuple[int, ...], ...]:
    """The texts of a request, each as text or as tokens, whichever way they were sent."""
    if isinstance(given, str):
        return (given,)
    inputs: list[str | tuple[int, ...]] = []
    for each in given:
        if isinstance(each, int):
            return (tuple(token for token in given if isinstance(token, int)),)
        inputs.append(each if isinstance(each, str) else tuple(each))
    return tuple(inputs)


def numbers(row: bytes) -> array[float]:
    """A row of float32 in this machine's byte order."""
    values = array("f")
    values.frombytes(row)
    return values


def prompt_usage(tokens: int) -> dict[str, int]:
    """The usage of a request without an answer."""
    return {"prompt_tokens": tokens, "total_tokens": tokens}


def _floats(row: bytes) -> list[float]:
    return numbers(row).tolist()


def _base64(row: bytes) -> str:
    """Little-endian, as OpenAI's packages read it."""
    values = numbers(row)
    if sys.byteorder == "big":
        values.byteswap()
    return b64encode(values.tobytes()).decode("ascii")
