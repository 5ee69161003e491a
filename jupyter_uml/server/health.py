"""Two questions of whoever runs this server: is it alive, and may requests be sent to it?"""

from __future__ import annotations

import asyncio
import tempfile
import time
from http import HTTPStatus
from pathlib import Path
from typing import Any

from jupyter_uml.server.base import OPEN, UmlHandler

DISK_SECONDS = 2.0  # a disk that takes longer cannot be relied on
TRIAL_SECONDS = 1.0  # between two trials of the disk, however often anybody asks


class Readiness:
    """What must be so before requests are of use. Whoever builds the server says so when it has come about."""

    def __init__(self, state: Path | None = None) -> None:
        """`state`: the folder in which the server keeps what must outlive it; None: it keeps nothing."""
        self._state = state
        self._trial: asyncio.Future[bool] | None = None
        self._tried = 0.0
        self.scanned = False  # the models were looked for once
        self.stopping = False

    async def checks(self) -> dict[str, bool]:
        """All of it, by name."""
        return {
            "running": not self.stopping,
            "models_scanned": self.scanned,
            "state_writable": self._state is None or await self._can_write(self._state),
        }

    async def _can_write(self, folder: Path) -> bool:
        """By writing, since neither a full disk nor one that hangs shows in the folder's mode. One trial at a time: on
        a disk that hangs each of them would keep a thread."""
        now = time.monotonic()
        if self._trial is None or (self._trial.done() and now - self._tried >= TRIAL_SECONDS):
            self._trial, self._tried = asyncio.ensure_future(asyncio.to_thread(_write, folder)), now
        done, _ = await asyncio.wait([self._trial], timeout=DISK_SECONDS)
        return bool(done) and self._trial.result()


def _write(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(4096))
            file.flush()
    except OSError:
        return False
    return True


class LiveHandler(UmlHandler):
    """That it answers is the answer: a server that is only busy, or out of disk, must not be started again for it."""

    scope = OPEN

    async def get(self) -> None:
        self.write_json({"status": "ok"})


class ReadyHandler(UmlHandler):
    """What is missing is for those who may know."""

    scope = OPEN

    def initialize(self, readiness: Readiness, **shared: Any) -> None:  # type: ignore[override]
        super().initialize(**shared)
        self.readiness = readiness

    async def get(self) -> None:
        checks = await self.readiness.checks()
        ready = all(checks.values())
        status = HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE
        known = hasattr(self, "principal") and "models:read" in self.principal.scopes
        self.write_json({"status": "ok" if ready else "not_ready"} | ({"checks": checks} if known else {}), status)


HEALTH_ROUTES: list[tuple[str, type[UmlHandler]]] = [("health/live", LiveHandler), ("health/ready", ReadyHandler)]
