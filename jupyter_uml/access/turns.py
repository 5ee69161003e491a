"""Whose turn it is: fair queues before each engine, one for answers and one for what is asked for beside them."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Literal
from weakref import WeakKeyDictionary

from jupyter_uml.access.fair_queue import FairQueue, Slot
from jupyter_uml.defaults import MAX_QUEUE
from jupyter_uml.types import Priority

# As many again as the engine computes side by side are let in to wait there: so it never waits for the next one.
AHEAD = 2


Lane = Literal["answers", "side"]


class Turns:
    """For one event loop. `max_waiting`: requests that wait in one queue; more are told when to come again."""

    def __init__(self, max_waiting: int = MAX_QUEUE) -> None:
        self._max_waiting = max_waiting
        self._queues: WeakKeyDictionary[object, dict[Lane, FairQueue]] = WeakKeyDictionary()

    def slot(
        self,
        engine: object,
        side_by_side: int,
        principal: str,
        cost: float,
        priority: Priority = "interactive",
        lane: Lane = "answers",
    ) -> AbstractAsyncContextManager[Slot]:
        """A turn at `engine`, which computes so many sequences `side_by_side`. `cost`: tokens expected.

        Raises:
            Overloaded: too many wait already.
        """
        lanes = self._queues.setdefault(engine, {})
        if lane not in lanes:
            lanes[lane] = FairQueue(side_by_side * AHEAD, self._max_waiting)
        return lanes[lane].slot(principal, cost, priority)
