"""The headers of the files that were asked for last: an estimate that follows a slider reads its model once."""

from __future__ import annotations

import asyncio
import os
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from jupyter_uml.errors import GenerationAborted
from jupyter_uml.loader.catalog.facts_cache import Identity
from jupyter_uml.loader.catalog.gguf_file import GgufFile
from jupyter_uml.loader.memory.shape import joined

MOST_MODELS = 16  # a header of 1,000 tensors takes half a megabyte
LOOK_SECONDS = 5.0  # for a disk to say whether its files are still the same

Read = Callable[[Sequence[Path]], Awaitable[list[GgufFile]]]
Key = tuple[Identity, ...]


class Headers:
    """Lives on one event loop. `read`: as `Inspector.headers`."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._known: OrderedDict[Key, asyncio.Task[GgufFile]] = OrderedDict()

    async def of(self, paths: Sequence[Path]) -> GgufFile:
        """The header of a model, its parts joined. Who asks for the same at the same time waits for one reading.

        Raises:
            BrokenFile, Unreadable, OSError: as `Inspector.headers`; TimeoutError (an OSError): the disk hangs.
            GenerationAborted: it was closed meanwhile.
        """
        async with asyncio.timeout(LOOK_SECONDS):
            key = await asyncio.to_thread(_identities, paths)
        if key not in self._known:
            self._known[key] = asyncio.create_task(self._joined(paths), name="read header")
            self._known[key].add_done_callback(lambda task: self._read_once(key, task))
        self._known.move_to_end(key)
        while len(self._known) > MOST_MODELS:
            self._known.popitem(last=False)
        reading = self._known[key]
        await asyncio.wait([reading])  # who is cancelled meanwhile leaves it to the others
        if reading.cancelled():
            raise GenerationAborted("The server is stopping.")
        return reading.result()

    async def close(self) -> None:
        """End what is being read."""
        reading = list(self._known.values())
        for task in reading:
            task.cancel()
        await asyncio.gather(*reading, return_exceptions=True)

    async def _joined(self, paths: Sequence[Path]) -> GgufFile:
        return joined(await self._read(paths))

    def _read_once(self, key: Key, task: asyncio.Task[GgufFile]) -> None:
        """What could not be read is tried again."""
        if (task.cancelled() or task.exception() is not None) and self._known.get(key) is task:
            del self._known[key]


def _identities(paths: Sequence[Path]) -> Key:
    return tuple(Identity.of(os.stat(path)) for path in paths)
