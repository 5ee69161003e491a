"""Answers: as they stream in, and whole."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from jupyter_uml.client.loop_thread import LoopThread
from jupyter_uml.types import (
    CallDelta,
    Chunk,
    FinishReason,
    GenerateRequest,
    Message,
    Timings,
    TokenLogprob,
    ToolCall,
    Usage,
)

# Chooses the model and begins the answer.
Opener = Callable[[GenerateRequest], Awaitable[tuple[str, AsyncGenerator[Chunk, None]]]]


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


class _Parts:
    """What has come of an answer."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.reasoning: list[str] = []
        self.calls: list[CallDelta] = []
        self.logprobs: list[TokenLogprob] = []
        self.last: Chunk | None = None

    def add(self, chunk: Chunk) -> None:
        self.texts.append(chunk.text)
        self.reasoning.append(chunk.reasoning)
        self.calls.extend(chunk.calls)
        self.logprobs.extend(chunk.logprobs)
        if chunk.finish_reason is not None:
            self.last = chunk

    def answer(self, model: str) -> Answer:
        last = self.last or Chunk("", finish_reason="aborted")
        assert last.finish_reason is not None
        return Answer(
            "".join(self.texts),
            model,
            last.finish_reason,
            last.stop_reason,
            last.usage,
            last.timings,
            "".join(self.reasoning),
            joined_calls(self.calls),
            tuple(self.logprobs),
        )


def joined_calls(deltas: Iterable[CallDelta]) -> tuple[ToolCall, ...]:
    """The calls that `deltas` are the pieces of."""
    pieces: dict[int, list[CallDelta]] = {}
    for delta in deltas:
        pieces.setdefault(delta.index, []).append(delta)
    return tuple(
        ToolCall(first.id or "", first.name or "", first.arguments + "".join(piece.arguments for piece in more))
        for _, (first, *more) in sorted(pieces.items())
    )


class AsyncStream:
    """One answer on its way: an async iterable of chunks, and an async context manager that stops the engine when
    left early. `model` is known once it is chosen, before the first chunk; `text`, `reasoning` and `tool_calls` are
    what has come so far."""

    def __init__(self, request: GenerateRequest, open_: Opener) -> None:
        self._request = request
        self._open = open_
        self._chunks: AsyncGenerator[Chunk, None] | None = None
        self._parts = _Parts()
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
        self._parts.add(chunk)
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
        return "".join(self._parts.texts)

    @property
    def reasoning(self) -> str:
        return "".join(self._parts.reasoning)

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The last one's arguments may not be whole."""
        return joined_calls(self._parts.calls)

    @property
    def answer(self) -> Answer:
        """The whole answer; of a stream that was closed early, what came, with the finish reason "aborted".

        Raises RuntimeError while the stream is still to be read.
        """
        if self._parts.last is None and not self._closed:
            raise RuntimeError("the answer is not complete: read the stream to its end, or close it")
        return self._parts.answer(self.model or "")


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
