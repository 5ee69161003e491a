"""The names of the models, for completion: at once, and never an error."""

from __future__ import annotations

import time

from jupyter_uml.client import UniversalClient
from jupyter_uml.client.loop_thread import Job
from jupyter_uml.types import ModelStatus

FRESH_SECONDS = 5.0
PATIENCE_SECONDS = 0.3  # that a person does not notice while typing


class KnownModels:
    """A list that comes too late is there the next time."""

    def __init__(self) -> None:
        self._rows: list[ModelStatus] = []
        self._time = float("-inf")
        self._job: Job[list[ModelStatus]] | None = None

    def names(self, client: UniversalClient) -> tuple[str, ...]:
        """Of what can be loaded, with their aliases; those in use first."""
        if time.monotonic() - self._time > FRESH_SECONDS:
            if self._job is None:
                self._job = client.background.start(client.aio.models())
            self._job.wait(PATIENCE_SECONDS)
            self._take()
        return tuple(dict.fromkeys(name for row in self._rows for name in (row.id, *row.aliases)))

    def profiles(self, client: UniversalClient) -> tuple[str, ...]:
        self.names(client)
        return tuple(row.id for row in self._rows if row.base)

    def _take(self) -> None:
        job = self._job
        if job is None or not job.future.done():
            return
        self._job = None
        if job.future.exception() is None:
            self._time = time.monotonic()
            self._rows = [row for row in job.future.result() if row.reason is None]
            self._rows.sort(key=lambda row: row.state in ("available", "failed"))
