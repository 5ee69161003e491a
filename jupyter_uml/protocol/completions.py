"""OpenAI's bodies: pydantic models of the requests, and pure functions from and to the native types.

A field is honoured or refused by name, never passed over in silence. Fields that only label a request (`user`,
`metadata`, …) are accepted, since they ask nothing of a model.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from jupyter_uml.protocol.body import ModelId, StrictBody
from jupyter_uml.protocol.logprobs import ChatLogprobs, LogprobWriter, TextLogprobs
from jupyter_uml.protocol.sampling import SamplingBody
from jupyter_uml.types import MAX_TOP_LOGPROBS, Chunk, GenerateRequest, Message, ModelStatus, Role, TokenLogprob, Usage

MAX_MESSAGES = 4096
MAX_PROMPT_TOKENS = 1 << 20


class TextPart(StrictBody):
    type: Literal["text"]
    text: str


class ChatMessage(StrictBody):
    role: Role
    content: str | Annotated[list[TextPart], Field(min_length=1, max_length=1024)]
    name: Annotated[str, Field(max_length=64)] | None = None
    # What the SDK puts into an answer's message, and people send back with it; only where it says nothing.
    refusal: None = None
    audio: None = None
    function_call: None = None
    tool_calls: None = None
    annotations: Annotated[list[Any], Field(max_length=0)] | None = None

    def to_native(self) -> Message:
        text = self.content if isinstance(self.content, str) else "".join(part.text for part in self.content)
        return Message(self.role, text, self.name)


class StreamOptions(StrictBody):
    include_usage: bool = False
    include_obfuscation: bool = False


class _CompletionBody(SamplingBody):
    """What chat and text completions share."""

    model: ModelId
    max_tokens: Annotated[int, Field(ge=1, le=1 << 24)] | None = None
    n: Annotated[int, Field(ge=1, le=1)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    user: str | None = None

    @property
    def wants_usage(self) -> bool:
        return self.stream_options is not None and self.stream_options.include_usage


class ChatCompletionRequest(_CompletionBody):
    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=MAX_MESSAGES)]
    max_completion_tokens: Annotated[int, Field(ge=1, le=1 << 24)] | None = None
    tool_choice: Literal["none"] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=MAX_TOP_LOGPROBS)] | None = None
    store: Literal[False] | None = None
    metadata: dict[str, str] | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None

    @field_validator("top_logprobs")
    @classmethod
    def _needs_logprobs(cls, value: int | None, info: ValidationInfo) -> int | None:
        if value is not None and not info.data.get("logprobs"):
            raise ValueError("needs logprobs to be true")
        return value

    def to_native(self, request_id: str, principal: str) -> GenerateRequest:
        logprobs = (self.top_logprobs or 0) if self.logprobs else None
        return GenerateRequest(
            id=request_id,
            model=self.model,
            messages=tuple(message.to_native() for message in self.messages),
            params=self.sampling(self.max_completion_tokens or self.max_tokens, logprobs),
            principal=principal,
            **self.handling(),
        )


class CompletionRequest(_CompletionBody):
    prompt: (
        Annotated[str, Field(min_length=1)]
        | Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1, max_length=MAX_PROMPT_TOKENS)]
        | Annotated[list[Annotated[str, Field(min_length=1)]], Field(min_length=1, max_length=1)]
    )
    logprobs: Annotated[int, Field(ge=0, le=MAX_TOP_LOGPROBS)] | None = None
    echo: Literal[False] | None = None
    best_of: Annotated[int, Field(ge=1, le=1)] | None = None

    def to_native(self, request_id: str, principal: str) -> GenerateRequest:
        prompt: str | tuple[int, ...]
        match self.prompt:
            case str():
                prompt = self.prompt
            case [str() as only]:
                prompt = only
            case tokens:
                prompt = tuple(int(token) for token in tokens)
        default = 16  # OpenAI's, for this endpoint alone
        params = self.sampling(self.max_tokens or default, self.logprobs)
        return GenerateRequest(
            request_id, self.model, prompt=prompt, params=params, principal=principal, **self.handling()
        )


# --- answers ---------------------------------------------------------------------------------


class ChatForm:
    """`chat.completion` and its chunks."""

    prefix, whole, part = "chatcmpl-", "chat.completion", "chat.completion.chunk"
    logprobs: type[LogprobWriter] = ChatLogprobs

    @staticmethod
    def first() -> dict[str, Any] | None:
        return {"delta": {"role": "assistant", "content": ""}}

    @staticmethod
    def delta(text: str) -> dict[str, Any]:
        return {"delta": {"content": text} if text else {}}

    @staticmethod
    def message(text: str) -> dict[str, Any]:
        return {"message": {"role": "assistant", "content": text, "refusal": None}}


class TextForm:
    """`text_completion`, whole and in chunks."""

    prefix, whole, part = "cmpl-", "text_completion", "text_completion"
    logprobs: type[LogprobWriter] = TextLogprobs

    @staticmethod
    def first() -> dict[str, Any] | None:
        return None

    @staticmethod
    def delta(text: str) -> dict[str, Any]:
        return {"text": text}

    @staticmethod
    def message(text: str) -> dict[str, Any]:
        return {"text": text}


Form = type[ChatForm] | type[TextForm]


class Answer:
    """The frame of one answer: what its chunks have in common."""

    def __init__(self, form: Form, request: GenerateRequest, created: int) -> None:
        self._form = form
        self._logprobs = form.logprobs()
        self._head = {"id": form.prefix + request.id, "created": created, "model": request.model}

    def whole(self, chunks: list[Chunk]) -> dict[str, Any]:
        last = chunks[-1]
        text = "".join(chunk.text for chunk in chunks)
        logprobs = tuple(token for chunk in chunks for token in chunk.logprobs)
        choice = self._choice(self._form.message(text), last, logprobs)
        return {**self._head, "object": self._form.whole, "choices": [choice], **_figures(last)}

    def opening(self) -> dict[str, Any] | None:
        first = self._form.first()
        return None if first is None else self._part([self._choice(first)])

    def piece(self, chunk: Chunk) -> dict[str, Any]:
        part = self._part([self._choice(self._form.delta(chunk.text), chunk, chunk.logprobs)])
        return {**part, "timings": _timings(chunk)} if chunk.timings else part

    def closing(self, last: Chunk) -> dict[str, Any]:
        """The chunk without choices that carries the usage, where `stream_options` asked for it."""
        return {**self._part([]), **_figures(last)}

    def _part(self, choices: list[dict[str, Any]]) -> dict[str, Any]:
        return {**self._head, "object": self._form.part, "choices": choices}

    def _choice(
        self, content: dict[str, Any], chunk: Chunk | None = None, tokens: tuple[TokenLogprob, ...] = ()
    ) -> dict[str, Any]:
        logprobs = self._logprobs.body(tokens) if tokens else None
        reason = chunk.finish_reason if chunk else None
        choice = {"index": 0, **content, "logprobs": logprobs, "finish_reason": reason}
        if chunk and chunk.stop_reason is not None:
            choice["stop_reason"] = chunk.stop_reason
        return choice


def usage_body(usage: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_tokens_details": {
            "cached_tokens": usage.cached_tokens,
            "truncated_tokens": usage.truncated_tokens,
        },
        "completion_tokens_details": {
            "accepted_prediction_tokens": usage.accepted_tokens,
            "rejected_prediction_tokens": usage.drafted_tokens - usage.accepted_tokens,
        },
    }


def models_body(statuses: list[ModelStatus], created: int) -> dict[str, Any]:
    """`GET v1/models`: everything that a request may name, since models load just in time."""
    rows = [{"id": s.id, "object": "model", "created": created, "owned_by": "jupyter_uml"} for s in statuses]
    return {"object": "list", "data": rows}


def _figures(last: Chunk) -> dict[str, Any]:
    return {"usage": usage_body(last.usage or Usage()), "timings": _timings(last)}


def _timings(chunk: Chunk) -> dict[str, float] | None:
    if chunk.timings is None:
        return None
    return {"queue": chunk.timings.queue, "first_token": chunk.timings.first_token, "total": chunk.timings.total}
