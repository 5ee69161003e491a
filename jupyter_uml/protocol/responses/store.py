"""Answers that are kept for a while: each under the name of whoever asked for it, in memory only, and bounded."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from jupyter_uml.errors import ResponseNotFound

MAX_BYTES = 128 << 20  # of all together
MAX_COUNT = 1000  # of one principal
MAX_AGE = 24 * 3600.0  # seconds without being asked for
_OVERHEAD = 512  # bytes that an entry takes beside its contents


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """Both as JSON: `body` is the answer, `items` are all that the model was given and wrote, from the beginning of
    the conversation, the last `output_items` of them being the answer's."""

    body: bytes
    items: bytes
    output_items: int

    @property
    def size(self) -> int:
        return len(self.body) + len(self.items) + _OVERHEAD


@dataclass(slots=True)
class _Shelf:
    """What one principal has here, the longest unused first, and when each was used."""

    rows: OrderedDict[str, tuple[StoredResponse, float]] = field(default_factory=OrderedDict)
    size: int = 0  # bytes

    def put(self, response_id: str, stored: StoredResponse, now: float) -> None:
        self.rows[response_id] = (stored, now)
        self.size += stored.size

    def take(self, response_id: str) -> StoredResponse | None:
        stored, _ = self.rows.pop(response_id, (None, 0))
        self.size -= stored.size if stored else 0
        return stored

    def drop_oldest(self) -> None:
        self.take(next(iter(self.rows)))

    def drop_before(self, moment: float) -> None:
        while self.rows and next(iter(self.rows.values()))[1] < moment:
            self.drop_oldest()


class ResponseStore:
    """Who fills it loses his own: room is made where most is kept, by what was unused for longest."""

    def __init__(
        self,
        max_bytes: int = MAX_BYTES,
        max_count: int = MAX_COUNT,
        max_age: float = MAX_AGE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max_bytes, self._max_count, self._max_age = max_bytes, max_count, max_age
        self._clock = clock
        self._shelves: dict[str, _Shelf] = {}

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(shelf.size for shelf in self._shelves.values())

    def put(self, principal: str, response_id: str, stored: StoredResponse) -> None:
        self._expire()
        shelf = self._shelves.setdefault(principal, _Shelf())
        shelf.put(response_id, stored, self._clock())
        if len(shelf.rows) > self._max_count:
            shelf.drop_oldest()
        while self.size > self._max_bytes:
            max(self._shelves.values(), key=lambda shelf: shelf.size).drop_oldest()

    def get(self, principal: str, response_id: str) -> StoredResponse:
        """
        Raises:
            ResponseNotFound: nothing is kept under this id for this principal.
        """
        stored = self._take(principal, response_id)
        self._shelves[principal].put(response_id, stored, self._clock())
        return stored

    def delete(self, principal: str, response_id: str) -> None:
        """
        Raises:
            ResponseNotFound: as `get`.
        """
        self._take(principal, response_id)

    def _take(self, principal: str, response_id: str) -> StoredResponse:
        self._expire()
        shelf = self._shelves.get(principal)
        stored = shelf.take(response_id) if shelf else None
        if stored is None:
            raise ResponseNotFound(
                f"No response {response_id[:64]!r} is kept. It may be too old, deleted, made with store: false, or by "
                "an earlier run of this server."
            )
        return stored

    def _expire(self) -> None:
        moment = self._clock() - self._max_age
        for principal, shelf in list(self._shelves.items()):
            shelf.drop_before(moment)
            if not shelf.rows:
                del self._shelves[principal]
