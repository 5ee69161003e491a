"""A bounded number of requests run, a bounded number waits for its turn, and the rest is told when to come again."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from jupyter_uml.access.fair_order import FairOrder, Ticket
from jupyter_uml.errors import Overloaded
from jupyter_uml.types import Priority

LONGEST_ADVICE = 120.0  # seconds
_REMEMBERED = 64  # ends of requests, from which the drain rate is taken


class FairQueue:
    """The queue of one model. For one event loop. `max_running` are let in, and among these interactive requests do not
    count batch ones, which the engine makes give way to them."""

    def __init__(self, max_running: int, max_waiting: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.max_running = max_running
        self._running: Counter[Priority] = Counter()
        self._clock = clock
        self._order = FairOrder(max_waiting)
        self._turns: dict[Ticket, asyncio.Future[None]] = {}
        self._ends: deque[float] = deque(maxlen=_REMEMBERED)

    @property
    def waiting(self) -> int:
        return len(self._order)

    @property
    def running(self) -> int:
        return self._running.total()

    def resize(self, max_running: int) -> None:
        """More may run from now on, or fewer once enough have ended."""
        self.max_running = max_running
        self._let_in()

    @asynccontextmanager
    async def slot(
        self, principal: str, cost: float = 1.0, priority: Priority = "interactive", weight: float = 1.0
    ) -> AsyncIterator[Slot]:
        """Wait for a turn, and have it until the block ends. `cost`: what it is expected to take, as a rule in tokens.

        Raises:
            Overloaded: the queue is full, or became full and others had waited less; `retry_after` is an estimate.
        """
        ticket = Ticket(principal, cost, priority, weight)
        await self._turn(ticket)
        slot = Slot(self._order, ticket, self._leave)
        try:
            yield slot
        finally:
            slot.end()

    def _leave(self, ticket: Ticket) -> None:
        self._running[ticket.priority] -= 1
        self._ends.append(self._clock())
        self._let_in()

    async def _turn(self, ticket: Ticket) -> None:
        turn = self._turns[ticket] = asyncio.get_running_loop().create_future()
        try:
            self._enter(ticket)
            self._let_in()
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self._running[ticket.priority] -= 1  # it was let in and told to stop in the same moment
                self._let_in()
            raise
        finally:
            self._turns.pop(ticket, None)
            self._order.remove(ticket)

    def _enter(self, ticket: Ticket) -> None:
        """
        Raises:
            Overloaded: there is no place for it.
        """
        leaving = self._order.enter(ticket)
        if leaving is ticket:
            raise self._overloaded()
        if leaving is not None and not (turn := self._turns.pop(leaving)).done():  # else it has just given up itself
            turn.set_exception(self._overloaded())

    def _let_in(self) -> None:
        while (ticket := self._next()) is not None:
            turn = self._turns.pop(ticket)
            if not turn.done():
                self._running[ticket.priority] += 1
                turn.set_result(None)

    def _next(self) -> Ticket | None:
        if self._running["interactive"] >= self.max_running:
            return None
        return self._order.take(batch=self.running < self.max_running)

    def _overloaded(self) -> Overloaded:
        return Overloaded("Too many requests wait for this model.", retry_after=self._time_to_drain())

    def _time_to_drain(self) -> float:
        """Seconds until about half of those that wait now have been let in, at the rate of late."""
        if len(self._ends) < 2:
            return 1.0
        passed = max(1e-3, self._clock() - self._ends[0])
        return min(LONGEST_ADVICE, max(1.0, self.waiting / 2 * passed / len(self._ends)))


class Slot:
    """A turn."""

    def __init__(self, order: FairOrder, ticket: Ticket, leave: Callable[[Ticket], None]) -> None:
        self._order, self._ticket, self._leave = order, ticket, leave
        self._ended = False

    def end(self) -> None:
        """The next one may come, though the block goes on. A second call does nothing."""
        if not self._ended:
            self._ended = True
            self._leave(self._ticket)

    def settle(self, cost: float) -> None:
        """What it really took: its principal's next turn comes the later or the sooner."""
        ticket = self._ticket
        self._order.charge(ticket.principal, cost - ticket.cost, ticket.weight)
        ticket.cost = cost
