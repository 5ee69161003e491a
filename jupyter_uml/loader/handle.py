"""A loaded model, wherever it runs: submit a request, read its chunks, look at its figures, close it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace
from itertools import count
from typing import Any, Protocol, TypeVar, cast

from jupyter_uml import ipc
from jupyter_uml.errors import GenerationAborted, ModelLoadFailed, Overloaded, UmlError, WorkerDied
from jupyter_uml.loader.health import Throughput, resident_bytes
from jupyter_uml.loader.process import WorkerProcess
from jupyter_uml.types import (
    Chunk,
    EffectiveSettings,
    GenerateRequest,
    ModelInfo,
    ModelSpec,
    SideRequest,
    SideResult,
)

HANDSHAKE_SECONDS = 60.0  # a cold disk may take long to give Python and llama.cpp
MAX_REQUESTS = 1024  # running and waiting together
MAX_UNREAD = 1 << 14  # chunks of an answer; whoever leaves more waiting has stopped reading

log = logging.getLogger(__name__)

R = TypeVar("R")
OnDeath = Callable[[str], None]  # is told the end of the worker's log


class EngineHandle(Protocol):
    """The same verbs for a worker process, a remote engine and one in process."""

    info: ModelInfo
    settings: EffectiveSettings

    @property
    def pid(self) -> int | None: ...
    @property
    def active(self) -> int: ...
    @property
    def memory_bytes(self) -> int | None: ...
    @property
    def tokens_per_second(self) -> float | None: ...

    def submit(self, request: GenerateRequest) -> AsyncGenerator[Chunk, None]:
        """The answer's chunks; the last has a `finish_reason`. Closing the generator aborts the request.

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

    def fail_all(self, error: UmlError) -> None: ...
    async def drained(self) -> None: ...
    async def close(self) -> None: ...


