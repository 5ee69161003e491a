"""Who used which model how much. Recording takes no time of the request: it is written a moment later, with others."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Collection
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

from jupyter_uml.access import usage_table
from jupyter_uml.access.database import Database, Work
from jupyter_uml.access.disk_trouble import DiskTrouble, OnFullDisk
from jupyter_uml.access.group_writer import Job
from jupyter_uml.access.usage_table import Grouping, UsageRecord, UsageSum
from jupyter_uml.errors import UmlError

MOST_BUFFERED = 20_000  # records that wait for the disk,
MOST_BUFFERED_TEXT = 64 << 20  # and characters of their prompts
LONGEST_PROMPT = 32 << 10  # characters
WRITTEN_AT_ONCE = 500
MOST_RECORDS_SHOWN = 1000
_TIDY_EVERY = 60.0  # seconds


@dataclass(frozen=True, slots=True)
class Retention:
    """Single records go by age and by the size of the database; the sums by day stay much longer."""

    days: float = 30.0
    max_bytes: int = 1 << 30
    sum_days: float = 730.0


class Usage:
    """`on_full_disk`: what `check` says while records cannot be written."""

    def __init__(
        self,
        database: Database,
        *,
        retention: Retention | None = None,
        on_full_disk: OnFullDisk = "go_on",
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._database, self._retention, self._wall = database, retention or Retention(), wall
        self.trouble = DiskTrouble("usage records", on_full_disk)
        self._buffer: deque[UsageRecord] = deque()  # filled by the event loop, emptied by the writer
        self._came, self._went = _Total(), _Total()  # each changed by one of the two only
        self._tidy_due = time.monotonic() + _TIDY_EVERY
        self._tidying: Future[bool] | None = None
        self._flushing: asyncio.Future[None] | None = None
        database.add_source(self._to_write)
        database.add_source(self._to_drop)

    @property
    def lost(self) -> int:
        """Records for which there was no room, neither on the disk nor in memory."""
        return self.trouble.lost

    def check(self) -> None:
        """Before a request is let in.

        Raises:
            RecordsUnavailable: the disk takes no records, and `on_full_disk` is `refuse`.
        """
        self.trouble.check()

    def record(self, record: UsageRecord) -> None:
        """Never waits and never fails. In the file a quarter of a second later, or when `flush` returns."""
        text = self._came.text - self._went.text
        if len(self._buffer) >= MOST_BUFFERED or text >= MOST_BUFFERED_TEXT:
            self.trouble.lost += 1
            self.trouble.begins("too many records wait")
            return
        if record.prompt is not None:
            record = replace(record, prompt=record.prompt[:LONGEST_PROMPT])
        self._came.add(record)
        self._buffer.append(record)

    async def flush(self) -> None:
        """Returns when all that was recorded before is in the file: no end of a process takes it away.

        Raises:
            UmlError: the disk did not take it. It is tried again with what comes.
        """
        came = self._came.records
        while self._went.records < came:
            await asyncio.shield(self._shared_flush())
            if self.trouble.now:
                raise UmlError("The usage records could not be written; the server's log says why.")

    def _shared_flush(self) -> asyncio.Future[None]:
        """One for all who wait for it; who comes too late for it shares the next."""
        if self._flushing is None or self._flushing.done():
            self._flushing = asyncio.ensure_future(self._database.flush())
            self._flushing.add_done_callback(lambda done: done.cancelled() or done.exception())
        return self._flushing

    async def sums(
        self,
        by: Collection[Grouping] = ("key", "model", "day"),
        *,
        since: str | None = None,
        until: str | None = None,
        principal: str | None = None,
        model: str | None = None,
    ) -> list[UsageSum]:
        """All that ended before this call. Days in UTC as `2026-11-22`, both included.

        Raises:
            InvalidRequest: a grouping that there is not.
            UmlError: the database cannot be read.
        """
        work = usage_table.sums(by, since, until, principal, model)
        await self._settle()
        return await self._database.read(work)

    async def records(
        self, most: int = 100, *, principal: str | None = None, model: str | None = None
    ) -> list[UsageRecord]:
        """The newest first, as far as they are kept.

        Raises:
            UmlError: the database cannot be read.
        """
        await self._settle()
        return await self._database.read(usage_table.records(min(most, MOST_RECORDS_SHOWN), principal, model))

    async def _settle(self) -> None:
        """What the disk does not take is missing from the answer, which is no reason to give none."""
        with suppress(UmlError):
            await self.flush()

    # --- in the writer's thread ---

    def _to_write(self) -> Job[Work] | None:
        if not self._buffer:
            return None
        records = [self._buffer[i] for i in range(min(len(self._buffer), WRITTEN_AT_ONCE))]
        job: Job[Work] = Job(usage_table.insert(records))
        job.future.add_done_callback(partial(self._written, len(records)))
        return job

    def _written(self, count: int, done: Future[None]) -> None:
        if (error := done.exception()) is not None:
            self.trouble.begins(error)
            return
        for _ in range(count):
            self._went.add(self._buffer.popleft())
        self.trouble.is_over()

    def _to_drop(self) -> Job[Work] | None:
        if time.monotonic() < self._tidy_due:
            return None
        self._tidy_due = time.monotonic() + _TIDY_EVERY
        keep, now = self._retention, self._wall()
        days_before = usage_table.day_of(now - keep.sum_days * 86400)
        job: Job[Work] = Job(usage_table.drop_old(now - keep.days * 86400, keep.max_bytes, days_before))
        job.future.add_done_callback(self._dropped)
        return job

    def _dropped(self, done: Future[bool]) -> None:
        if done.exception() is None and done.result():
            self._tidy_due = 0.0  # there is more


@dataclass(slots=True)
class _Total:
    records: int = 0
    text: int = 0  # characters of prompts

    def add(self, record: UsageRecord) -> None:
        self.text += len(record.prompt or "")
        self.records += 1
