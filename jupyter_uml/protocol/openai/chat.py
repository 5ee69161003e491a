"""OpenAI's `v1/chat/completions`.

A field is honoured or refused by name, never passed over in silence. Fields that only label a request (`user`,
`metadata`, …) are accepted, since they ask nothing of a model.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from jupyter_uml.protocol.answers import answers, replies
from jupyter_uml.protocol.endpoint import DONE, Caller, Endpoint, Event, Verbs
from jupyter_uml.protocol.images import ImageReader
from jupyter_uml.protocol.openai.choices import delta_of, opening, piece, whole_choice
from jupyter_uml.protocol.openai.completion_body import CompletionBody, MaxTokens, several
from jupyter_uml.protocol.openai.frame import Frame, ending
from jupyter_uml.protocol.openai.messages import ChatMessage, conversation
from jupyter_uml.protocol.openai.reasoning import ReasoningBody
from jupyter_uml.protocol.openai.usage import together
from jupyter_uml.protocol.tools import ToolsBody
from jupyter_uml.types import MAX_TOP_LOGPROBS, GenerateRequest, Usage

MAX_MESSAGES = 4096
PREFIX = "chatcmpl-"
Label = Annotated[str, Field(max_length=512)]


class ChatCompletionBody(CompletionBody, ToolsBody, ReasoningBody):
    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=MAX_MESSAGES)]
    max_tokens: MaxTokens | None = None
    max_completion_tokens: MaxTokens | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=MAX_TOP_LOGPROBS)] | None = None
    # Labels, and what is so anyway.
    store: Literal[False] | None = None
    metadata: Annotated[dict[Annotated[str, Field(max_length=64)], Label], Field(max_length=16)] | None = None
    safety_identifier: Label | None = None
    prompt_cache_key: Label | None = None
    prompt_cache_retention: Literal["in_memory"] | None = None
    modalities: Annotated[list[Literal["text"]], Field(min_length=1, max_length=1)] | None = None
    verbosity: Literal["medium"] | None = None
    # Refused.
    audio: None = None
    function_call: None = None
    functions: None = None
    moderation: None = None
    prediction: None = None
    prompt_cache_options: None = None
    web_search_options: None = None

    @field_validator("top_logprobs")
    @classmethod
    def _needs_logprobs(cls, value: int | None, info: ValidationInfo) -> int | None:
        if value is not None and not info.data.get("logprobs"):
            raise ValueError("needs logprobs to be true")
        return value

    @field_validator("max_completion_tokens")
    @classmethod
    def _is_the_same(cls, value: int | None, info: ValidationInfo) -> int | None:
        if value is not None and info.data.get("max_tokens") not in (None, value):
            raise ValueError("max_tokens, its older name, says something else")
        return value

    def to_native(self, caller: Caller) -> list[GenerateRequest]:
        """A request for each choice.

        Raises:
            InvalidRequest: a tool, a choice of tools or an image is wrong.
        """
        request = GenerateRequest(
            id=caller.request_id,
            model=self.model,
            messages=conversation(self.messages, ImageReader(caller.images)),
            params=self.sampling(
                self.max_completion_tokens or self.max_tokens, (self.top_logprobs or 0) if self.logprobs else None
            ),
            **self.handling(caller),
            **self.tool_fields(),
            **self.reasoning(),
        )
        return several([request], self.n or 1)


class ChatCompletions(Endpoint[ChatCompletionBody]):
    path = "v1/chat/completions"
    summary = "Answer a conversation, with tools, structured output and reasoning (OpenAI's chat completions)."
    body = ChatCompletionBody

    def streams(self, body: ChatCompletionBody) -> bool:
        return bool(body.stream)

    async def whole(self, service: Verbs, body: ChatCompletionBody, caller: Caller) -> dict[str, Any]:
        frame = Frame(PREFIX, body, caller)
        made = await replies(service, body.to_native(caller))
        await frame.identify(service)
        choices = [whole_choice(index, reply, bool(body.logprobs)) for index, reply in enumerate(made)]
        return frame.whole("chat.completion", choices, together([reply.usage for reply in made]), made)

    async def events(self, service: Verbs, body: ChatCompletionBody, caller: Caller) -> AsyncGenerator[Event, None]:
        frame, kind = Frame(PREFIX, body, caller), "chat.completion.chunk"
        usages: list[Usage] = []
        begun: set[int] = set()
        async with aclosing(answers(service, body.to_native(caller))) as chunks:
            async for index, chunk in chunks:
                delta = delta_of(chunk)
                if not (delta or chunk.logprobs or chunk.finish_reason):
                    continue  # text is held back: whether it begins a tool call decides how the answer opens
                if not begun:
                    await frame.identify(service)
                if index not in begun:
                    begun.add(index)
                    yield frame.part(kind, [piece(index, opening(chunk))])
                if delta or chunk.logprobs:
                    yield frame.part(kind, [piece(index, delta, chunk.logprobs)])
                if chunk.finish_reason is not None:
                    usages.append(chunk.usage or Usage())
                    yield frame.part(kind, [piece(index, {}) | ending(chunk)], chunk.timings)
        if body.wants_usage:
            yield frame.closing(kind, together(usages))
        yield DONE
