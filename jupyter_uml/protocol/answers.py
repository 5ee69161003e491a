"""Several answers at once: their chunks as they come, or each as a whole."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from jupyter_uml.protocol.endpoint import Verbs
from jupyter_uml.types import Chunk, FinishReason, GenerateRequest, Timings, TokenLogprob, ToolCall, Usage

MAX_WAITING = 64  # chunks of several answers that are read ahead; more wait where they come from


class Reply:
    """One answer, put together from its chunks."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._thoughts: list[str] = []
        self._calls: dict[int, tuple[str, str, list[str]]] = {}
        self.logprobs: list[TokenLogprob] = []
        self.finish_reason: FinishReason | None = None
        self.stop_reason: str | int | None = None
        self.usage = Usage()
        self.timings: Timings | None = None

    def add(self, chunk: Chunk) -> None:
        self._texts.append(chunk.text)
        self._thoughts.append(chunk.reasoning)
        for delta in chunk.calls:
            call = self._calls.setdefault(delta.index, (delta.id or "", delta.name or "", []))
            call[2].append(delta.arguments)
        self.logprobs += chunk.logprobs
        self.finish_reason, self.stop_reason = chunk.finish_reason, chunk.stop_reason
        self.usage, self.timings = chunk.usage or self.usage, chunk.timings or self.timings

    @property
    def text(self) -> str:
        return "".join(self._texts)

    @property
    def reasoning(self) -> str:
        return "".join(self._thoughts)

    @property
    def calls(self) -> list[ToolCall]:
        return [ToolCall(id_, name, "".join(parts)) for id_, name, parts in self._calls.values()]


async def replies(service: Verbs, requests: Sequence[GenerateRequest]) -> list[Reply]:
    """The answers, each whole, made side by side.

    Raises:
        UmlError: one of them failed; the others have been aborted.
    """
    made = [Reply() for _ in requests]
    async with aclosing(answers(service, requests)) as chunks:
        async for place, chunk in chunks:
            made[place].add(chunk)
    return made


async def answers(service: Verbs, requests: Sequence[GenerateRequest]) -> AsyncGenerator[tuple[int, Chunk], None]:
    """The chunks of all, each with the place of its request. Closing the generator aborts them all.

    Raises:
        UmlError: one of them failed; the others have been aborted.
    """
    if len(requests) == 1:
        async with aclosing(service.generate(requests[0])) as chunks:
            async for chunk in chunks:
                yield 0, chunk
        return
    queue: asyncio.Queue[tuple[int, Chunk] | Exception] = asyncio.Queue(MAX_WAITING)
    pumps = [asyncio.create_task(_pump(service, place, request, queue)) for place, request in enumerate(requests)]
    try:
        running = len(pumps)
        while running:
            item = await queue.get()
            if isinstance(item, Exception):
                raise item
            yield item
            running -= item[1].finish_reason is not None
    finally:
        for pump in pumps:
            pump.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)


async def _pump(
    service: Verbs, place: int, request: GenerateRequest, queue: asyncio.Queue[tuple[int, Chunk] | Exception]
) -> None:
    try:
        async with aclosing(service.generate(request)) as chunks:
            async for chunk in chunks:
                await queue.put((place, chunk))
    except Exception as error:  # raised again where the answers are read
        await queue.put(error)
