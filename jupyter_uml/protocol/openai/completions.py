"""OpenAI's `v1/completions`: how a text goes on, without a chat template."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Annotated, Any, Self

from pydantic import Discriminator, Field, Tag, ValidationInfo, field_validator, model_validator

from jupyter_uml.protocol.answers import answers, replies
from jupyter_uml.protocol.endpoint import DONE, Caller, Endpoint, Event, Verbs
from jupyter_uml.protocol.openai.completion_body import CompletionBody, Count, several
from jupyter_uml.protocol.openai.echo import Echo, EchoReader, Prompt
from jupyter_uml.protocol.openai.frame import Frame
from jupyter_uml.protocol.openai.text_choices import ChoiceWriter, best, ended, unanswered, whole_choice
from jupyter_uml.protocol.openai.usage import together, total
from jupyter_uml.types import MAX_TOP_LOGPROBS, Chunk, GenerateRequest, PromptRequest, Usage

MAX_PROMPT_TOKENS = 1 << 20
MAX_PROMPTS = 64
MAX_CHOICES = 128
DEFAULT_MAX_TOKENS = 16  # OpenAI's, for this endpoint alone
NO_LIMIT = -1  # but the model's profile's, or the end of the context
PREFIX, KIND = "cmpl-", "text_completion"

Token = Annotated[int, Field(ge=0, lt=1 << 31)]
Tokens = Annotated[list[Token], Field(min_length=1, max_length=MAX_PROMPT_TOKENS, fail_fast=True)]


def _kind(prompt: Any) -> str:
    """Which of the four kinds of prompts it is, or is meant to be."""
    if not isinstance(prompt, list):
        return "text"
    match prompt[:1]:
        case [list()]:
            return "lists"
        case [str()]:
            return "texts"
    return "tokens"


Prompts = Annotated[
    Annotated[str, Tag("text")]
    | Annotated[list[str], Field(min_length=1, max_length=MAX_PROMPTS, fail_fast=True), Tag("texts")]
    | Annotated[Tokens, Tag("tokens")]
    | Annotated[list[Tokens], Field(min_length=1, max_length=MAX_PROMPTS, fail_fast=True), Tag("lists")],
    Discriminator(_kind),
]


class TextCompletionBody(CompletionBody):
    prompt: Prompts
    suffix: str | None = None
    echo: bool | None = None
    max_tokens: Annotated[int, Field(ge=NO_LIMIT, le=1 << 24)] | None = None
    logprobs: Annotated[int, Field(ge=0, le=MAX_TOP_LOGPROBS)] | None = None
    best_of: Count | None = None

    @field_validator("max_tokens")
    @classmethod
    def _says_something(cls, value: int | None, info: ValidationInfo) -> int | None:
        if value == 0 and not info.data.get("echo"):
            raise ValueError("must be 1 or more, or 0 with echo")
        return value

    @field_validator("best_of")
    @classmethod
    def _chooses(cls, value: int | None, info: ValidationInfo) -> int | None:
        if value is not None and value < (info.data.get("n") or 1):
            raise ValueError("must be n or more")
        if value is not None and info.data.get("stream"):
            raise ValueError("the best of several answers cannot be streamed")
        return value

    @model_validator(mode="after")
    def _is_bounded(self) -> Self:
        if len(self.prompts()) * self.tries > MAX_CHOICES:
            raise ValueError(f"prompt: at most {MAX_CHOICES} answers can be asked for at once")
        return self

    @property
    def tries(self) -> int:
        """Answers to be made to each prompt, of which `n` are given."""
        return max(self.n or 1, self.best_of or 1)

    @property
    def only_echoes(self) -> bool:
        return self.max_tokens == 0

    def prompts(self) -> list[Prompt]:
        match self.prompt:
            case str():
                return [self.prompt]
            case [int(), *_] as tokens:
                return [tuple(int(token) for token in tokens if isinstance(token, int))]
        return [each if isinstance(each, str) else tuple(each) for each in self.prompt if not isinstance(each, int)]

    @property
    def _limit(self) -> int | None:
        if self.max_tokens is None:
            return DEFAULT_MAX_TOKENS
        return None if self.max_tokens == NO_LIMIT else self.max_tokens

    @property
    def _given(self) -> frozenset[str]:
        return super()._given - ({"max_tokens"} if self.max_tokens == NO_LIMIT else set())

    def to_native(self, caller: Caller) -> list[GenerateRequest]:
        """The requests of each prompt, `tries` of them, in order."""
        params = self.sampling(self._limit, self.logprobs)
        if self.tries > (self.n or 1) and params.logprobs is None:
            params = replace(params, logprobs=0)  # to tell which are best
        plain = GenerateRequest(
            caller.request_id,
            self.model,
            prompt="",
            params=params,
            suffix=self.suffix,
            **self.handling(caller),
        )
        return several((replace(plain, prompt=prompt) for prompt in self.prompts()), self.tries)


class TextCompletions(Endpoint[TextCompletionBody]):
    path = "v1/completions"
    summary = "Go on with a text, or fill in its middle (OpenAI's completions)."
    body = TextCompletionBody

    def streams(self, body: TextCompletionBody) -> bool:
        return bool(body.stream)

    async def whole(self, service: Verbs, body: TextCompletionBody, caller: Caller) -> dict[str, Any]:
        frame = Frame(PREFIX, body, caller)
        echoes = await _echoes(service, body, caller)
        made = unanswered(echoes, body.tries) if body.only_echoes else await replies(service, body.to_native(caller))
        await frame.identify(service)
        groups = [made[start : start + body.tries] for start in range(0, len(made), body.tries)]
        kept = [(echo, reply) for echo, group in zip(echoes, groups, strict=True) for reply in best(group, body.n or 1)]
        wanted = body.logprobs is not None
        choices = [whole_choice(index, echo, reply, wanted) for index, (echo, reply) in enumerate(kept)]
        usage = total([together([reply.usage for reply in group]) for group in groups])
        return frame.whole(KIND, choices, usage, made)

    async def events(self, service: Verbs, body: TextCompletionBody, caller: Caller) -> AsyncGenerator[Event, None]:
        frame = Frame(PREFIX, body, caller)
        echoes = [echo for echo in await _echoes(service, body, caller) for _ in range(body.tries)]
        writers = [ChoiceWriter(index, echo) for index, echo in enumerate(echoes)]
        usages = [Usage()] * len(writers)
        async with aclosing(_chunks(service, body, caller, echoes)) as chunks:
            async for index, chunk in chunks:
                if not any(writer.begun for writer in writers):
                    await frame.identify(service)
                for choice in writers[index].choices(chunk):
                    yield frame.part(KIND, [choice], chunk.timings if choice["finish_reason"] else None)
                usages[index] = chunk.usage or usages[index]
        if body.wants_usage:
            groups = [usages[start : start + body.tries] for start in range(0, len(usages), body.tries)]
            yield frame.closing(KIND, total([together(group) for group in groups]))
        yield DONE


async def _chunks(
    service: Verbs, body: TextCompletionBody, caller: Caller, echoes: Sequence[Echo | None]
) -> AsyncGenerator[tuple[int, Chunk], None]:
    if body.only_echoes:
        for index, echo in enumerate(echoes):
            yield index, ended(echo)
        return
    requests = body.to_native(caller)
    await _check(service, requests[:: body.tries])
    async with aclosing(answers(service, requests)) as chunks:
        async for item in chunks:
            yield item


async def _check(service: Verbs, requests: Sequence[GenerateRequest]) -> None:
    """Of several prompts, a bad one is found before the answer to another begins a stream.

    Raises:
        UmlError: a prompt cannot be answered.
    """
    for request in requests if len(requests) > 1 else ():
        await service.compute(PromptRequest(request.id, request.model, request, hold=request.hold))


async def _echoes(service: Verbs, body: TextCompletionBody, caller: Caller) -> Sequence[Echo | None]:
    if not body.echo:
        return [None] * len(body.prompts())
    reader = EchoReader(service, body.model, caller.request_id, caller.holding(body.keep_alive))
    return [await reader.read(prompt, body.logprobs) for prompt in body.prompts()]
