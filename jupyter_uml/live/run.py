"""A request that is being answered: how far it is, and how to stop it from outside."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from jupyter_uml.errors import GenerationStopped
from jupyter_uml.loader.news import News
from jupyter_uml.types import Chunk, GenerateRequest, RunningAnswer

MAX_QUESTION = 120  # characters
_LOOKED_AT = 1000  # of a text that may have megabytes

R = TypeVar("R")
Stop = Callable[[], Awaitable[None]]


class Run:
    """Made by `Running`. `stop_by`: how it is stopped where that is more than ending what is computed for it."""

    def __init__(
        self,
        id_: str,
        model: str,
        principal_id: str,
        who: str,
        route: str,
        kind: str,
        question: str,
        news: News,
    ) -> None:
        self.id, self.model, self.principal_id, self.who = id_, model, principal_id, who
        self.route, self.kind = route, kind
        self.stop_by: Stop | None = None
        self._question, self._news = _short(question), news
        self._started, self._first_token = time.time(), 0.0  # of the epoch; on the monotonic clock
        self._tokens, self._stopped = 0, False
        self._works: set[_Work] = set()

    def row(self, *, own: bool) -> RunningAnswer:
        """`own`: it is told to whoever asked for it."""
        seconds = time.monotonic() - self._first_token
        return RunningAnswer(
            self.id,
            self.model,
            self.kind,
            self.route,
            self.who,
            own,
            self._question if own else "",
            self._started,
            self._tokens,
            round((self._tokens - 1) / seconds, 1) if self._tokens > 1 and seconds > 0 else 0.0,
            "answering" if self._tokens else "waiting",
        )

    async def stop(self) -> None:
        """End it; returns when nothing is computed for it any more. Whoever reads it gets a `GenerationStopped`."""
        self._stopped = True
        if self.stop_by is not None:
            await self.stop_by()
        else:
            await asyncio.gather(*(work.stop() for work in list(self._works)))

    # --- what is done for it ---

    async def chunks(
        self, request: GenerateRequest, source: AsyncGenerator[Chunk, None]
    ) -> AsyncGenerator[Chunk, None]:
        """The answer `source` to a request, counted, until it is stopped.

        Raises:
            GenerationStopped
        """
        if request.priority == "batch" and self.kind == "client":
            self.kind = "batch"
        self.model, self._question = self.model or request.model, self._question or _question(request)
        work = _Work(source)
        self._works.add(work)
        try:
            self._check()
            work.task = asyncio.current_task()  # whoever reads may do so in another task the next time
            async for chunk in source:
                work.task = None
                self._count(chunk.tokens)
                yield chunk
                self._check()
                work.task = asyncio.current_task()
        except asyncio.CancelledError:
            work.translate()
            raise
        finally:
            self._works.discard(work)
            work.task = None  # which goes on with other things
            await work.close()

    async def result(self, computing: Coroutine[Any, Any, R]) -> R:
        """The same of what is computed as a whole."""
        work = _Work()
        self._works.add(work)
        try:
            self._check()
            work.task = asyncio.current_task()
            return await computing
        except asyncio.CancelledError:
            work.translate()
            raise
        finally:
            computing.close()  # where it has not begun
            self._works.discard(work)
            work.task = None  # whose error would hold all that was asked, as its traceback comes by here
            work.ended.set()

    def _check(self) -> None:
        if self._stopped:
            raise _stopped()

    def _count(self, tokens: int) -> None:
        if tokens and not self._tokens:
            self._first_token = time.monotonic()
            self._news.tell()
        self._tokens += tokens


class _Work:
    """One thing that is computed. `task`: that waits for it just now; none while the reader has what came last."""

    def __init__(self, source: AsyncGenerator[Chunk, None] | None = None) -> None:
        self.task: asyncio.Task[object] | None = None
        self.ended = asyncio.Event()
        self._source, self._closing = source, asyncio.Lock()
        self._cancelled = False

    async def stop(self) -> None:
        if self.ended.is_set():
            return
        if self.task is None:  # its reader is slow, and may not come back for long
            await self.close()
            return
        if not self._cancelled:  # a second time would cut short how it ends
            self._cancelled = True
            self.task.cancel()
        await self.ended.wait()

    async def close(self) -> None:
        async with self._closing:
            if self._source is not None:
                await self._source.aclose()
            self.ended.set()

    def translate(self) -> None:
        """What cancelled the task was this being stopped, and nothing else.

        Raises:
            GenerationStopped
        """
        task = asyncio.current_task()
        if self._cancelled and task is not None and not task.uncancel():
            raise _stopped() from None


def _stopped() -> GenerationStopped:
    return GenerationStopped("The answer was stopped.")


def _question(request: GenerateRequest) -> str:
    """What was asked last; of a text with a gap the line that it is in."""
    if request.gap is not None:
        return _short(request.gap.prefix.rpartition("\n")[2])
    if request.prompt is not None:
        return _short(request.prompt if isinstance(request.prompt, str) else "")
    return next((_short(message.content) for message in reversed(request.messages) if message.role == "user"), "")


def _short(text: str) -> str:
    return " ".join(text[:_LOOKED_AT].split())[:MAX_QUESTION]
