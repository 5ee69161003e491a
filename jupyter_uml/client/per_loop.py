"""What belongs to one event loop, of a client that may be used on several, such as those of two `asyncio.run`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class PerLoop(Generic[T]):
    """`make`: called for each loop that asks, and again after `take`. What loops had that are closed is let go of:
    nothing can be awaited for it any more."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._of: dict[asyncio.AbstractEventLoop, T] = {}

    def here(self) -> T:
        """The running loop's."""
        loop = asyncio.get_running_loop()
        if loop not in self._of:
            self._of = {other: item for other, item in self._of.items() if not other.is_closed()}
            self._of[loop] = self._make()
        return self._of[loop]

    def take(self) -> T | None:
        """The running loop's, to be closed; None: it has none."""
        return self._of.pop(asyncio.get_running_loop(), None)
