"""Our own `inline_completion`: what could stand at the cursor of somebody who writes code, while they write."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from dataclasses import asdict
from typing import Annotated, Any

from pydantic import Field

from jupyter_uml.errors import InvalidRequest, NoModelLoaded, PermissionDenied
from jupyter_uml.protocol.body import KeepAlive, StrictBody
from jupyter_uml.protocol.endpoint import DONE, Caller, Endpoint, Event, Verbs
from jupyter_uml.protocol.native.suggestion import Suggestion
from jupyter_uml.types import IMAGE_MARK, FinishReason, Gap, GenerateRequest, SamplingParams, Usage

MAX_TEXT = 1 << 17  # characters before the cursor, and after it
MAX_TOKENS = 256
DEFAULT_TOKENS = 64

Text = Annotated[str, Field(max_length=MAX_TEXT)]


class InlineCompletionBody(StrictBody):
    """`prefix` and `suffix`: what stands before and after the cursor. What does not fit into the model's context is
    left out far from it. Without `model` the loaded one that was used last is asked, and none is loaded."""

    prefix: Text
    suffix: Text = ""
    language: Annotated[str, Field(max_length=40, pattern=r"^[\w.+#-]*$")] = ""
    model: Annotated[str, Field(max_length=256)] = ""
    max_tokens: Annotated[int, Field(ge=1, le=MAX_TOKENS)] = DEFAULT_TOKENS
    stream: bool | None = None
    keep_alive: KeepAlive | None = None

    def to_native(self, model: str, suggestion: Suggestion, caller: Caller) -> GenerateRequest:
        """Ahead of all batch requests, and without reasoning, for which nobody who writes waits."""
        return GenerateRequest(
            caller.request_id,
            model,
            gap=Gap(_plain(suggestion.prefix), _plain(self.suffix), self.language),
            params=SamplingParams(max_tokens=self.max_tokens, temperature=0.0, stop=suggestion.ends),
            principal=caller.principal,
            reasoning_effort="none",
            hold=caller.holding(self.keep_alive),
        )


class InlineCompletion(Endpoint[InlineCompletionBody]):
    path = "inline_completion"
    summary = "What could stand at a cursor: the gap between two texts is filled, or the first one gone on with."
    body = InlineCompletionBody

    def streams(self, body: InlineCompletionBody) -> bool:
        return bool(body.stream)

    async def whole(self, service: Verbs, body: InlineCompletionBody, caller: Caller) -> dict[str, Any]:
        answer: dict[str, Any] = {}
        texts: list[str] = []
        async with aclosing(_parts(service, body, caller)) as parts:
            async for part in parts:
                texts.append(part.pop("text"))
                answer = part
        return {"text": "".join(texts), **answer}

    async def events(self, service: Verbs, body: InlineCompletionBody, caller: Caller) -> AsyncGenerator[Event, None]:
        async with aclosing(_parts(service, body, caller)) as parts:
            async for part in parts:
                yield Event(part)
        yield DONE


async def _parts(service: Verbs, body: InlineCompletionBody, caller: Caller) -> AsyncGenerator[dict[str, Any], None]:
    """Pieces of the text; the last part also says what made it, and why it ended."""
    if not body.prefix.strip() and not body.suffix.strip():
        raise InvalidRequest("There is no text to go on with.", param="prefix")
    model = body.model or await _loaded(service)
    suggestion, reason, usage = Suggestion(body.prefix, body.suffix), None, None
    async with aclosing(service.generate(body.to_native(model, suggestion, caller))) as chunks:
        async for chunk in chunks:
            reason, usage = chunk.finish_reason, chunk.usage
            if text := suggestion.add(chunk.text):
                yield {"text": text}
            if suggestion.over:
                break
    yield await _end(service, model, suggestion, reason, usage)


async def _end(
    service: Verbs, model: str, suggestion: Suggestion, reason: FinishReason | None, usage: Usage | None
) -> dict[str, Any]:
    """`usage` is not known of an answer that was broken off, since it said enough."""
    status = await service.model(model)
    return {
        "text": suggestion.finish(),
        "model": status.id,
        "fill_in_the_middle": status.info is not None and status.info.can_infill,
        "finish_reason": reason or "stop",
        "usage": asdict(usage) if usage else None,
    }


async def _loaded(service: Verbs) -> str:
    """The loaded model that was used last, of those that may be used and can write.

    Raises:
        NoModelLoaded
    """
    for row in service.origin.loader.latest():
        if row.info is not None and row.info.pooling is None:
            with suppress(PermissionDenied):
                return (await service.model(row.id)).id
    raise NoModelLoaded("No model is loaded. Load one, or name it in `model`.", param="model")


def _plain(text: str) -> str:
    return text.replace(IMAGE_MARK, "")
