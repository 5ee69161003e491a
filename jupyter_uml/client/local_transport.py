"""The transport without a server: the loader of this very process, whose models run in child processes.

All local transports of a process share one service, as all clients of a server share the server's. It lives on the
shared loop thread, whatever loop its callers run on, and is closed with the last transport.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from jupyter_uml.client.health import Health
from jupyter_uml.client.keys import ApiKey, NewKey, UsageTotal
from jupyter_uml.client.loop_thread import CANCEL_SECONDS, LoopThread
from jupyter_uml.client.pulls import PullProgress
from jupyter_uml.client.request_body import request_path
from jupyter_uml.client.retry import RetryPolicy, with_retries
from jupyter_uml.client.transport import HOLD
from jupyter_uml.generations import Generations
from jupyter_uml.types import (
    Chunk,
    GenerateRequest,
    GenerationStatus,
    Hold,
    LoadSettings,
    MemoryEstimate,
    ModelProfile,
    ModelStatus,
    RunningAnswer,
    Sample,
    Speed,
)

if TYPE_CHECKING:
    from jupyter_uml.client.local_records import LocalRecords
    from jupyter_uml.live import Live
    from jupyter_uml.service import Service

T = TypeVar("T")

_NONE: Any = object()  # nothing has come


class LocalTransport:
    """With a `service` of the caller's, that one is used, on the caller's loop, and left open at the end.

    `records`: where keys and usage are; None: where this user's servers have them. `retry`: what is asked again when
    too many wait, as over HTTP.
    """

    def __init__(
        self, service: Service | None = None, records: LocalRecords | None = None, retry: RetryPolicy | None = None
    ) -> None:
        self._retry = retry or RetryPolicy()
        self._given = service
        self._given_records = records
        self._own_generations: Generations[Chunk] = Generations()  # of the caller's service
        self._own_live: Live | None = None  # the same
        self._room: _Room | None = None

    async def health(self) -> Health:
        return Health.from_row(await self._call(lambda service: service.health()))

    async def models(self, refresh: bool = False) -> list[ModelStatus]:
        return await self._call(lambda service: service.models(refresh))

    async def model(self, model: str) -> ModelStatus:
        return await self._call(lambda service: service.model(model))

    async def estimate(self, model: str, settings: LoadSettings) -> MemoryEstimate:
        return await self._call(lambda service: service.estimate(model, settings))

    async def load(
        self, model: str, settings: LoadSettings, wait: bool = True, hold: Hold = HOLD, pin: bool | None = None
    ) -> ModelStatus:
        return await self._call(lambda service: service.load(model, settings, wait=wait, hold=hold, pin=pin))

    async def unload(self, model: str, force: bool = False) -> ModelStatus:
        return await self._call(lambda service: service.unload(model, force=force))

    async def history(self, model: str) -> list[Sample]:
        return await self._call(lambda service: service.history(model))

    async def measure(self, model: str) -> Speed:
        return await self._call(lambda service: service.measure(model))

    def pull(self, name: str) -> AsyncGenerator[PullProgress, None]:
        from jupyter_uml.client.local_pulls import follow_pull

        return self._iterate(lambda service: follow_pull(service, name))

    async def pulls(self) -> list[PullProgress]:
        from jupyter_uml.client.local_pulls import running_pulls

        return await self._call(running_pulls)

    async def cancel_pull(self, pull_id: str) -> PullProgress:
        from jupyter_uml.client.local_pulls import cancel_pull

        return await self._call(lambda service: cancel_pull(service, pull_id))

    def generate(self, request: GenerateRequest) -> AsyncGenerator[Chunk, None]:
        from jupyter_uml.client.local_generations import ask
        from jupyter_uml.client.local_live import answer

        route = request_path(request)
        if request.label is None:
            return self._iterate(lambda service: answer(self.live(), service, request, route))
        return self._iterate(lambda service: ask(self._generations, self.live(), service, request, route))

    async def generations(self, kernel: str | None = None) -> list[GenerationStatus]:
        from jupyter_uml.client.local_generations import rows

        return await self._call(lambda _: rows(self._generations, kernel))

    async def generation(self, generation_id: str) -> GenerationStatus:
        from jupyter_uml.client.local_generations import row

        return await self._call(lambda _: row(self._generations, generation_id))

    def follow(self, generation_id: str, after: int = 0) -> AsyncGenerator[Chunk, None]:
        from jupyter_uml.client.local_generations import follow

        return self._iterate(lambda _: follow(self._generations, generation_id, after))

    async def stop(self, generation_id: str) -> GenerationStatus:
        from jupyter_uml.client.local_generations import stop

        return await self._call(lambda _: stop(self._generations, generation_id))

    def events(self) -> AsyncGenerator[Mapping[str, Any], None]:
        from jupyter_uml.client.local_live import events

        items = events(self.live)
        return items if self._given else self._enter().thread.follow(items)

    async def running(self) -> list[RunningAnswer]:
        from jupyter_uml.client.local_live import running

        return await self._call(lambda _: running(self.live()))

    async def stop_running(self, running_id: str) -> RunningAnswer:
        from jupyter_uml.client.local_live import stop_running

        return await self._call(lambda _: stop_running(self.live(), running_id))

    async def profiles(self) -> list[ModelProfile]:
        return await self._call(lambda service: service.profiles())

    async def save_profile(self, name: str, table: dict[str, Any]) -> ModelProfile:
        return await self._call(lambda service: service.save_profile(name, table))

    async def delete_profile(self, name: str) -> ModelProfile:
        return await self._call(lambda service: service.delete_profile(name))

    async def keys(self) -> list[ApiKey]:
        return await self._records.keys()

    async def create_key(self, asked: dict[str, Any]) -> NewKey:
        return await self._records.create_key(asked)

    async def expire_key(self, key_id: str, expires_in: float | str | None) -> ApiKey:
        return await self._records.expire_key(key_id, expires_in)

    async def revoke_key(self, key_id: str) -> ApiKey:
        return await self._records.revoke_key(key_id)

    async def usage(self, query: dict[str, str]) -> list[UsageTotal]:
        return await self._records.usage(query)

    def service(self) -> Service:
        """What answers, for callers on the loop that it lives on: the caller's own, else the shared loop thread's."""
        return self._given or self._enter().service()

    def live(self) -> Live:
        """What it says of itself, on the same loop."""
        if self._given is None:
            return self._enter().live()
        from jupyter_uml.client.local_live import live_of

        self._own_live = self._own_live or live_of(self._given)
        return self._own_live

    async def aclose(self) -> None:
        if self._own_live is not None:
            self._own_live.close()
            self._own_live = None
        generations, self._own_generations = self._own_generations, Generations()
        await generations.aclose()
        room, self._room = self._room, None
        if room is not None:
            await room.leave()

    @property
    def _generations(self) -> Generations[Chunk]:
        """Kept beside the service that makes them."""
        return self._own_generations if self._given else self._enter().generations

    @property
    def _records(self) -> LocalRecords:
        from jupyter_uml.client.local_records import LocalRecords

        return self._given_records or LocalRecords()

    def _enter(self) -> _Room:
        if self._room is None:
            self._room = _Room.enter()
        return self._room

    async def _call(self, verb: Callable[[Service], Coroutine[Any, Any, T]]) -> T:
        def call() -> Coroutine[Any, Any, T]:
            return verb(self._given) if self._given else self._enter().call(verb)

        return await with_retries(call, idempotent=False, policy=self._retry)

    async def _iterate(self, source: Callable[[Service], AsyncGenerator[T, None]]) -> AsyncGenerator[T, None]:
        items, first = await with_retries(lambda: self._begun(source), idempotent=False, policy=self._retry)
        async with aclosing(items):
            if first is _NONE:
                return
            yield first
            async for item in items:
                yield item

    async def _begun(self, source: Callable[[Service], AsyncGenerator[T, None]]) -> tuple[AsyncGenerator[T, None], T]:
        """What comes of `source`, and the first of it: what fails before may be asked for again."""
        items = source(self._given) if self._given else self._enter().iterate(source)
        try:
            return items, await anext(items, _NONE)
        except BaseException:
            await items.aclose()
            raise

    # --- what is asked of models beside answers ---------------------------------------------------

    async def whole(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """By the very endpoint that a server would answer with."""
        from jupyter_uml.client.local_endpoints import answer_of

        return await self._call(lambda service: answer_of(self.live(), service, path, body))


class _Room:
    """The process's one service, on the shared loop thread."""

    current: ClassVar[_Room | None] = None
    lock: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.users = 0
        self.thread: LoopThread = LoopThread.acquire()
        self.generations: Generations[Chunk] = Generations()
        self._service: Service | None = None
        self._live: Live | None = None

    @classmethod
    def enter(cls) -> _Room:
        with cls.lock:
            if cls.current is None or cls.current.pid != os.getpid():
                cls.current = cls()
            cls.current.users += 1
            return cls.current

    async def leave(self) -> None:
        with _Room.lock:
            self.users -= 1
            if self.users > 0 or self.pid != os.getpid():
                return
            if _Room.current is self:
                _Room.current = None
        await self.close()

    async def close(self) -> None:
        await self._there(self._close_service())
        self.thread.release()

    async def call(self, verb: Callable[[Service], Coroutine[Any, Any, T]]) -> T:
        return await self._there(self._apply(verb))

    async def iterate(self, source: Callable[[Service], AsyncGenerator[T, None]]) -> AsyncGenerator[T, None]:
        local = asyncio.get_running_loop() is self.thread.loop
        async with aclosing(source(self.service()) if local else self._from_afar(source)) as items:
            async for item in items:
                yield item

    # --- crossing from another event loop ---------------------------------------------------------

    async def _there(self, work: Coroutine[Any, Any, T]) -> T:
        if asyncio.get_running_loop() is self.thread.loop:
            return await work
        job = self.thread.start(work)
        try:
            return await asyncio.wrap_future(job.future)
        except asyncio.CancelledError:
            job.cancel()
            raise

    async def _from_afar(self, source: Callable[[Service], AsyncGenerator[T, None]]) -> AsyncGenerator[T, None]:
        here, queue = asyncio.get_running_loop(), asyncio.Queue[T | None]()

        def put(item: T | None) -> None:
            if not here.is_closed():
                here.call_soon_threadsafe(queue.put_nowait, item)

        async def pump() -> None:
            async with aclosing(source(self.service())) as items:
                async for item in items:
                    put(item)

        job = self.thread.start(pump())
        job.future.add_done_callback(lambda _: put(None))
        try:
            while (item := await queue.get()) is not None:
                yield item
            job.future.result()
        finally:
            job.cancel()

    async def _apply(self, verb: Callable[[Service], Coroutine[Any, Any, T]]) -> T:
        return await verb(self.service())

    async def _close_service(self) -> None:
        if self._live is not None:
            self._live.close()
        await self.generations.aclose()
        if self._service is not None:
            await self._service.aclose()

    def service(self) -> Service:
        if self._service is None:
            from jupyter_uml.service import Service

            self._service = Service.create()
        return self._service

    def live(self) -> Live:
        from jupyter_uml.client.local_live import live_of

        self._live = self._live or live_of(self.service())
        return self._live


def _at_exit() -> None:
    """Clients that were never closed leave no model behind."""
    room = _Room.current
    if room is not None and room.pid == os.getpid():
        _Room.current = None
        room.thread.start(room.close()).wait(CANCEL_SECONDS)


def _after_fork() -> None:
    _Room.lock = threading.Lock()  # the parent may have held it


atexit.register(_at_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
