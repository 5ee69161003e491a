"""OpenAI's bodies: pydantic models of the requests, and pure functions from and to the native types.

A field is honoured or refused by name, never passed over in silence. Fields that only label a request (`user`,
`metadata`, …) are accepted, since they ask nothing of a model.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from jupyter_uml.server.native_types import ModelId, StrictBody
from jupyter_uml.types import (
    MAX_STOP_STRINGS,
    Chunk,
    GenerateRequest,
    Message,
    ModelStatus,
    Role,
    SamplingParams,
    Usage,
)

MAX_MESSAGES = 4096
MAX_PROMPT_TOKENS = 1 << 20
_Finite = {"allow_inf_nan": False}
StopString = Annotated[str, Field(min_length=1, max_length=1024)]


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


class ResponseFormat(StrictBody):
    type: Literal["text"]


class _SamplingBody(StrictBody):
    """What chat and text completions share."""

    model: ModelId
    max_tokens: Annotated[int, Field(ge=1, le=1 << 24)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2, **_Finite)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1, **_Finite)] | None = None
    top_k: Annotated[int, Field(ge=0, le=1 << 20)] | None = None
    min_p: Annotated[float, Field(ge=0, le=1, **_Finite)] | None = None
    seed: Annotated[int, Field(ge=-(1 << 63), lt=1 << 63)] | None = None
    presence_penalty: Annotated[float, Field(ge=-2, le=2, **_Finite)] | None = None
    frequency_penalty: Annotated[float, Field(ge=-2, le=2, **_Finite)] | None = None
    repeat_penalty: Annotated[float, Field(gt=0, le=2, **_Finite)] | None = None
    stop: StopString | Annotated[list[StopString], Field(max_length=MAX_STOP_STRINGS)] | None = None
    n: Annotated[int, Field(ge=1, le=1)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    user: str | None = None

    @field_validator("*", mode="before")
    @classmethod
    def _whole_numbers(cls, value: Any) -> Any:
        # 1 is a number to every JSON writer; strict pydantic wants 1.0 for a float and refuses 1.0 for an int.
        return int(value) if isinstance(value, float) and value.is_integer() else value

    def sampling(self, max_tokens: int | None) -> SamplingParams:
        stop = (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())
        return SamplingParams(
            max_tokens=max_tokens,
            temperature=self.temperature,
            top_k=self.top_k,
            top_p=self.top_p,
            min_p=self.min_p,
            seed=self.seed,
            presence_penalty=self.presence_penalty or 0.0,
            frequency_penalty=self.frequency_penalty or 0.0,
            repeat_penalty=self.repeat_penalty if self.repeat_penalty is not None else 1.0,
            stop=stop,
        )

    @property
    def wants_usage(self) -> bool:
        return self.stream_options is not None and self.stream_options.include_usage


class ChatCompletionRequest(_SamplingBody):
    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=MAX_MESSAGES)]
    max_completion_tokens: Annotated[int, Field(ge=1, le=1 << 24)] | None = None
    response_format: ResponseFormat | None = None
    tool_choice: Literal["none"] | None = None
    logprobs: Literal[False] | None = None
    store: Literal[False] | None = None
    metadata: dict[str, str] | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None

    def to_native(self, request_id: str, principal: str) -> GenerateRequest:
        return GenerateRequest(
            id=request_id,
            model=self.model,
            messages=tuple(message.to_native() for message in self.messages),
            params=self.sampling(self.max_completion_tokens or self.max_tokens),
            principal=principal,
        )


class CompletionRequest(_SamplingBody):
    prompt: (
        Annotated[str, Field(min_length=1)]
        | Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1, max_length=MAX_PROMPT_TOKENS)]
        | Annotated[list[Annotated[str, Field(min_length=1)]], Field(min_length=1, max_length=1)]
    )
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
        params = self.sampling(self.max_tokens or default)
        return GenerateRequest(request_id, self.model, prompt=prompt, params=params, principal=principal)


# --- answers ---------------------------------------------------------------------------------


class ChatForm:
    """`chat.completion` and its chunks."""

    prefix, whole, part = "chatcmpl-", "chat.completion", "chat.completion.chunk"

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
        self._head = {"id": form.prefix + request.id, "created": created, "model": request.model}

    def whole(self, chunks: list[Chunk]) -> dict[str, Any]:
        last = chunks[-1]
        text = "".join(chunk.text for chunk in chunks)
        choice = self._choice(self._form.message(text), last)
        return {**self._head, "object": self._form.whole, "choices": [choice], **_figures(last)}

    def opening(self) -> dict[str, Any] | None:
        first = self._form.first()
        return None if first is None else self._part([self._choice(first)])

    def piece(self, chunk: Chunk) -> dict[str, Any]:
        part = self._part([self._choice(self._form.delta(chunk.text), chunk)])
        return {**part, "timings": _timings(chunk)} if chunk.timings else part

    def closing(self, last: Chunk) -> dict[str, Any]:
        """The chunk without choices that carries the usage, where `stream_options` asked for it."""
        return {**self._part([]), **_figures(last)}

    def _part(self, choices: list[dict[str, Any]]) -> dict[str, Any]:
        return {**self._head, "object": self._form.part, "choices": choices}

    @staticmethod
    def _choice(content: dict[str, Any], chunk: Chunk | None = None) -> dict[str, Any]:
        choice = {"index": 0, **content, "logprobs": None, "finish_reason": chunk.finish_reason if chunk else None}
        if chunk and chunk.stop_reason is not None:
            choice["stop_reason"] = chunk.stop_reason
        return choice


def usage_body(usage: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
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
