"""Unloads what nobody has used for long."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable

from jupyter_uml.loader.lifecycle.managed import Managed


class Housekeeper:
    """Sleeps until the first model expires; `look` wakes it when a hold has changed."""

    def __init__(self, models: Iterable[Managed], expired: Callable[[Managed], object]) -> None:
        self._models, self._expired = models, expired
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    def look(self) -> None:
        self._wake.set()
        if self._task is None and not self._closed:
            self._task = asyncio.create_task(self._run(), name="housekeeper")

    async def close(self) -> None:
        self._closed = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            try:
                async with asyncio.timeout(self._tidy(time.monotonic())):
                    await self._wake.wait()
            except TimeoutError:
                pass

    def _tidy(self, now: float) -> float | None:
        """Seconds until the next one expires; None: none will by itself."""
        left = []
        for managed in self._models:
            expires = managed.holds.expires_at
            if expires is None or not managed.idle:
                continue
            if expires <= now:
                self._expired(managed)
            else:
                left.append(expires - now)
        return min(left, default=None)
