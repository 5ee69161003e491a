"""Bodies on their way in: how much of them waits in memory before anybody has been let in, and for how long."""

from __future__ import annotations

from collections import Counter

MOST = 512 << 20  # bytes of all bodies together
MOST_EACH = 256 << 20  # of one principal's
REFUSED_SECONDS = 30.0  # for a body that nobody will read
_SLOWEST = 128 << 10  # bytes a second


class Uploads:
    """For one event loop. Who takes bytes gives them back."""

    def __init__(self, most: int = MOST, most_each: int = MOST_EACH) -> None:
        self._most, self._most_each = most, most_each
        self._sizes: Counter[str] = Counter()  # by principal
        self.size = 0  # bytes

    def take(self, principal: str, size: int) -> bool:
        """Whether there is room for so much more; else nothing is taken."""
        if self.size + size > self._most or self._sizes[principal] + size > self._most_each:
            return False
        self.size += size
        self._sizes[principal] += size
        return True

    def give_back(self, principal: str, size: int) -> None:
        self.size -= size
        self._sizes[principal] -= size
        if not self._sizes[principal]:
            del self._sizes[principal]


def patience(size: int) -> float:
    """Seconds in which a body of so many bytes has to come, also by a slow line."""
    return REFUSED_SECONDS + size / _SLOWEST
