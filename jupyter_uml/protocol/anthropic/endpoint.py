"""Anthropic's endpoints: messages, and how many tokens they are."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from jupyter_uml.errors import UmlError
from jupyter_uml.protocol.anthropic.answer import Answer
from jupyter_uml.protocol.anthropic.body import MessagesBody, PromptBody
from jupyter_uml.protocol.anthropic.errors import error_body
from jupyter_uml.protocol.endpoint import B, Caller, Endpoint, Event, Verbs
from jupyter_uml.protocol.images import ImageReader
from jupyter_uml.types import PromptRequest, RenderedPrompt


class _AnthropicEndpoint(Endpoint[B]):
    def error_body(self, error: UmlError, request_id: str) -> dict[str, Any]:
        return error_body(error, request_id)

    def error_event(self, error: UmlError, request_id: str) -> Event:
        return Event(error_body(error, request_id), "error")


class Messages(_AnthropicEndpoint[MessagesBody]):
    path = "v1/messages"
    summary = "Anthropic's messages: text, images, tools and thinking, whole or streamed"
    body = MessagesBody

    def streams(self, body: MessagesBody) -> bool:
        return bool(body.stream)

    async def whole(self, service: Verbs, body: MessagesBody, caller: Caller) -> dict[str, Any]:
        request = body.to_native(caller, ImageReader(caller.images))
        answer = Answer(request, body.shows_thinking)
        async with aclosing(service.generate(request)) as chunks:
            async for chunk in chunks:
                answer.add(chunk)
        return answer.whole()

    async def events(self, service: Verbs, body: MessagesBody, caller: Caller) -> AsyncGenerator[Event, None]:
        request = body.to_native(caller, ImageReader(caller.images))
        answer = Answer(request, body.shows_thinking)
        opening: dict[str, Any] | None = answer.opening()
        async with aclosing(service.generate(request)) as chunks:
            async for chunk in chunks:
                if opening:  # not before the first chunk: errors of the prompt have a status
                    yield _event(opening)
                    opening = None
                for data in answer.push(chunk):
                    yield _event(data)
        for data in answer.closing():
            yield _event(data)


class CountTokens(_AnthropicEndpoint[PromptBody]):
    path = "v1/messages/count_tokens"
    summary = "How many tokens the prompt of such messages has"
    body = PromptBody

    async def whole(self, service: Verbs, body: PromptBody, caller: Caller) -> dict[str, Any]:
        request = body.to_native(caller, ImageReader(caller.images))
        prompt = await service.compute(PromptRequest(request.id, request.model, request, hold=request.hold))
        assert isinstance(prompt, RenderedPrompt)
        return {"input_tokens": len(prompt.tokens)}


def _event(data: dict[str, Any]) -> Event:
    return Event(data, data["type"])
