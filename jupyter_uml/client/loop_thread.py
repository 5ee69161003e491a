"""A daemon thread that runs an event loop, so that synchronous code can use the asynchronous client.

All synchronous clients of a process share one. It ends with the last of them.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from concurrent.futures import Future, wait
from typing import Any, ClassVar, Generic, Protocol, TypeVar
from weakref import WeakSet

T = TypeVar("T")

# On Windows an interrupt does not wake a thread that waits; elsewhere it does.
_SLICE = 0.2 if os.name == "nt" else None
CANCEL_SECONDS = 5.0  # that an interrupted caller waits for the loop to have let go of its connection
FAREWELL_SECONDS = 1.0  # that a loop which ends waits for answers nobody has closed


class Detachable(Protocol):
    """A stream."""

    async def detach(self) -> None: ...


class Job(Generic[T]):
    """A coroutine under way on the loop's thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, T]) -> None:
        self.future: Future[T] = Future()
        self._loop = loop
        self._work = work
        self._task: asyncio.Task[None] | None = None
        self.future.set_running_or_notify_cancel()  # only the loop ends it
        loop.call_soon_threadsafe(self._begin)  # carries the caller's context, and so the cell it belongs to

    def result(self) -> T:
        """Waits. An exception in the waiting thread, such as KeyboardInterrupt, cancels the job first."""
        try:
            while not wait([self.future], _SLICE).done:
                pass
            return self.future.result()
        except BaseException:
            if not self.future.done():
                self.cancel()
                self.wait(CANCEL_SECONDS)
            raise

    def cancel(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended, and all work with it
            self._loop.call_soon_threadsafe(self._cancel)

    def wait(self, seconds: float | None = None) -> None:
        """Until it is over, however it ended."""
        with contextlib.suppress(TimeoutError):
            self.future.exception(seconds)

    def _begin(self) -> None:
        self._task = self._loop.create_task(self._run())
        self._task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not self.future.done():  # it was cancelled before it ran at all
            self._work.close()
            self.future.set_exception(asyncio.CancelledError())

    def _cancel(self) -> None:
        """Once: a second time would cut short how it ends."""
        if self._task is not None and not self._task.cancelling():
            self._task.cancel()

    async def _run(self) -> None:
        try:
            self.future.set_result(await self._work)
        except BaseException as error:
            self.future.set_exception(error)
            if isinstance(error, KeyboardInterrupt | SystemExit):
                raise


class LoopThread:
    """Use it through `acquire` and `release`, which share one among all clients of the process."""

    _shared: ClassVar[LoopThread | None] = None
    _lock: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.loop = asyncio.new_event_loop()
        self._users = 0
        self._streams: WeakSet[Detachable] = WeakSet()
        self._thread = threading.Thread(target=self._main, name="jupyter_uml", daemon=True)
        self._thread.start()

    @classmethod
    def acquire(cls) -> LoopThread:
        """The process's loop thread. A forked child starts one of its own: threads do not survive a fork."""
        with cls._lock:
            if cls._shared is None or cls._shared.pid != os.getpid():
                cls._shared = cls()
            cls._shared._users += 1
            return cls._shared

    def release(self, close: Callable[[], Coroutine[Any, Any, None]] | None = None) -> None:
        """The last user's release ends the thread. `close` gives back what was opened meanwhile by work that has gone
        on; it is called when that is over."""
        with LoopThread._lock:
            self._users -= 1
            if self._users > 0:
                return
            if LoopThread._shared is self:
                LoopThread._shared = None
        self._stop(close)

    def start(self, work: Coroutine[Any, Any, T]) -> Job[T]:
        """Begins `work` on the loop and returns at once."""
        return Job(self.loop, work)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs `work` on the loop and waits for it."""
        if threading.current_thread() is self._thread:
            work.close()
            raise RuntimeError("the synchronous client cannot be used inside its own event loop; use its `aio`")
        return self.start(work).result()

    def iterate(self, items: AsyncGenerator[T, None]) -> Generator[T, None, None]:
        """`items`, made synchronous; left early or interrupted, and be it twice, `items` is closed."""
        steps = _Steps(items)
        try:
            while (item := self.run(steps.next())) is not _END:
                yield item
        finally:
            self.run(steps.close())

    async def there(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs `work` on the loop for a caller on another one. Cancelling the caller cancels it, and waits for that."""
        if asyncio.get_running_loop() is self.loop:
            return await work
        job = self.start(work)
        try:
            return await asyncio.wrap_future(job.future)
        except asyncio.CancelledError:
            job.cancel()
            await asyncio.gather(asyncio.wrap_future(job.future), return_exceptions=True)
            raise

    async def follow(self, items: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
        """`items`, which belong to the loop, for a reader on another one; left early, `items` is closed."""
        try:
            while (item := await self.there(_next(items))) is not _END:
                yield item
        finally:
            await asyncio.shield(self.there(items.aclose()))

    def look_after(self, stream: Detachable) -> None:
        """Leave it when the loop ends, if it is there still. The loop itself closes generators all at once, also those
        that others are just closing, and complains."""
        self._streams.add(stream)

    def _stop(self, close: Callable[[], Coroutine[Any, Any, None]] | None = None) -> None:
        """Cancels what is still running and ends the thread."""
        if self.loop.is_closed() or self.pid != os.getpid():
            return
        Job(self.loop, self._end(close))
        if threading.current_thread() is not self._thread:
            self._thread.join()

    async def _end(self, close: Callable[[], Coroutine[Any, Any, None]] | None) -> None:
        try:
            async with asyncio.timeout(FAREWELL_SECONDS):
                await asyncio.gather(*(stream.detach() for stream in self._streams), return_exceptions=True)
                others = asyncio.all_tasks() - {asyncio.current_task()}
                for task in others:
                    task.cancel()
                await asyncio.gather(*others, return_exceptions=True)
                if close is not None:
                    await close()
        finally:
            self.loop.stop()

    def _main(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self.loop) as runner:
            runner.get_loop().run_forever()

    @classmethod
    def _at_exit(cls) -> None:
        if cls._shared is not None:
            cls._shared._stop()

    @classmethod
    def _after_fork(cls) -> None:
        cls._lock = threading.Lock()  # the parent may have held it


_END: Any = object()


async def _next(items: AsyncGenerator[T, None]) -> T:
    return await anext(items, _END)


class _Steps(Generic[T]):
    """Through a generator. The last one may be under way still when whoever waited for it was interrupted again."""

    def __init__(self, items: AsyncGenerator[T, None]) -> None:
        self._items = items
        self._step: asyncio.Task[Any] | None = None

    async def next(self) -> T:
        self._step = asyncio.current_task()
        return await _next(self._items)

    async def close(self) -> None:
        if self._step is not None and not self._step.done():
            if not self._step.cancelling():
                self._step.cancel()
            await asyncio.wait([self._step])
        await self._items.aclose()


atexit.register(LoopThread._at_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=LoopThread._after_fork)
