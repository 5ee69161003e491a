"""A thread that writes what came meanwhile in one go: the dearer a write is, the more of them share it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

from jupyter_uml.errors import Overloaded, UmlError

MOST_WAITING = 10_000  # jobs
LARGEST_GROUP = 1000

T = TypeVar("T")
log = logging.getLogger(__name__)


@dataclass(eq=False, slots=True)
class Job(Generic[T]):
    """Something to be written, and who is told: the future has its result when it is on the disk."""

    item: T
    future: Future[Any] = field(default_factory=Future)

    def done(self, result: Any) -> None:
        if not self.future.done():
            self.future.set_result(result)

    def failed(self, error: BaseException) -> None:
        if not self.future.done():
            self.future.set_exception(error)


class GroupWriter(Generic[T]):
    """Calls `write(jobs)` in its thread: with what waits, at once, and with nothing every `tick` seconds."""

    def __init__(self, name: str, write: Callable[[list[Job[T]]], None], tick: float) -> None:
        self._write, self._tick = write, tick
        self._waiting: SimpleQueue[Job[T] | None] = SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def submit(self, item: T) -> Future[Any]:
        """
        Raises:
            Overloaded: too much is waiting.
            UmlError: the writer has been closed.
        """
        if self._closed:
            raise _stopping()
        if self._waiting.qsize() >= MOST_WAITING:
            raise Overloaded("Too many changes wait to be written.", retry_after=1)
        job = Job(item)
        self._waiting.put(job)
        return job.future

    def close(self) -> None:
        """What waits is written first. Blocks until it is."""
        if not self._closed:
            self._closed = True
            self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        going_on = True
        while going_on:
            jobs, going_on = self._gather()
            try:
                self._write(jobs)
            except Exception as error:  # the thread must go on, and nobody may wait for ever
                log.exception("records could not be written")
                for job in jobs:
                    job.failed(error)
        while not self._waiting.empty():  # came while the writer was being closed
            if late := self._waiting.get():
                late.failed(_stopping())

    def _gather(self) -> tuple[list[Job[T]], bool]:
        """The jobs that wait, without those that were cancelled; and whether there will be others."""
        jobs: list[Job[T]] = []
        patience = self._tick
        while len(jobs) < LARGEST_GROUP:
            try:
                job = self._waiting.get(timeout=patience)
            except Empty:
                break
            if job is None:
                return jobs, False
            if job.future.set_running_or_notify_cancel():
                jobs.append(job)
            patience = 0
        return jobs, True


def _stopping() -> UmlError:
    return UmlError("The server is stopping.")
