"""A lock that processes of one machine share. The kernel lets go of it however its holder ends."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

_AGAIN_SECONDS = 0.02  # between two attempts

log = logging.getLogger(__name__)


class FileLock:
    """`path`: the file that is locked; it stays empty."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @asynccontextmanager
    async def held(self, seconds: float) -> AsyncGenerator[None, None]:
        """Wait for the lock, without holding up the loop. After so many seconds it goes on without, and logs that."""
        loop = asyncio.get_running_loop()
        taken, freed, done = asyncio.Event(), asyncio.Event(), threading.Event()

        def tell(event: asyncio.Event) -> None:
            with suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(event.set)

        def hold() -> None:
            try:
                _hold(self._path, lambda: tell(taken), done)
            except OSError as error:
                log.warning("other servers' decisions about memory cannot be waited for: %s", error.strerror)
                tell(taken)
            finally:
                tell(freed)

        threading.Thread(target=hold, name="memory lock", daemon=True).start()
        try:
            await _within(seconds, taken)
            yield
        finally:
            done.set()
            if taken.is_set():
                await freed.wait()


async def _within(seconds: float, taken: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(seconds):
            await taken.wait()
    except TimeoutError:
        log.warning("another server has been deciding about memory for %.0f s: it is not waited for", seconds)


def _hold(path: Path, taken: Callable[[], None], done: threading.Event) -> None:
    """Runs on a thread of its own, as a disk may hang. Takes the lock and holds it until `done`.

    Raises:
        OSError: the file cannot be made, or its file system knows no locks.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with open(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b") as file:
        while not _try_lock(file.fileno()):
            if done.wait(_AGAIN_SECONDS):
                return
        taken()
        done.wait()


def _try_lock(file: int) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):  # somebody else has it
        return False
    return True
