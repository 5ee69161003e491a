"""OpenAI's protocol without a server: the `openai` client's HTTP requests, answered in this process.

It is an httpx transport under the SDK, so that code written against the server also runs where there is none (a
script, VS Code). It knows chat completions, completions and the list of models, with text in and text out.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields
from typing import Any

import httpx2

from jupyter_uml.client.arguments import to_messages, to_params
from jupyter_uml.client.client import UniversalClient
from jupyter_uml.client.stream import Stream
from jupyter_uml.errors import InvalidRequest, ModelNotFound, RouteNotFound, UmlError
from jupyter_uml.types import Chunk, GenerateRequest, SamplingParams

BASE_URL = "http://in-process.invalid/v1"  # never resolved: `.invalid` is reserved for that

_SAMPLING = {field.name for field in fields(SamplingParams)}
_KNOWN = _SAMPLING | set("model messages prompt stream stream_options max_completion_tokens user metadata".split())


def local_http_client(client: UniversalClient) -> httpx2.Client:
    return httpx2.Client(transport=LocalOpenAI(client))


class LocalOpenAI(httpx2.BaseTransport):
    """Closing it closes the client."""

    def __init__(self, client: UniversalClient) -> None:
        self._client = client

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        try:
            return self._answer(request.url.path.removeprefix("/v1/"), request.read())
        except UmlError as error:
            status = 404 if isinstance(error, ModelNotFound | RouteNotFound) else 400
            status = status if error.kind == "invalid_request_error" else 500
            return httpx2.Response(status, json={"error": error.to_dict()})

    def close(self) -> None:
        self._client.close()

    def _answer(self, path: str, content: bytes) -> httpx2.Response:
        match path:
            case "models":
                return httpx2.Response(200, json=_models_body([row.id for row in self._client.models()]))
            case "chat/completions" | "completions":
                body = json.loads(content)
                frame = _Frame(chat=path.startswith("chat"), request=to_request(body))
                return self._complete(frame, body)
            case _:
                raise RouteNotFound("Without a server there are chat completions, completions and models only.")

    def _complete(self, frame: _Frame, body: Mapping[str, Any]) -> httpx2.Response:
        stream = self._client.generate(frame.request)
        if body.get("stream"):
            wants_usage = bool((body.get("stream_options") or {}).get("include_usage"))
            events = _Events(stream, frame.events(stream, wants_usage))
            return httpx2.Response(200, headers={"Content-Type": "text/event-stream"}, stream=events)
        with stream:
            *_, last = stream
        return httpx2.Response(200, json=frame.whole(stream.text, last))


def to_request(body: Mapping[str, Any]) -> GenerateRequest:
    """The native request of an OpenAI body.

    Raises:
        InvalidRequest: a field is wrong, or not known here; it is never passed over in silence.
    """
    for name, value in body.items():
        if name not in _KNOWN and not (name == "n" and value == 1):
            raise InvalidRequest(f"{name}: this field is not supported without a server. Leave it out.", param=name)
    sampling = {name: body[name] for name in _SAMPLING if name in body}
    if body.get("max_completion_tokens") is not None:
        sampling["max_tokens"] = body["max_completion_tokens"]
    messages = to_messages(body["messages"]) if "messages" in body else ()
    prompt = None if messages else body.get("prompt", "")
    prompt = tuple(prompt) if isinstance(prompt, list) else prompt
    return GenerateRequest(
        str(time.monotonic_ns()), str(body.get("model") or ""), messages, prompt, to_params(sampling)
    )


class _Frame:
    """What the chunks of one answer have in common."""

    def __init__(self, chat: bool, request: GenerateRequest) -> None:
        self.request = request
        self._chat = chat
        self._head = {"id": request.id, "created": int(time.time()), "model": request.model}

    def whole(self, text: str, last: Chunk) -> dict[str, Any]:
        content = {"message": {"role": "assistant", "content": text}} if self._chat else {"text": text}
        kind = "chat.completion" if self._chat else "text_completion"
        return {**self._head, "object": kind, "choices": [self._choice(content, last)], **_usage(last)}

    def events(self, stream: Stream, wants_usage: bool) -> Iterator[bytes]:
        try:
            for chunk in stream:
                delta = {"delta": {"role": "assistant", "content": chunk.text}} if self._chat else {"text": chunk.text}
                yield _event(self._part([self._choice(delta, chunk)]))
                if chunk.finish_reason and wants_usage:
                    yield _event({**self._part([]), **_usage(chunk)})
            yield b"data: [DONE]\n\n"
        except UmlError as error:
            yield b"event: error\n" + _event({"error": error.to_dict()})

    def _part(self, choices: list[dict[str, Any]]) -> dict[str, Any]:
        kind = "chat.completion.chunk" if self._chat else "text_completion"
        return {**self._head, "object": kind, "choices": choices}

    @staticmethod
    def _choice(content: dict[str, Any], chunk: Chunk) -> dict[str, Any]:
        return {"index": 0, **content, "logprobs": None, "finish_reason": chunk.finish_reason}


class _Events(httpx2.SyncByteStream):
    """Server-sent events; closing them stops the engine."""

    def __init__(self, stream: Stream, events: Iterator[bytes]) -> None:
        self._stream, self._events = stream, events

    def __iter__(self) -> Iterator[bytes]:
        return self._events

    def close(self) -> None:
        self._stream.close()


def _models_body(ids: list[str]) -> dict[str, Any]:
    rows = [{"id": model, "object": "model", "created": 0, "owned_by": "jupyter_uml"} for model in ids]
    return {"object": "list", "data": rows}


def _usage(last: Chunk) -> dict[str, Any]:
    if last.usage is None:
        return {}
    fields = asdict(last.usage)
    cached = fields.pop("cached_tokens")
    details = {"prompt_tokens_details": {"cached_tokens": cached}}
    return {"usage": {**fields, "total_tokens": last.usage.total_tokens, **details}}


def _event(body: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(body).encode() + b"\n\n"
