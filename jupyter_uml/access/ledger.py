"""What the limits remember over a restart, and between the servers of one user: who was admitted in which second.

A few rows a second at most, written with whatever else is written, a quarter of a second late. Seconds are those since
the machine was started: setting the clock changes nothing. Only after the machine itself was started anew does the
calendar have to say how long ago something was, and then never more than "just now".
"""

from __future__ import annotations

import secrets
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Any

from jupyter_uml.access.clock import boot_id, steady
from jupyter_uml.access.database import Database, Work
from jupyter_uml.access.group_writer import Job

HORIZON = 3600  # seconds, the longest window
_TIDY_EVERY = 60.0  # seconds


@dataclass(frozen=True, slots=True)
class Admission:
    """So many requests and tokens of a principal at a time on the `steady` clock.

    Negative tokens were given back, of those in the same `second`.
    """

    principal: str
    time: float
    requests: int
    tokens: int

    @property
    def second(self) -> int:
        return int(self.time)


_Pending = dict[tuple[str, int], Admission]  # sums, by principal and second


class Ledger:
    """Notes of this server, and news of others. `boot`: names the time in which `steady` runs on."""

    def __init__(
        self,
        database: Database,
        *,
        steady: Callable[[], float] = steady,
        wall: Callable[[], float] = time.time,
        boot: str | None = None,
    ) -> None:
        self._steady, self._wall, self._boot = steady, wall, boot_id() if boot is None else boot
        self._server = secrets.token_hex(8)
        self._pending: _Pending = {}
        self._lock = threading.Lock()
        self._news: deque[Admission] = deque()
        self._last_id, past = database.read_now(self._past)
        self._news.extend(past)
        self._tidy_due = steady() + _TIDY_EVERY
        database.add_source(self._what_is_new)

    def note(self, admission: Admission) -> None:
        with self._lock:
            key = (admission.principal, admission.second)
            self._pending[key] = _sum(self._pending.get(key), admission)

    def news(self) -> Iterator[Admission]:
        """What other servers admitted, and this user's servers before; each is told once."""
        while self._news:
            yield self._news.popleft()

    # --- in the writer's thread ---

    def _what_is_new(self) -> Job[Work] | None:
        with self._lock:
            pending, self._pending = self._pending, {}
        if not pending:
            return None
        job: Job[Work] = Job(partial(self._exchange, pending))
        job.future.add_done_callback(partial(self._exchanged, pending))
        return job

    def _exchange(self, pending: _Pending, connection: sqlite3.Connection) -> Any:
        """Writes ours and reads the others'."""
        ahead = self._wall() - self._steady()
        rows = [
            (
                self._server,
                self._boot,
                admitted.principal,
                admitted.time,
                admitted.time + ahead,
                admitted.requests,
                admitted.tokens,
            )
            for admitted in pending.values()
            if admitted.requests or admitted.tokens
        ]
        connection.executemany(
            "INSERT INTO admissions (server, boot, principal, steady, wall, requests, tokens) VALUES (?,?,?,?,?,?,?)",
            rows,
        )
        self._tidy(connection)
        return self._since(connection, self._last_id)

    def _exchanged(self, pending: _Pending, done: Future[Any]) -> None:
        if done.exception() is None:
            self._last_id, others = done.result()
            self._news.extend(others)
            return
        for admitted in pending.values():
            if (
                admitted.time > self._steady() - HORIZON
            ):  # else it does not count any more, however long the disk is full
                self.note(admitted)

    def _past(self, connection: sqlite3.Connection) -> tuple[int, list[Admission]]:
        return self._since(connection, 0)

    def _since(self, connection: sqlite3.Connection, last_id: int) -> tuple[int, list[Admission]]:
        """What others wrote after this row, summed up by second, oldest first; and the last row there is."""
        newest = connection.execute("SELECT coalesce(max(id), 0) FROM admissions").fetchone()[0]
        rows = connection.execute(
            "SELECT principal, boot, max(steady), max(wall), sum(requests), sum(tokens) FROM admissions"
            " WHERE id > ? AND server != ? AND iif(boot = ? AND boot != '', steady > ?, wall > ?)"
            " GROUP BY principal, boot, CAST(steady AS INTEGER)",
            (last_id, self._server, self._boot, self._steady() - HORIZON, self._wall() - HORIZON),
        )
        return newest, sorted(self._admissions(rows), key=lambda admission: admission.time)

    def _admissions(self, rows: Iterable[tuple[Any, ...]]) -> Iterator[Admission]:
        now, today = self._steady(), self._wall()
        for principal, boot, moment, wall, requests, tokens in rows:
            same_boot = bool(boot) and boot == self._boot
            age = max(0.0, now - moment if same_boot else today - wall)
            yield Admission(principal, now - age, requests, tokens)

    def _tidy(self, connection: sqlite3.Connection) -> None:
        if self._steady() < self._tidy_due:
            return
        self._tidy_due = self._steady() + _TIDY_EVERY
        today = self._wall()
        connection.execute(
            "DELETE FROM admissions WHERE iif(boot = ? AND boot != '', steady < ?, wall < ? OR wall > ?)",
            (self._boot, self._steady() - HORIZON - 60, today - HORIZON - 60, today + HORIZON),
        )


def _sum(before: Admission | None, more: Admission) -> Admission:
    """Of one second: what came in it counts as if it had come last."""
    if before is None:
        return more
    time = max(before.time, more.time)
    return Admission(more.principal, time, before.requests + more.requests, before.tokens + more.tokens)
