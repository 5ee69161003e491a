"""A sliding window: how much there was in the last so many seconds. Pure: times come in.

It never counts too little: what happened close together is counted as if all of it had happened last. So there are
never more than `SLOTS` things to remember, however large the limit is, and never more than the limit is let in during
any such time. What is let in leaves the window at most `seconds` after the last that was let in.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from itertools import takewhile

SLOTS = 1024


@dataclass(slots=True)
class _Slot:
    latest: float
    weight: int = 0


class Window:
    """Weights by time. What is asked about is now, which never goes back."""

    def __init__(self, limit: int, seconds: float) -> None:
        self.limit, self.seconds = limit, seconds
        self._slots: OrderedDict[int, _Slot] = OrderedDict()  # by number, oldest first
        self._sum = 0

    def used(self, now: float) -> int:
        self._forget(now)
        return self._sum

    def left(self, now: float) -> int:
        return max(0, self.limit - self.used(now))

    def add(self, time: float, weight: int) -> None:
        """So much at this time. Nothing is no event."""
        if weight > 0:
            self._forget(time)
            slot = self._slots.get(self._number(time)) or self._new_slot(time)
            slot.latest = max(slot.latest, time)
            slot.weight += weight
            self._sum += weight

    def give_back(self, start: float, end: float, weight: int) -> None:
        """Of what was added between these times, as far as it still counts."""
        if weight <= 0:
            return
        for number in range(self._number(start), self._number(end) + 1):
            if slot := self._slots.get(number):
                back = min(weight, slot.weight)
                slot.weight -= back
                self._sum -= back
                weight -= back

    def wait(self, now: float, weight: int) -> float:
        """Seconds until so much has room if nothing else comes; 0: it has room. It must not be more than the limit."""
        self._forget(now)
        excess = self._sum + weight - self.limit
        if excess <= 0:
            return 0.0
        for slot in self._slots.values():
            excess -= slot.weight
            if excess <= 0:
                return slot.latest + self.seconds - now
        return self.seconds

    def full_reset(self, now: float) -> float:
        """Seconds until nothing counts any more if nothing else comes."""
        self._forget(now)
        return next(reversed(self._slots.values())).latest + self.seconds - now if self._slots else 0.0

    def _number(self, time: float) -> int:
        return int(time * SLOTS // self.seconds)

    def _new_slot(self, time: float) -> _Slot:
        number = self._number(time)
        later = list(takewhile(lambda other: other > number, reversed(self._slots)))  # another server's news are late
        slot = self._slots[number] = _Slot(time)
        for other in reversed(later):
            self._slots.move_to_end(other)
        return slot

    def _forget(self, now: float) -> None:
        while self._slots:
            number, slot = next(iter(self._slots.items()))
            if slot.latest + self.seconds > now:
                break
            del self._slots[number]
            self._sum -= slot.weight
