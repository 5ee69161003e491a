"""Checksums of model files that nobody tells us: computed once they are in use, so that copies are known as such."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from jupyter_uml.errors import UmlError
from jupyter_uml.loader.catalog.catalog import Catalog
from jupyter_uml.loader.catalog.entry import CatalogEntry
from jupyter_uml.loader.catalog.facts_cache import Identity

DELAY = 5.0  # seconds after the first use of a model: its first answers go before
MOST_COPIES = 4  # files that are as long as one that is in use, and are read because of it


class Checksums:
    """Lives on one event loop. One file at a time is read, by a child process that yields to all others."""

    def __init__(self, catalog: Catalog, delay: float = DELAY) -> None:
        self._catalog, self._delay = catalog, delay
        self._seen: set[Identity] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    def want(self, entry: CatalogEntry) -> None:
        """A model is in use: find out the checksum of its file, some time, and of what may be copies of it.

        What cannot be read now is let be. A model of several files has none.
        """
        if self._closed or len(entry.files) != 1 or entry.files[0].identity in self._seen:
            return
        self._seen.add(entry.files[0].identity)
        task = asyncio.create_task(self._compute(entry), name=f"checksum of {entry.id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        self._closed = True
        for task in (tasks := list(self._tasks)):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _compute(self, entry: CatalogEntry) -> None:
        await asyncio.sleep(self._delay)
        for name in (entry.id, *self._perhaps_copies(entry)):
            with suppress(UmlError, OSError):
                await self._catalog.sha256(name)

    def _perhaps_copies(self, entry: CatalogEntry) -> list[str]:
        """Ids of models whose file is as long, to the byte."""
        others = (each for each in self._catalog.entries().values() if each.base is None and each.id != entry.id)
        same = (each for each in others if len(each.files) == 1 and each.size_bytes == entry.size_bytes)
        return [each.id for each in same if each.sha256 is None][:MOST_COPIES]
