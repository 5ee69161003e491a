"""The thread under the synchronous client."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import threading
from collections.abc import AsyncGenerator, Iterator
from contextlib import closing
from functools import partial

import pytest

from jupyter_uml.client import UniversalClient
from jupyter_uml.client.loop_thread import Job, LoopThread
from tests.client.stub_server import Reply, StubServer


@pytest.fixture
def thread() -> Iterator[LoopThread]:
    acquired = LoopThread.acquire()
    yield acquired
    acquired.release()


def test_all_share_one_and_the_last_ends_it() -> None:
    first, second = LoopThread.acquire(), LoopThread.acquire()
    assert first is second
    first.release()
    assert not first.loop.is_closed()
    second.release()
    assert first.loop.is_closed()
    assert "jupyter_uml" not in [thread.name for thread in threading.enumerate()]
    third = LoopThread.acquire()
    assert third is not first
    third.release()


def test_results_and_errors_come_back(thread: LoopThread) -> None:
    async def work(value: int) -> int:
        await asyncio.sleep(0)
        if value < 0:
            raise ValueError("negative")
        return value

    assert thread.run(work(3)) == 3
    with pytest.raises(ValueError, match="negative"):
        thread.run(work(-1))


def test_it_does_not_wait_for_itself(thread: LoopThread) -> None:
    async def inner() -> None: ...

    async def outer() -> None:
        thread.run(inner())

    with pytest.raises(RuntimeError, match="own event loop"):
        thread.run(outer())


def test_a_job_can_be_cancelled(thread: LoopThread) -> None:
    began, ended = threading.Event(), threading.Event()

    async def work() -> None:
        began.set()
        try:
            await asyncio.sleep(9)
        finally:
            ended.set()

    job = thread.start(work())
    assert began.wait(5)
    job.cancel()
    job.wait(5)
    assert ended.is_set()
    with pytest.raises(asyncio.CancelledError):
        job.result()


def test_left_by_two_interrupts_it_is_closed(thread: LoopThread) -> None:
    closed = threading.Event()

    async def items() -> AsyncGenerator[int, None]:
        interrupt = partial(signal.pthread_kill, threading.main_thread().ident, signal.SIGINT)
        try:
            yield 1
            interrupt()
            await asyncio.sleep(9)
        finally:
            interrupt()  # while the caller waits until this is over
            await asyncio.sleep(0.05)
            closed.set()

    with pytest.raises(KeyboardInterrupt), closing(thread.iterate(items())) as each:
        for _ in each:
            pass
    assert closed.wait(5)


def test_a_job_that_is_cancelled_before_it_begins_is_over(thread: LoopThread) -> None:
    began = threading.Event()

    async def work() -> None:
        began.set()

    async def start_and_cancel() -> Job[None]:
        job = thread.start(work())
        job.cancel()
        return job

    job = thread.run(start_and_cancel())
    job.wait(5)
    assert isinstance(job.future.exception(0), asyncio.CancelledError)
    assert not began.is_set()


def test_leaving_an_iteration_closes_its_source(thread: LoopThread) -> None:
    closed = threading.Event()

    async def count() -> AsyncGenerator[int, None]:
        try:
            for number in range(100):
                yield number
        finally:
            closed.set()

    numbers = thread.iterate(count())
    assert next(numbers) == 0
    assert not closed.is_set()
    numbers.close()  # type: ignore[attr-defined]  # it is a generator
    assert closed.is_set()


def test_a_jobs_context_is_its_callers(thread: LoopThread) -> None:
    """A kernel finds the cell that an output belongs to by the context."""
    from contextvars import ContextVar

    cell: ContextVar[str] = ContextVar("cell")
    cell.set("mine")

    async def work() -> str:
        return cell.get()

    assert thread.run(work()) == "mine"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_has_a_thread_of_its_own(stub: StubServer) -> None:
    stub.answer("health", Reply({"status": "ok"}))
    with UniversalClient(stub.url) as client:
        assert client.health().status == "ok"
        child = os.fork()
        if child == 0:
            status = 1
            try:
                status = 0 if client.health().status == "ok" else 2
                client.close()
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert client.health().status == "ok"


def test_what_is_opened_while_a_client_closes_is_closed_too(stub: StubServer) -> None:
    """A connection that nobody closes warns when it is collected, and warnings are errors."""
    stub.answer("models", Reply({"models": []}))
    client, begun = UniversalClient(stub.url), threading.Event()

    async def asking() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            await client.aio.models()

    client.background.start(asking())
    begun.wait()
    client.close()
    gc.collect()
