"""OpenAI's wire format, from the client's side: the events of a stream as native chunks. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from itertools import zip_longest
from typing import Any, cast

from jupyter_uml.client.request_body import CALL_PREFIX
from jupyter_uml.errors import StreamInterrupted, UmlError
from jupyter_uml.types import (
    Alternative,
    CallDelta,
    Chunk,
    FinishReason,
    Timings,
    TokenLogprob,
    Usage,
)

NO_TOKEN = -1  # the number of a token where the server tells its text only


class ChunkAssembler:
    """Turns the events of one OpenAI stream into native chunks.

    OpenAI sends the finish reason, then the usage, then `[DONE]`; natively these are one last chunk. It is held
    back until `[DONE]`, so that a stream which was cut in between never looks like a whole answer.
    """

    def __init__(self, request_id: str) -> None:
        self._last = Chunk(request_id)
        self.done = False

    def add(self, event: str, data: str) -> Chunk | None:
        """Raises the UmlError that an error event carries, and StreamInterrupted on what cannot be understood."""
        return self.finish() if data.strip() == "[DONE]" else self.take(event, parse_event(data))

    def take(self, event: str | None, payload: Any) -> Chunk | None:
        """As `add`, of an event whose JSON is decoded already."""
        if event == "error" or (isinstance(payload, Mapping) and "error" in payload):
            raise error_from(payload)
        try:
            return self._take(payload)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise StreamInterrupted("The server sent an event of another shape than OpenAI's.") from error

    def finish(self) -> Chunk:
        """The last chunk, when the end has come."""
        if self._last.finish_reason is None:
            raise StreamInterrupted("The stream ended without saying why; the answer may not be whole.")
        self.done = True
        return self._last

    def _take(self, payload: Mapping[str, Any]) -> Chunk | None:
        piece = Chunk(self._last.request_id)
        for choice in payload.get("choices") or ():
            piece = _piece(piece.request_id, choice)
            if choice.get("finish_reason"):
                self._last = replace(
                    self._last,
                    finish_reason=cast(FinishReason, choice["finish_reason"]),
                    stop_reason=choice.get("stop_reason"),
                )
        if payload.get("usage"):
            self._last = replace(self._last, usage=usage_from(payload["usage"]))
        if payload.get("timings"):
            self._last = replace(self._last, timings=timings_from(payload["timings"]))
        return piece if piece != Chunk(piece.request_id) else None


def _piece(request_id: str, choice: Mapping[str, Any]) -> Chunk:
    delta = choice.get("delta") or {}
    return Chunk(
        request_id,
        delta.get("content") or choice.get("text") or "",
        logprobs=logprobs_from(choice.get("logprobs") or {}),
        reasoning=delta.get("reasoning_content") or "",
        calls=tuple(_call(call) for call in delta.get("tool_calls") or ()),
    )


def _call(body: Mapping[str, Any]) -> CallDelta:
    function, id_ = body.get("function") or {}, body.get("id")
    return CallDelta(
        int(body.get("index") or 0),
        function.get("arguments") or "",
        id_ and id_.removeprefix(CALL_PREFIX),
        function.get("name"),
    )


def logprobs_from(body: Mapping[str, Any]) -> tuple[TokenLogprob, ...]:
    """Of both endpoints' shapes."""
    if "content" in body:
        return tuple(
            TokenLogprob(_alternative(token), tuple(map(_alternative, token.get("top_logprobs") or ())))
            for token in body["content"] or ()
        )
    texts, tops = body.get("tokens") or (), body.get("top_logprobs") or ()
    chosen = zip(texts, body.get("token_logprobs") or (), strict=True)
    return tuple(
        TokenLogprob(_of_text(text, value), tuple(_of_text(*pair) for pair in (top or {}).items()))
        for (text, value), top in zip_longest(chosen, tops)
    )


def _alternative(body: Mapping[str, Any]) -> Alternative:
    piece = bytes(body["bytes"]) if body.get("bytes") is not None else str(body.get("token") or "").encode()
    return Alternative(int(body.get("id", NO_TOKEN)), piece, float(body.get("logprob") or 0.0))


def _of_text(text: str, logprob: float | None) -> Alternative:
    return Alternative(NO_TOKEN, text.encode(), float(logprob or 0.0))


def usage_from(body: Mapping[str, Any]) -> Usage:
    prompt, answer = body.get("prompt_tokens_details") or {}, body.get("completion_tokens_details") or {}
    accepted = int(answer.get("accepted_prediction_tokens") or 0)
    return Usage(
        prompt_tokens=int(body.get("prompt_tokens") or 0),
        completion_tokens=int(body.get("completion_tokens") or 0),
        cached_tokens=int(prompt.get("cached_tokens") or 0),
        truncated_tokens=int(prompt.get("truncated_tokens") or 0),
        drafted_tokens=accepted + int(answer.get("rejected_prediction_tokens") or 0),
        accepted_tokens=accepted,
        reasoning_tokens=int(answer.get("reasoning_tokens") or 0),
    )


def timings_from(body: Mapping[str, Any]) -> Timings:
    return Timings(**{name: float(body.get(name) or 0.0) for name in ("queue", "first_token", "total")})


def error_from(payload: Any) -> UmlError:
    """The error in `{"error": {…}}`; anything else of that kind gives a plain UmlError."""
    body = payload.get("error") if isinstance(payload, Mapping) else None
    return UmlError.from_dict(dict(body) if isinstance(body, Mapping) else {"message": str(body or "unknown error")})


def parse_event(data: str) -> dict[str, Any]:
    """The JSON object of an event. Raises StreamInterrupted: it holds none."""
    try:
        payload = json.loads(data)
    except (ValueError, RecursionError):
        payload = None
    if not isinstance(payload, dict):
        raise StreamInterrupted("The server sent an event that is not JSON; the answer may not be whole.")
    return payload