class WorkerEngine:
    """An `EngineHandle` on a worker process."""

    def __init__(self, process: WorkerProcess, loaded: ipc.Loaded, on_death: OnDeath) -> None:
        self.info, self.settings = loaded.info, loaded.settings
        self._process = process
        self._on_death = on_death
        self._numbers = count()  # requests go by our own numbers: their ids are the callers' and may repeat
        self._queues: dict[str, asyncio.Queue[Chunk | SideResult | UmlError]] = {}
        self._idle = asyncio.Event()
        self._idle.set()
        self._throughput = Throughput()
        self._closing = self._dead = False
        self._reader = asyncio.create_task(self._read(), name=f"worker {process.pid} reader")

    @classmethod
    async def start(cls, spec: ModelSpec, on_progress: Callable[[float], None], on_death: OnDeath) -> WorkerEngine:
        """Spawn a worker and load the model.

        Raises:
            ModelLoadFailed: the file cannot be loaded, or killed the worker.
            InsufficientMemory, InvalidRequest: as the worker found.
        """
        process = await WorkerProcess.spawn()
        try:
            ready = await _await_ready(process)
            if not isinstance(ready, ipc.Ready) or ready.protocol != ipc.PROTOCOL:
                log.warning("the worker of %s did not start. Its log:\n%s", spec.id, await process.last_words())
                raise ModelLoadFailed(
                    f"The worker process of {spec.id} did not start. The server's log says why.", retry_after=5
                )
            process.post(ipc.Load(spec))
            return cls(process, await _await_loaded(process, spec, on_progress), on_death)
        except BaseException:
            # Cancelled or failed: nothing may be left behind, also when the cancelling goes on.
            await asyncio.shield(process.close())
            raise

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def active(self) -> int:
        return len(self._queues)

    @property
    def memory_bytes(self) -> int | None:
        return resident_bytes(self.pid)

    @property
    def tokens_per_second(self) -> float | None:
        return self._throughput.per_second()

    async def submit(self, request: GenerateRequest) -> AsyncGenerator[Chunk, None]:
        async with aclosing(self._items(request)) as items:
            async for item in items:
                assert isinstance(item, Chunk)
                yield replace(item, request_id=request.id)

    async def compute(self, request: SideRequest[R]) -> R:
        async with aclosing(self._items(request)) as items:
            async for item in items:
                assert not isinstance(item, Chunk)
                return cast(R, replace(item, request_id=request.id))
        raise AssertionError("every request ends with a result or an error")

    async def _items(self, request: GenerateRequest | SideRequest[Any]) -> AsyncGenerator[Chunk | SideResult, None]:
        if self._dead:
            raise _died()
        if len(self._queues) >= MAX_REQUESTS:
            raise Overloaded(f"{request.model} has {MAX_REQUESTS} requests waiting.", retry_after=2)
        number = str(next(self._numbers))
        frame = ipc.encode_request(replace(request, id=number))
        queue = self._queues[number] = asyncio.Queue()
        self._idle.clear()
        ended = False
        try:
            self._process.post_frame(frame)
            while not ended:
                item = await queue.get()
                ended = not isinstance(item, Chunk) or item.finish_reason is not None
                if isinstance(item, UmlError):
                    raise item
                yield item
        finally:
            if self._queues.pop(number, None) is not None:
                if not ended:
                    self._process.post(ipc.Abort(number))
                if not self._queues:
                    self._rest()

    def fail_all(self, error: UmlError) -> None:
        """End every request that is running or queued with this error, however late its reader notices."""
        for number, queue in self._queues.items():
            queue.put_nowait(error.copy())
            self._process.post(ipc.Abort(number))
        self._queues.clear()
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
                if isinstance(message, ipc.Step):
                    self._deliver(message)
        finally:
            self._dead = True
            if not self._closing:
                # Before the requests fail: who asks again on that error finds the model coming back.
                self._on_death(await self._process.last_words())
            self.fail_all(_died())
            await self._process.close()

    def _deliver(self, step: ipc.Step) -> None:
        self._throughput.add(sum(chunk.tokens for chunk in step.chunks))
        items: list[Chunk | SideResult]
        items = [*step.chunks, *step.rows, *step.scores, *step.tokenized, *step.prompts]
        for item in items:
            if queue := self._queues.get(item.request_id):
                queue.put_nowait(item)
                if queue.qsize() >= MAX_UNREAD:
                    self._give_up(item.request_id)
        for failed in step.failed:
            if queue := self._queues.get(failed.request_id):
                queue.put_nowait(UmlError.from_dict(failed.error))

    def _give_up(self, number: str) -> None:
        """End a request whose chunks pile up: an answer may be longer than memory is large."""
        error = GenerationAborted("The answer was not read for too long, and has been ended.")
        self._queues.pop(number).put_nowait(error)
        self._process.post(ipc.Abort(number))
        if not self._queues:
            self._rest()


async def _await_ready(process: WorkerProcess) -> ipc.FromWorker | None:
    try:
        async with asyncio.timeout(HANDSHAKE_SECONDS):
            return await process.receive()
    except TimeoutError:
        raise ModelLoadFailed(
            f"The worker process did not start in {HANDSHAKE_SECONDS:.0f} s.", retry_after=5
        ) from None


async def _await_loaded(process: WorkerProcess, spec: ModelSpec, on_progress: Callable[[float], None]) -> ipc.Loaded:
    while True:
        match await process.receive():
            case ipc.Progress(fraction):
                on_progress(fraction)
            case ipc.Loaded() as loaded:
                return loaded
            case ipc.LoadFailed(error):
                raise UmlError.from_dict(error)
            case _:
                log.warning("the worker died loading %s. Its log:\n%s", spec.id, await process.last_words())
                raise ModelLoadFailed(
                    f"{spec.id} ended its worker process while it was loaded. Its file is damaged, or memory ran out.",
                    retry_after=5,
                )


def _died() -> WorkerDied:
    return WorkerDied(
        "The model's process ended in the middle of this request. It is started again for the next one.", retry_after=1
    )
