"""Questions and their answers: whole, or as they come."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, overload

from jupyter_uml.client.arguments import Choice, Conversation, to_messages, to_request, to_tool_fields
from jupyter_uml.client.calls import share_docstrings
from jupyter_uml.client.models import AsyncModels, Models
from jupyter_uml.client.parsed import AsyncParsedStream, ParsedAnswer, ParsedStream, form_of
from jupyter_uml.client.stream import Answer, AsyncStream, Opened, Stream
from jupyter_uml.client.time_limit import checked_timeout, limited, time_limit
from jupyter_uml.types import GenerateRequest

if TYPE_CHECKING:
    from jupyter_uml.client.tools import Offer

T = TypeVar("T")


class AsyncAnswers(AsyncModels):
    """A part of the client."""

    @overload
    async def chat(self, messages: Conversation, *, schema: type[T], **options: Any) -> ParsedAnswer[T]: ...
    @overload
    async def chat(
        self,
        messages: Conversation,
        *,
        model: str | None = None,
        system: str | None = None,
        tools: Sequence[Offer] = (),
        tool_choice: Choice = "auto",
        schema: None = None,
        timeout: float | None = None,
        **options: Any,
    ) -> Answer: ...
    @overload
    async def chat(self, messages: Conversation, *, schema: Any, **options: Any) -> ParsedAnswer[Any]: ...
    async def chat(
        self,
        messages: Conversation,
        *,
        model: str | None = None,
        system: str | None = None,
        tools: Sequence[Offer] = (),
        tool_choice: Choice = "auto",
        schema: Any = None,
        timeout: float | None = None,
        **options: Any,
    ) -> Answer:
        """The answer to a question (a string) or a conversation (a list of messages).

        `tools`: Python functions, `Tool`s, or dicts as in OpenAI's API; the answer's `tool_calls` say which of them the
        model wants called with what, and `call_tools` does it. `tool_choice`: "auto", "none", "required", or the one
        that must be called. `schema`: what the answer must look like, a pydantic model or another type, or a JSON
        schema; the answer then has `parsed`, its value of that type.

        `timeout`: seconds until the answer must be whole; None: as the client's. `options` are the fields of
        `SamplingParams`, max_tokens, temperature, seed, stop and so on, and those of `GenerateRequest` such as
        reasoning_effort and priority. `keep_alive` among them says how long the model stays loaded after this, as in
        `load`.

        Raises:
            TimedOut: the time is up; the engine has been stopped.
            StreamInterrupted: the connection was lost in the middle.
            UmlError: it was refused, or failed.
        """
        asked: dict[str, Any] = {"tools": tools, "tool_choice": tool_choice, "schema": schema, "timeout": timeout}
        return await _whole(self.stream(messages, model=model, system=system, **asked, **options))

    @overload
    async def complete(self, prompt: str | Sequence[int], *, schema: type[T], **options: Any) -> ParsedAnswer[T]: ...
    @overload
    async def complete(
        self,
        prompt: str | Sequence[int],
        *,
        model: str | None = None,
        schema: None = None,
        timeout: float | None = None,
        **options: Any,
    ) -> Answer: ...
    @overload
    async def complete(self, prompt: str | Sequence[int], *, schema: Any, **options: Any) -> ParsedAnswer[Any]: ...
    async def complete(
        self,
        prompt: str | Sequence[int],
        *,
        model: str | None = None,
        schema: Any = None,
        timeout: float | None = None,
        **options: Any,
    ) -> Answer:
        """How the text goes on after `prompt` (or its tokens), without a chat template. `suffix`: what follows the gap
        that is to be filled, for models that can. The others: as for `chat`."""
        content = {
            "prompt": prompt if isinstance(prompt, str) else tuple(prompt),
            "suffix": options.pop("suffix", None),
        }
        return await _whole(self._asked(model, schema, timeout, options, content))

    @overload
    def stream(self, messages: Conversation, *, schema: type[T], **options: Any) -> AsyncParsedStream[T]: ...
    @overload
    def stream(
        self,
        messages: Conversation,
        *,
        model: str | None = None,
        system: str | None = None,
        tools: Sequence[Offer] = (),
        tool_choice: Choice = "auto",
        schema: None = None,
        timeout: float | None = None,
        **options: Any,
    ) -> AsyncStream: ...
    @overload
    def stream(self, messages: Conversation, *, schema: Any, **options: Any) -> AsyncParsedStream[Any]: ...
    def stream(
        self,
        messages: Conversation,
        *,
        model: str | None = None,
        system: str | None = None,
        tools: Sequence[Offer] = (),
        tool_choice: Choice = "auto",
        schema: Any = None,
        timeout: float | None = None,
        **options: Any,
    ) -> AsyncStream:
        """As `chat`, piece by piece. Use it in a `with` block: leaving that early stops the engine. `timeout` is for
        the whole of it, its reader's own time included; what had come by then is kept."""
        content = {"messages": to_messages(messages, system), **to_tool_fields(tools, tool_choice)}
        return self._asked(model, schema, timeout, options, content)

    def generate(self, request: GenerateRequest, *, timeout: float | None = None) -> AsyncStream:
        """The stream of a native request; an empty `model` stands for the default one. `timeout`: as for `stream`."""
        return AsyncStream(request, self._opener(timeout))

    def _asked(
        self, model: str | None, schema: Any, timeout: float | None, options: dict[str, Any], content: dict[str, Any]
    ) -> AsyncStream:
        form = form_of(schema)
        request = to_request(uuid.uuid4().hex, model or "", options, schema=form.schema if form else None, **content)
        if form is None:
            return self.generate(request, timeout=timeout)
        return AsyncParsedStream(request, self._opener(timeout), form)

    def _opener(self, timeout: float | None) -> partial[Any]:
        return partial(self._begin, checked_timeout(self.timeout if timeout is None else timeout))

    async def _begin(self, seconds: float | None, request: GenerateRequest) -> Opened:
        """The model that is asked, and its answer."""
        deadline = None if seconds is None else asyncio.get_running_loop().time() + seconds
        async with time_limit(seconds):
            transport = await self.transport()
            self._last_used = model = request.model or await self.default_model()
        chunks = transport.generate(replace(request, model=model))
        return Opened(model, chunks if deadline is None else limited(chunks, seconds, deadline), transport.stop)


