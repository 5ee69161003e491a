"""One sqlite file for all that must outlive the server: keys, usage, and what the limits remember.

One thread writes, in groups: an awaited write returns when it is on the disk, and all that wait share one commit. What
only comes from sources is in the file, where no end of a process can harm it, and on the disk with the next such write
or a little later: a power failure may take the last seconds of it.
Readers have connections of their own and wait for nobody. Several servers of one user share the file: their
transactions are short, and each waits its turn.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from operator import methodcaller
from pathlib import Path
from typing import Any, TypeVar

from jupyter_uml.access.database_file import (
    connect_for_reading,
    file_identity,
    is_damage,
    look_for_damage,
    open_database,
    storage_error,
)
from jupyter_uml.access.group_writer import GroupWriter, Job
from jupyter_uml.access.schema import MIGRATIONS
from jupyter_uml.errors import UmlError

TICK = 0.25  # seconds between two looks for what the sources have
READERS = 2  # threads

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], Any]  # runs inside a transaction; an exception undoes what it did
Source = Callable[[], Job[Work] | None]  # called in the writer's thread: what there is to be written by now

log = logging.getLogger(__name__)


def _nothing(_: sqlite3.Connection) -> None:
    """What `flush` writes beside that which the sources have."""


class Database:
    """Close it, or what waits to be written is lost with the process.

    Raises:
        UmlError: it cannot be opened (see `open_database`).
    """

    def __init__(
        self, path: Path, *, migrations: Sequence[str] = MIGRATIONS, max_bytes: int | None = None, tick: float = TICK
    ) -> None:
        self.path = path
        self._migrations, self._max_bytes = migrations, max_bytes
        self._connection = open_database(path, migrations, max_bytes)
        self._identity: tuple[int, int] | None = file_identity(path)  # None: not open
        self._told = ""
        self._sources: list[Source] = []
        self._readers = ThreadPoolExecutor(READERS, "uml-reader")
        self._writer: GroupWriter[Work] = GroupWriter("uml-writer", self._write, tick)

    # --- for everybody ---

    def submit(self, work: Callable[[sqlite3.Connection], T]) -> Future[T]:
        """Has the result of `work` when it is on the disk. A future that is cancelled in time is not worked on.

        Raises (the future, too):
            InsufficientDisk: no room.
            Overloaded: another process has held the file for too long, or too much is waiting.
            UmlError: anything else that is wrong with the file.
        """
        return self._writer.submit(work)

    async def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """`submit`, awaited."""
        return await asyncio.wrap_future(self.submit(work))

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """What `work` finds: one state of the file, all that was acknowledged before included.

        Raises:
            UmlError: as `submit`.
        """
        return await asyncio.get_running_loop().run_in_executor(self._readers, self.read_now, work)

    def read_now(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """`read` for threads that may wait."""
        try:
            with closing(connect_for_reading(self.path)) as connection:
                connection.execute("BEGIN")
                return work(connection)
        except sqlite3.Error as error:
            if is_damage(error):
                self.submit(self._look_again)
            raise storage_error(error) from error

    def add_source(self, source: Source) -> None:
        """Asked with every group, and every `TICK` seconds: for what is written without anybody waiting for it."""
        self._sources.append(source)

    async def flush(self) -> None:
        """Returns when everything that the sources have by now is in the file, or the disk did not take it."""
        await self.write(_nothing)

    def close(self) -> None:
        """Writes what waits. Blocks for as long as that takes."""
        self._readers.shutdown()
        self._writer.close()
        self._write([])
        self._connection.close()

    # --- in the writer's thread ---

    def _write(self, jobs: list[Job[Work]]) -> None:
        # The sources first: who waits for `flush` shall find that they know how it went.
        group = [*(job for source in self._sources if (job := source()) is not None), *jobs]
        try:
            self._stay_with_the_name()
            if group:
                self._write_group(group, lasting=any(job.item is not _nothing for job in jobs))
        except UmlError as error:
            for job in group:
                job.failed(error.copy())

    def _write_group(self, group: list[Job[Work]], *, lasting: bool) -> None:
        """`lasting`: on the disk when it returns, else in the file."""
        try:
            self._connection.execute(f"PRAGMA synchronous = {'FULL' if lasting else 'NORMAL'}")
            self._commit(group)
        except sqlite3.Error as error:
            if is_damage(error):
                self._reopen(damaged=self._identity)
            # One of the group may have been too much for the disk: each for itself, so that the others pass.
            for job in group:
                self._write_alone(job)

    def _write_alone(self, job: Job[Work]) -> None:
        try:
            self._commit([job])
        except sqlite3.Error as error:
            self._alarm(str(error))
            job.failed(storage_error(error))

    def _commit(self, group: list[Job[Work]]) -> None:
        """
        Raises:
            sqlite3.Error: nothing of it was written, and nobody has been told.
        """
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            outcomes = [self._attempt(job.item) for job in group]
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        self._told = ""
        for job, outcome in zip(group, outcomes, strict=True):
            outcome(job)

    def _attempt(self, work: Work) -> Callable[[Job[Work]], None]:
        """How the job ends, if the group is committed. An error of its own undoes it alone."""
        self._connection.execute("SAVEPOINT job")
        try:
            result = work(self._connection)
        except Exception as error:
            if isinstance(error, sqlite3.Error) and not isinstance(error, sqlite3.IntegrityError):
                raise
            self._connection.execute("ROLLBACK TO job")
            outcome = methodcaller("failed", error)
        else:
            outcome = methodcaller("done", result)
        self._connection.execute("RELEASE job")
        return outcome

    def _stay_with_the_name(self) -> None:
        """Somebody may have deleted the file, or moved it aside: writing on into the old one would lose everything."""
        if file_identity(self.path) != self._identity:
            self._alarm("it was removed or replaced while it was in use; what is there now is used from here on")
            self._reopen()

    def _look_again(self, _: sqlite3.Connection) -> None:
        """A reader found damage. The writer's own connection may still see what it remembers of the file."""
        with closing(connect_for_reading(self.path)) as fresh:
            look_for_damage(fresh)

    def _reopen(self, damaged: tuple[int, int] | None = None) -> None:
        self._connection.close()
        self._identity = None
        try:
            self._connection = open_database(self.path, self._migrations, self._max_bytes, damaged)
        except UmlError as error:
            self._alarm(error.message)
            raise
        self._identity = file_identity(self.path)

    def _alarm(self, what: str) -> None:
        """Once for each trouble, not four times a second."""
        if what != self._told:
            log.critical("%s: %s", self.path, what)
            self._told = what
