"""Answers: as they stream in, and whole."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from jupyter_uml.client.loop_thread import LoopThread
from jupyter_uml.types import Chunk, FinishReason, GenerateRequest, Timings, Usage

# Chooses the model and begins the answer.
Opener = Callable[[GenerateRequest], Awaitable[tuple[str, AsyncGenerator[Chunk, None]]]]


@dataclass(frozen=True, slots=True)
class Answer:
    """`finish_reason` is "stop" (the model was done), "length" (cut) or "aborted"; `timings` are seconds."""

    text: str
    model: str
    finish_reason: FinishReason
    stop_reason: str | int | None = None
    usage: Usage | None = None
    timings: Timings | None = None

    def __str__(self) -> str:
        return self.text

    @property
    def tokens_per_second(self) -> float | None:
        if self.usage is None or self.timings is None:
            return None
        return self.timings.tokens_per_second(self.usage.completion_tokens)


class AsyncStream:
    """One answer on its way: an async iterable of chunks, and an async context manager that stops the engine when
    left early. `model` is known once it is chosen, before the first chunk; `text` is what has come so far."""

    def __init__(self, request: GenerateRequest, open_: Opener) -> None:
        self._request = request
        self._open = open_
        self._chunks: AsyncGenerator[Chunk, None] | None = None
        self._parts: list[str] = []
        self._last: Chunk | None = None
        self._closed = False
        self.model: str | None = request.model or None

    def __aiter__(self) -> AsyncIterator[Chunk]:
        return self

    async def __anext__(self) -> Chunk:
        if self._closed:
            raise StopAsyncIteration
        if self._chunks is None:
            self.model, self._chunks = await self._open(self._request)
        chunk = await anext(self._chunks)
        self._parts.append(chunk.text)
        if chunk.finish_reason is not None:
            self._last = chunk
        return chunk

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        self._closed = True
        if self._chunks is not None:
            await self._chunks.aclose()

    @property
    def text(self) -> str:
        return "".join(self._parts)

    @property
    def answer(self) -> Answer:
        """The whole answer; of a stream that was closed early, what came, with the finish reason "aborted".

        Raises RuntimeError while the stream is still to be read.
        """
        if self._last is None:
            if not self._closed:
                raise RuntimeError("the answer is not complete: read the stream to its end, or close it")
            return Answer(self.text, self.model or "", "aborted")
        last = self._last
        assert last.finish_reason is not None
        return Answer(self.text, self.model or "", last.finish_reason, last.stop_reason, last.usage, last.timings)


class Stream:
    """An `AsyncStream` for synchronous code. KeyboardInterrupt while it waits stops the engine at once."""

    def __init__(self, thread: LoopThread, stream: AsyncStream) -> None:
        self._thread = thread
        self._stream = stream

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

    @property
    def model(self) -> str | None:
        return self._stream.model

    @property
    def text(self) -> str:
        return self._stream.text

    @property
    def answer(self) -> Answer:
        """As `AsyncStream.answer`."""
        return self._stream.answer


async def _next_chunk(stream: AsyncStream) -> Chunk | None:
    try:
        return await anext(stream)
    except StopAsyncIteration:
        return None