class Answers(Models):
    """The same for synchronous code."""

    aio: AsyncAnswers

    @overload
    def chat(self, messages: Conversation, *, schema: type[T], **options: Any) -> ParsedAnswer[T]: ...
    @overload
    def chat(
        self,
        messages: Conversation,
        *,
        model: str | None = None,
        system: str | None = None,
        tools: Sequence[Offer] = (),
        tool_choice: Choice = "auto",
        schema: None = None,
        timeout: float | None = None,
        **options: Any,
    ) -> Answer: ...
    @overload
    def chat(self, messages: Conversation, *, schema: Any, **options: Any) -> ParsedAnswer[Any]: ...
    def chat(
        self,
        messages: Conversation,
        *,
        model: str | None = None,
        system: str | None = None,
        tools: Sequence[Offer] = (),
        tool_choice: Choice = "auto",
        schema: Any = None,
        timeout: float | None = None,
        **options: Any,
    ) -> Answer:
        asked: dict[str, Any] = {"tools": tools, "tool_choice": tool_choice, "schema": schema, "timeout": timeout}
        work = self.aio.chat(messages, model=model, system=system, **asked, **options)
        answer: Answer = self.background.run(work)
        return answer

    @overload
    def complete(self, prompt: str | Sequence[int], *, schema: type[T], **options: Any) -> ParsedAnswer[T]: ...
    @overload
    def complete(
        self,
        prompt: str | Sequence[int],
        *,
        model: str | None = None,
        schema: None = None,
        timeout: float | None = None,
        **options: Any,
    ) -> Answer: ...
    @overload
    def complete(self, prompt: str | Sequence[int], *, schema: Any, **options: Any) -> ParsedAnswer[Any]: ...
    def complete(
        self,
        prompt: str | Sequence[int],
        *,
        model: str | None = None,
        schema: Any = None,
        timeout: float | None = None,
        **options: Any,
    ) -> Answer:
        asked: dict[str, Any] = {"model": model, "schema": schema, "timeout": timeout}
        answer: Answer = self.background.run(self.aio.complete(prompt, **asked, **options))
        return answer

    @overload
    def stream(self, messages: Conversation, *, schema: type[T], **options: Any) -> ParsedStream[T]: ...
    @overload
    def stream(
        self,
        messages: Conversation,
        *,
        model: str | None = None,
        system: str | None = None,
        tools: Sequence[Offer] = (),
        tool_choice: Choice = "auto",
        schema: None = None,
        timeout: float | None = None,
        **options: Any,
    ) -> Stream: ...
    @overload
    def stream(self, messages: Conversation, *, schema: Any, **options: Any) -> ParsedStream[Any]: ...
    def stream(
        self,
        messages: Conversation,
        *,
        model: str | None = None,
        system: str | None = None,
        tools: Sequence[Offer] = (),
        tool_choice: Choice = "auto",
        schema: Any = None,
        timeout: float | None = None,
        **options: Any,
    ) -> Stream:
        asked: dict[str, Any] = {"tools": tools, "tool_choice": tool_choice, "schema": schema, "timeout": timeout}
        stream = self.aio.stream(messages, model=model, system=system, **asked, **options)
        kind = ParsedStream if isinstance(stream, AsyncParsedStream) else Stream
        return kind(self.background, stream)

    def generate(self, request: GenerateRequest, *, timeout: float | None = None) -> Stream:
        return Stream(self.background, self.aio.generate(request, timeout=timeout))


async def _whole(stream: AsyncStream) -> Answer:
    async with stream:
        async for _ in stream:
            pass
    return stream.answer


share_docstrings(Answers, AsyncAnswers)
