"""A loaded model, wherever it runs: submit a request, read its chunks, look at its figures, close it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any, Protocol, TypeVar, cast

from jupyter_uml import ipc
from jupyter_uml.errors import GenerationAborted, Overloaded, UmlError, WorkerDied
from jupyter_uml.loader.process import WorkerProcess
from jupyter_uml.loader.start import start_worker
from jupyter_uml.loader.vitals.counters import ModelCounters
from jupyter_uml.loader.vitals.process_reading import Reading, resident_bytes
from jupyter_uml.loader.vitals.throughput import Throughput
from jupyter_uml.loader.vitals.watchdog import Patience, Watchdog
from jupyter_uml.types import (
    Chunk,
    EffectiveSettings,
    GenerateRequest,
    ModelInfo,
    ModelSpec,
    SideRequest,
    SideResult,
)

MAX_REQUESTS = 1024  # running and waiting together
MAX_UNREAD = 1 << 14  # chunks of an answer; whoever leaves more waiting has stopped reading

R = TypeVar("R")
OnDeath = Callable[[str], None]  # is told why the worker ended and the end of its log, as far as that may be shown
OnEnd = Callable[[], None]


def _nobody() -> None:
    """Who need not be told."""


class EngineHandle(Protocol):
    """The same verbs for a worker process, a remote engine and one in process."""

    info: ModelInfo
    settings: EffectiveSettings
    longest: int  # tokens of the longest prompt that was computed at once
    counters: ModelCounters  # where its requests are counted; `HealthMonitor.watch` puts the model's there

    @property
    def pid(self) -> int | None: ...
    @property
    def active(self) -> int:
        """Requests that run or are queued."""
        ...

    @property
    def waiting(self) -> int:
        """Those of them that are to be answered, and have no token yet."""
        ...

    @property
    def memory_bytes(self) -> int | None: ...
    @property
    def tokens_per_second(self) -> float | None:
        """Of the work that is under way; None: there is none, or it has no tokens yet."""
        ...

    def take_rate(self) -> float:
        """Tokens a second since this was asked last."""
        ...

    def submit(self, request: GenerateRequest, on_end: OnEnd = _nobody) -> AsyncGenerator[Chunk, None]:
        """The answer's chunks; the last has a `finish_reason`. Closing the generator aborts the request. `on_end`: told
        when the engine has done its work, however much of it is still to be read.

        Raises:
            UmlError: the request failed; no chunk follows.
        """
        ...

    async def compute(self, request: SideRequest[R]) -> R:
        """What is asked for beside answers. Cancelling the task aborts the request.

        Raises:
            UmlError: the request failed.
        """
        ...

    def check(self, reading: Reading | None) -> str | None:
        """Ask for a sign of life. Says why the engine must be killed, or None. `reading`: what its process takes."""
        ...

    def kill(self, why: str) -> None:
        """End it at once, as if it had crashed."""
        ...

    def fail_all(self, error: UmlError) -> None: ...
    async def drained(self) -> None: ...
    async def close(self) -> None: ...


@dataclass(slots=True, eq=False)
class _Pending:
    """A request that has not ended. `waits`: for its first token."""

    waits: bool
    on_end: OnEnd = _nobody
    began: float = field(default_factory=time.monotonic)
    queue: asyncio.Queue[Chunk | SideResult | UmlError] = field(default_factory=asyncio.Queue)


class WorkerEngine:
    """An `EngineHandle` on a worker process."""

    def __init__(self, process: WorkerProcess, loaded: ipc.Loaded, on_death: OnDeath, patience: Patience) -> None:
        self.info, self.settings = loaded.info, loaded.settings
        self._process = process
        self._on_death = on_death
        self._numbers = count()  # requests go by our own numbers: their ids are the callers' and may repeat
        self._pending: dict[str, _Pending] = {}
        self._idle = asyncio.Event()
        self._idle.set()
        self.longest = 0
        self.counters = ModelCounters()
        self._throughput = Throughput()
        self._watchdog = Watchdog(patience)
        self._closing = self._dead = False
        self._reader = asyncio.create_task(self._read(), name=f"worker {process.pid} reader")

    @classmethod
    async def start(
        cls,
        spec: ModelSpec,
        on_progress: Callable[[float], None],
        on_death: OnDeath,
        patience: Patience = Patience(),  # noqa: B008  frozen
        *,
        on_spawn: Callable[[int], None] = lambda _: None,
    ) -> WorkerEngine:
        """Spawn a worker and load the model. `on_spawn` is told its pid before that.

        Raises:
            ModelLoadFailed: the file cannot be loaded, killed the worker, or makes it hang.
            InsufficientMemory, InvalidRequest: as the worker found.
        """
        process, loaded = await start_worker(spec, on_spawn, on_progress, patience)
        return cls(process, loaded, on_death, patience)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def active(self) -> int:
        return len(self._pending)

    @property
    def waiting(self) -> int:
        return sum(pending.waits for pending in self._pending.values())

    @property
    def memory_bytes(self) -> int | None:
        return resident_bytes(self.pid)

    @property
    def tokens_per_second(self) -> float | None:
        return self._throughput.per_second() if self._pending else None

    def take_rate(self) -> float:
        return self._throughput.take_rate()

    async def submit(self, request: GenerateRequest, on_end: OnEnd = _nobody) -> AsyncGenerator[Chunk, None]:
        async with aclosing(self._items(request, on_end)) as items:
            async for item in items:
                assert isinstance(item, Chunk)
                yield replace(item, request_id=request.id)

    async def compute(self, request: SideRequest[R]) -> R:
        async with aclosing(self._items(request)) as items:
            async for item in items:
                assert not isinstance(item, Chunk)
                return cast(R, replace(item, request_id=request.id))
        raise AssertionError("every request ends with a result or an error")

    async def _items(
        self, request: GenerateRequest | SideRequest[Any], on_end: OnEnd = _nobody
    ) -> AsyncGenerator[Chunk | SideResult, None]:
        if self._dead:
            raise _died()
        if len(self._pending) >= MAX_REQUESTS:
            raise Overloaded(f"{request.model} has {MAX_REQUESTS} requests waiting.", retry_after=2)
        number = str(next(self._numbers))
        frame = ipc.encode_request(replace(request, id=number))
        pending = self._pending[number] = _Pending(isinstance(request, GenerateRequest), on_end)
        self._idle.clear()
        ended = False
        try:
            self._process.post_frame(frame)
            del frame  # may be megabytes
            while not ended:
                item = await pending.queue.get()
                ended = not isinstance(item, Chunk) or item.finish_reason is not None
                if isinstance(item, UmlError):
                    raise item.copy()  # which nothing here refers to: its traceback would hold all that was asked
                yield item
        finally:
            if self._pending.pop(number, None) is not None:
                if not ended:
                    self.counters.requests["cancelled"] += 1
                    self._process.post(ipc.Abort(number))
                if not self._pending:
                    self._rest()

    def check(self, reading: Reading | None) -> str | None:
        if self._closing or self._dead:
            return None
        self._process.post(ipc.Ping())
        return self._watchdog.look(reading)

    def kill(self, why: str) -> None:
        self._process.kill(why)

    def fail_all(self, error: UmlError) -> None:
        """End every request that is running or queued with this error, however late its reader notices."""
        for number, pending in self._pending.items():
            pending.queue.put_nowait(error.copy())
            pending.on_end()
            self._process.post(ipc.Abort(number))
        self.counters.requests["failed"] += len(self._pending)
        self._pending.clear()
        self._rest()

    def _rest(self) -> None:
        self._throughput.pause()
        self._idle.set()

    async def drained(self) -> None:
        """Returns when no request is running or queued."""
        await self._idle.wait()

    async def close(self) -> None:
        """End the worker; its memory is free when this returns."""
        self._closing = True
        await self._process.close()
        await self._reader

    async def _read(self) -> None:
        try:
            while (message := await self._process.receive()) is not None:
                self._watchdog.heard()
                if isinstance(message, ipc.Step):
                    self._deliver(message)
                elif isinstance(message, ipc.Pong):
                    self._watchdog.beat(message.beats, counted=message.counted)
        except asyncio.CancelledError:  # the loop is closing: nobody shall bring the model back
            self._closing = True
            raise
        finally:
            self._dead = True
            if not self._closing:
                # Before the requests fail: who asks again on that error finds the model coming back.
                self._on_death(await self._process.last_words())
            self.fail_all(_died())
            await self._process.close()

    def _deliver(self, step: ipc.Step) -> None:
        self._throughput.add(sum(chunk.tokens for chunk in step.chunks))
        for chunk in step.chunks:
            if pending := self._pending.get(chunk.request_id):
                self._count(pending, chunk)
                self._hand_over(pending, chunk)
        results: list[SideResult] = [*step.rows, *step.scores, *step.tokenized, *step.prompts, *step.measured]
        for result in results:
            if pending := self._pending.get(result.request_id):
                self.counters.requests["done"] += 1
                pending.queue.put_nowait(result)
        for failed in step.failed:
            if pending := self._pending.get(failed.request_id):
                self.counters.requests["failed"] += 1
                pending.queue.put_nowait(UmlError.from_dict(failed.error))
                pending.on_end()

    def _count(self, pending: _Pending, chunk: Chunk) -> None:
        if pending.waits and chunk.tokens:
            pending.waits = False
            self.counters.began_to_answer(time.monotonic() - pending.began)
        if chunk.finish_reason is not None:
            pending.on_end()
            self.counters.answered(chunk)
            if chunk.usage is not None:
                self.longest = max(self.longest, chunk.usage.prompt_tokens - chunk.usage.cached_tokens)

    def _hand_over(self, pending: _Pending, chunk: Chunk) -> None:
        pending.queue.put_nowait(chunk)
        if pending.queue.qsize() >= MAX_UNREAD:
            self._give_up(chunk.request_id)

    def _give_up(self, number: str) -> None:
        """End a request whose chunks pile up: an answer may be longer than memory is large."""
        error = GenerationAborted("The answer was not read for too long, and has been ended.")
        pending = self._pending.pop(number)
        pending.queue.put_nowait(error)
        pending.on_end()
        self.counters.requests["failed"] += 1
        self._process.post(ipc.Abort(number))
        if not self._pending:
            self._rest()


def _died() -> WorkerDied:
    return WorkerDied(
        "The model's process ended in the middle of this request. It is started again for the next one.", retry_after=1
    )
