"""Answers: as they stream in, and whole."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import NamedTuple, Self

from jupyter_uml.client.loop_thread import LoopThread
from jupyter_uml.errors import TimedOut, UmlError
from jupyter_uml.generations import WrittenAnswer
from jupyter_uml.types import (
    Chunk,
    FinishReason,
    GenerateRequest,
    Message,
    Timings,
    TokenLogprob,
    ToolCall,
    Usage,
)


class Opened(NamedTuple):
    """An answer that is asked for. `stop`: ends the one of an id, where it is kept."""

    model: str
    chunks: AsyncGenerator[Chunk, None]
    stop: Callable[[str], Awaitable[object]]


Opener = Callable[[GenerateRequest], Awaitable[Opened]]  # chooses the model and begins the answer


@dataclass(frozen=True, slots=True)
class Answer:
    """`finish_reason` is "stop" (the model was done), "tool_calls" (it waits for results), "length" (cut) or "aborted";
    `timings` are seconds. `message` is the answer as a turn of the conversation, to be sent with the next question."""

    text: str
    model: str
    finish_reason: FinishReason
    stop_reason: str | int | None = None
    usage: Usage | None = None
    timings: Timings | None = None
    reasoning: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    logprobs: tuple[TokenLogprob, ...] = ()  # of every token, where `logprobs` asked for them

    def __str__(self) -> str:
        return self.text

    @property
    def message(self) -> Message:
        return Message("assistant", self.text, tool_calls=self.tool_calls, reasoning=self.reasoning or None)

    @property
    def tokens_per_second(self) -> float | None:
        if self.usage is None or self.timings is None:
            return None
        return self.timings.tokens_per_second(self.usage.completion_tokens)


class _Parts(WrittenAnswer):
    """What has come of an answer."""

    def __init__(self) -> None:
        super().__init__()
        self._logprobs: list[TokenLogprob] = []

    def add(self, chunk: Chunk) -> None:
        super().add(chunk)
        self._logprobs.extend(chunk.logprobs)

    def whole(self, model: str) -> Answer:
        return Answer(
            self.text,
            model,
            self.finish_reason,
            self.stop_reason,
            self.usage,
            self.timings,
            self.reasoning,
            self.tool_calls,
            tuple(self._logprobs),
        )


class AsyncStream:
    """One answer on its way: an async iterable of chunks, and an async context manager that stops the engine when
    left early. `model` is known once it is chosen, before the first chunk; `text`, `reasoning` and `tool_calls` are
    what has come so far.

    An answer with a label is kept under its `id`: it goes on where the reader is lost, and `detach` leaves it running.
    """

    def __init__(self, request: GenerateRequest, open_: Opener) -> None:
        self._request = request
        self._open = open_
        self._opened: Opened | None = None
        self._parts = _Parts()
        self._turn = asyncio.Lock()
        self._reader: asyncio.Task[object] | None = None  # whose turn it is, to read
        self._closed = False
        self._goes_on = request.label is not None  # when this reader leaves, unless it is stopped
        self.model: str | None = request.model or None

    @property
    def id(self) -> str:
        """Of the request, and of the generation where it is kept."""
        return self._request.id

    def __aiter__(self) -> AsyncIterator[Chunk]:
        return self

    async def __anext__(self) -> Chunk:
        async with self._turn:
            if self._closed:
                raise StopAsyncIteration
            self._reader = asyncio.current_task()
            try:
                return await self._read()
            finally:
                self._reader = None

    async def _read(self) -> Chunk:
        try:
            return await self._next()
        except (asyncio.CancelledError, TimedOut) as error:
            if self._closed:  # by somebody else: to its reader this is the end
                raise (error if self._is_cancelled() else StopAsyncIteration) from None
            await self._stop()  # by its reader, who wants no more of it
            raise
        except (StopAsyncIteration, UmlError):
            self._goes_on = False
            raise

    def _is_cancelled(self) -> bool:
        """Whether the reader itself is wanted to end, too."""
        return self._reader is None or self._reader.uncancel() > 0

    async def _next(self) -> Chunk:
        if self._opened is None:
            self._opened = await self._open(self._request)
            self.model = self._opened.model
        chunk = await anext(self._opened.chunks)
        self._parts.add(chunk)
        self._goes_on = self._goes_on and chunk.finish_reason is None
        return chunk

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Also while somebody else waits for the next chunk, who is told that there is none."""
        self._closed = True
        if self._reader is not None:
            self._reader.cancel()
        async with self._turn:
            if self._opened is not None:
                await self._opened.chunks.aclose()
                await self._stop()

    async def detach(self) -> None:
        """Leave an answer that has a label without stopping it: `attach` reads it again. Any other one is stopped."""
        self._goes_on = False
        await self.aclose()

    async def _stop(self) -> None:
        """The engine, if it works on where nobody reads. If the server cannot be reached it stops with it, or later."""
        if self._opened is not None and self._goes_on:
            with suppress(UmlError):
                await self._opened.stop(self.id)
            self._goes_on = False

    @property
    def text(self) -> str:
        return self._parts.text

    @property
    def reasoning(self) -> str:
        return self._parts.reasoning

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The last one's arguments may not be whole."""
        return self._parts.tool_calls

    @property
    def answer(self) -> Answer:
        """The whole answer; of a stream that was closed early, what came, with the finish reason "aborted".

        Raises RuntimeError while the stream is still to be read.
        """
        if self._parts.last is None and not self._closed:
            raise RuntimeError("the answer is not complete: read the stream to its end, or close it")
        return self._parts.whole(self.model or "")


class Stream:
    """An `AsyncStream` for synchronous code. KeyboardInterrupt while it waits stops the engine at once."""

    def __init__(self, thread: LoopThread, stream: AsyncStream) -> None:
        self._thread = thread
        self._stream = stream
        thread.look_after(stream)

    def __iter__(self) -> Iterator[Chunk]:
        return self

    def __next__(self) -> Chunk:
        chunk = self._thread.run(_next_chunk(self._stream))
        if chunk is None:
            raise StopIteration
        return chunk

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._thread.run(self._stream.aclose())

    def detach(self) -> None:
        """As `AsyncStream.detach`."""
        self._thread.run(self._stream.detach())

    @property
    def id(self) -> str:
        return self._stream.id

    @property
    def model(self) -> str | None:
        return self._stream.model

    @property
    def text(self) -> str:
        return self._stream.text

    @property
    def reasoning(self) -> str:
        return self._stream.reasoning

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        return self._stream.tool_calls

    @property
    def answer(self) -> Answer:
        """As `AsyncStream.answer`."""
        return self._stream.answer


async def _next_chunk(stream: AsyncStream) -> Chunk | None:
    try:
        return await anext(stream)
    except StopAsyncIteration:
        return None
