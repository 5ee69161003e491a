"""Our own `tokenize`, `detokenize` and `apply-template`: what a model reads when it is sent texts or a conversation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from jupyter_uml.errors import InvalidRequest
from jupyter_uml.protocol.body import ModelBody
from jupyter_uml.protocol.endpoint import Caller, Endpoint, Verbs
from jupyter_uml.protocol.openai.chat import ChatCompletionBody
from jupyter_uml.protocol.openai.embeddings import MAX_TOKENS, Token, as_inputs
from jupyter_uml.types import MAX_INPUTS, PromptRequest, Tokenized, TokenizeRequest

Texts = str | Annotated[list[str], Field(min_length=1, max_length=MAX_INPUTS)]
Tokens = Annotated[list[Token], Field(max_length=MAX_TOKENS, fail_fast=True)]


class TokenizeBody(ModelBody):
    """The text is `content` or `input`: one or many. `parse_special`: names of control tokens are these tokens."""

    content: Texts | None = None
    input: Texts | None = None
    add_special: bool = True
    parse_special: bool = True
    with_pieces: bool = False

    @model_validator(mode="after")
    def _has_one_text(self) -> Self:
        if (self.content is None) == (self.input is None):
            raise InvalidRequest("either `content` or `input` must be given", param="content")
        return self

    @property
    def given(self) -> str:
        """The field that has the text."""
        return "input" if self.content is None else "content"


class Tokenize(Endpoint[TokenizeBody]):
    path = "tokenize"
    summary = "The tokens of a text, or of many, as the model reads it."
    body = TokenizeBody

    async def whole(self, service: Verbs, body: TokenizeBody, caller: Caller) -> dict[str, Any]:
        given = getattr(body, body.given)
        request = TokenizeRequest(
            caller.request_id,
            body.model,
            as_inputs(given),
            body.add_special,
            body.parse_special,
            hold=caller.holding(body.keep_alive),
        )
        read = await _read(service, request, body.given)
        lists: list[list[Any]] = [list(tokens) for tokens in read.tokens]
        if body.with_pieces:
            lists = [_with_pieces(*pair) for pair in zip(read.tokens, read.pieces, strict=True)]
        return {"tokens": lists[0] if isinstance(given, str) else lists, "count": sum(map(len, read.tokens))}


class DetokenizeBody(ModelBody):
    tokens: Tokens | Annotated[list[Tokens], Field(min_length=1, max_length=MAX_INPUTS)]


class Detokenize(Endpoint[DetokenizeBody]):
    path = "detokenize"
    summary = "The text of tokens, or of many lists of them; control tokens are written out."
    body = DetokenizeBody

    async def whole(self, service: Verbs, body: DetokenizeBody, caller: Caller) -> dict[str, Any]:
        many = bool(body.tokens) and isinstance(body.tokens[0], list)
        inputs = as_inputs(body.tokens) if body.tokens else ((),)
        request = TokenizeRequest(caller.request_id, body.model, inputs, hold=caller.holding(body.keep_alive))
        read = await _read(service, request, "tokens")
        texts = [b"".join(pieces).decode(errors="replace") for pieces in read.pieces]
        return {"content": texts if many else texts[0]}


class ApplyTemplate(Endpoint[ChatCompletionBody]):
    """Takes a body of chat completions whole; what it says about the answer makes no difference to its prompt."""

    path = "apply-template"
    summary = "The prompt that chat completions would make of the same body, as text and as tokens."
    body = ChatCompletionBody

    async def whole(self, service: Verbs, body: ChatCompletionBody, caller: Caller) -> dict[str, Any]:
        request = body.to_native(caller)[0]
        prompt = await service.compute(PromptRequest(caller.request_id, body.model, request, hold=request.hold))
        return {"prompt": prompt.text, "tokens": prompt.tokens, "count": len(prompt.tokens)}


async def _read(service: Verbs, request: TokenizeRequest, field: str) -> Tokenized:
    """`field`: what the inputs are called in the body."""
    try:
        return await service.compute(request)
    except InvalidRequest as error:
        error.param = field if error.param == "input" else error.param
        raise


def _with_pieces(tokens: Sequence[int], pieces: Sequence[bytes]) -> list[dict[str, Any]]:
    return [{"id": token, "piece": _written(piece)} for token, piece in zip(tokens, pieces, strict=True)]


def _written(piece: bytes) -> str | list[int]:
    """The text; its bytes where it is only a part of a character."""
    try:
        return piece.decode()
    except UnicodeDecodeError:
        return list(piece)
