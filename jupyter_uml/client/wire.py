"""OpenAI's wire format, from the client's side: native request → body, stream events → `Chunk`s. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any, cast

from jupyter_uml.errors import StreamInterrupted, UmlError
from jupyter_uml.types import Chunk, FinishReason, GenerateRequest, SamplingParams, Timings, Usage

_DEFAULTS = asdict(SamplingParams())
_NO_LIMIT = 1 << 24  # of tokens: without a number OpenAI's completions end after 16, and natively at the context's end


def request_path(request: GenerateRequest) -> str:
    return "v1/completions" if request.prompt is not None else "v1/chat/completions"


def request_body(request: GenerateRequest) -> dict[str, Any]:
    """The JSON body that asks for `request` as a stream; parameters left at their default stay out."""
    body: dict[str, Any] = {"model": request.model, "stream": True, "stream_options": {"include_usage": True}}
    if request.prompt is not None:
        body["prompt"] = request.prompt if isinstance(request.prompt, str) else list(request.prompt)
        body["max_tokens"] = _NO_LIMIT
    else:
        body["messages"] = [_without_none(asdict(message)) for message in request.messages]
    given = {k: v for k, v in asdict(request.params).items() if v != _DEFAULTS[k]}
    return body | given


def _without_none(fields: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in fields.items() if v is not None}


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
        if data.strip() == "[DONE]":
            return self._finish()
        payload = _parse(data)
        if event == "error" or "error" in payload:
            raise error_from(payload)
        return self._take(payload)

    def _finish(self) -> Chunk:
        if self._last.finish_reason is None:
            raise StreamInterrupted("The stream ended without saying why; the answer may not be whole.")
        self.done = True
        return self._last

    def _take(self, payload: Mapping[str, Any]) -> Chunk | None:
        text = ""
        for choice in payload.get("choices") or ():
            text += (choice.get("delta") or {}).get("content") or choice.get("text") or ""
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
        return Chunk(self._last.request_id, text) if text else None


def usage_from(body: Mapping[str, Any]) -> Usage:
    details = body.get("prompt_tokens_details") or {}
    return Usage(
        prompt_tokens=int(body.get("prompt_tokens") or 0),
        completion_tokens=int(body.get("completion_tokens") or 0),
        cached_tokens=int(details.get("cached_tokens") or 0),
    )


def timings_from(body: Mapping[str, Any]) -> Timings:
    return Timings(**{name: float(body.get(name) or 0.0) for name in ("queue", "first_token", "total")})


def error_from(payload: Any) -> UmlError:
    """The error in `{"error": {…}}`; anything else of that kind gives a plain UmlError."""
    body = payload.get("error") if isinstance(payload, Mapping) else None
    return UmlError.from_dict(dict(body) if isinstance(body, Mapping) else {"message": str(body or "unknown error")})


def _parse(data: str) -> dict[str, Any]:
    try:
        payload = json.loads(data)
    except ValueError:
        payload = None
    if not isinstance(payload, dict):
        raise StreamInterrupted("The server sent an event that is not JSON; the answer may not be whole.")
    return payload
