"""What a generation has said: written by one, read by any number of readers from any place."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Generic, TypeVar

from jupyter_uml.errors import EventsForgotten, InvalidRequest, UmlError

T = TypeVar("T")


class Log(Generic[T]):
    """Items by the numbers 1, 2, …, of which the newest are kept. For one event loop.

    `size`: bytes of what is kept, as the writer counts them.
    """

    def __init__(self) -> None:
        self.size = 0
        self.ended = False
        self._items: list[T] = []
        self._sizes: list[int] = []
        self._dropped = 0  # items that are not kept any more
        self._error: UmlError | None = None
        self._news = asyncio.Event()

    @property
    def last(self) -> int:
        """The number of the newest item; 0: there has been none."""
        return self._dropped + len(self._items)

    def append(self, item: T, size: int) -> None:
        self._items.append(item)
        self._sizes.append(size)
        self.size += size
        self._tell()

    def end(self, error: UmlError | None = None) -> None:
        """Nothing comes any more. `error`: what its readers are told after the last item."""
        self.ended, self._error = True, error
        self._tell()

    def shorten(self, most: int) -> int:
        """Drop the oldest items, beyond three quarters of `most` bytes so that this is seldom; returns how many bytes.

        The newest item always stays.
        """
        count = freed = 0
        while count < len(self._items) - 1 and self.size - freed > most * 3 // 4:
            freed += self._sizes[count]
            count += 1
        del self._items[:count], self._sizes[:count]
        self._dropped += count
        self.size -= freed
        return freed

    async def read(self, after: int = 0) -> AsyncGenerator[tuple[int, T], None]:
        """Every item after the one of that number with its own, to the end; waits for those to come.

        Raises:
            InvalidRequest: there has been no such item yet.
            EventsForgotten: the next one is not kept any more.
            UmlError: the error with which the log ended.
        """
        if after > self.last:
            raise InvalidRequest(f"There has been no event {after} yet.", param="after")
        while True:
            news = self._news
            while after < self.last:
                if after < self._dropped:
                    raise EventsForgotten(
                        "The answer is too long to be kept whole: it can be read only from its event "
                        f"{self._dropped + 1} on.",
                        param="after",
                        first=self._dropped + 1,
                    )
                after += 1
                yield after, self._items[after - self._dropped - 1]
            if self.ended:
                break
            await news.wait()
        if self._error is not None:
            raise self._error.copy()

    def _tell(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()
