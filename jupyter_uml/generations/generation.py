"""One generation: its work in a task of its own, and the log of what came of it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Generic, TypeVar

from jupyter_uml.errors import GenerationAborted, Overloaded, UmlError
from jupyter_uml.generations.log import Log
from jupyter_uml.generations.written import WrittenAnswer
from jupyter_uml.types import GenerationLabel, GenerationState, GenerationStatus

log = logging.getLogger(__name__)

T = TypeVar("T")
# Writes the generation's items. It ends when they are all there, or raises why they are not.
Work = Callable[["Generation[T]"], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Asked:
    """Whose a generation is and what was asked. `id`: made by whoever asks, so that asking twice is asking once.

    `digest`: of all that makes a request another one. `kernel`: whose notebook asks.
    """

    owner: str
    id: str
    digest: bytes
    label: GenerationLabel
    kernel: str | None = None

    @property
    def key(self) -> tuple[str, str]:
        """Two owners may have the same id."""
        return self.owner, self.id


class Generation(Generic[T]):
    """Made by `Generations`. `answer`: what has come, for people. `tokens`: how many. `read`: somebody had its end.

    `error_is_logged`: the last item tells readers why it failed, else they are told by the error itself.
    """

    def __init__(self, asked: Asked, wrote: Callable[[Generation[T], int], None], most_readers: int) -> None:
        """`wrote`: told of every item's bytes."""
        self.asked = asked
        self.created = time.time()
        self.state: GenerationState = "running"
        self.error: UmlError | None = None
        self.answer = WrittenAnswer()
        self.tokens = 0
        self.read = self.error_is_logged = False
        self.log: Log[T] = Log()
        self._wrote, self._most_readers = wrote, most_readers
        self._readers = 0
        self._task: asyncio.Task[None] | None = None

    def start(self, work: Work[T]) -> asyncio.Task[None]:
        self._task = asyncio.create_task(self._run(work), name=f"generation {self.asked.id}")
        self._task.add_done_callback(self._never_began)
        return self._task

    @property
    def is_running(self) -> bool:
        return self.state == "running"

    @property
    def failed_at_once(self) -> bool:
        """There is nothing of it but the error: to ask again is to begin anew."""
        return self.state == "failed" and not self.log.last

    def status(self) -> GenerationStatus:
        label = self.asked.label
        return GenerationStatus(
            self.asked.id,
            self.answer.model,
            self.state,
            label.kind,
            label.cell,
            self.asked.kernel,
            label.question,
            self.created,
            self.tokens,
            self.error.message if self.error and self.state == "failed" else None,
            self.read,
        )

    def add(self, item: T, size: int) -> None:
        """`size`: its bytes in memory."""
        self.log.append(item, size)
        self._wrote(self, size)

    async def items(self, after: int = 0) -> AsyncGenerator[tuple[int, T], None]:
        """As `Log.read`. Whoever leaves early ends nothing.

        Raises:
            Overloaded: too many read it already.
            UmlError: as `Log.read`.
        """
        if self._readers >= self._most_readers:
            raise Overloaded("Too many read this generation at the same time.", retry_after=1)
        self._readers += 1
        try:
            async with aclosing(self.log.read(after)) as items:
                async for item in items:
                    yield item
        finally:
            self._readers -= 1

    async def stop(self) -> None:
        """End it; returns when nothing of it runs any more. What has come is kept."""
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task])

    def cancel(self) -> None:
        """The same without waiting."""
        if self._task is not None:
            self._task.cancel()

    async def _run(self, work: Work[T]) -> None:
        try:
            await work(self)
        except asyncio.CancelledError:
            self._end_stopped()
        except UmlError as error:
            self._end("failed", error.copy())
        except Exception:
            log.exception("a generation failed")
            self._end("failed", UmlError("Something went wrong. The log tells more."))
        else:
            self._end("done")

    def _never_began(self, _task: asyncio.Task[None]) -> None:
        """A task that is cancelled before its first step runs nothing, not even what would say so."""
        if self.is_running:
            self._end_stopped()

    def _end_stopped(self) -> None:
        self._end("stopped", GenerationAborted("The generation was stopped."))

    def _end(self, state: GenerationState, error: UmlError | None = None) -> None:
        self.state, self.error = state, error
        self.log.end(None if self.error_is_logged else error)
