"""Who of those that wait comes next. Pure: tickets in, an order out, every step in O(log n).

Interactive requests come before batch requests. Within each the principals share by weighted start-time fair queuing
(Goyal, Vin and Cheng, Start-time Fair Queuing, 1996): a request starts, in virtual time, where its principal's last one
ended, and never before now; the earliest start is next. Its end is its start and its cost over the weight. So the
thousandth request of one comes long after the first of another, and who was away has no claim on what was left unused.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict
from dataclasses import dataclass
from itertools import count
from typing import Final

from jupyter_uml.types import Priority

_RANK: Final[dict[Priority, int]] = {"interactive": 0, "batch": 1}
_MOST_ENDS = 4096  # principals that are remembered while they do not wait


@dataclass(eq=False, slots=True)
class Ticket:
    """A place in the line. `cost` in any unit, the same for all; `weight`: twice the weight gets twice as much."""

    principal: str
    cost: float = 1.0
    priority: Priority = "interactive"
    weight: float = 1.0


_Flow = tuple[str, Priority]


class FairOrder:
    """The line; `most` can wait in it. When it is full, who has most in it makes room for who has less."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._flows: dict[_Flow, OrderedDict[Ticket, None]] = {}
        self._heap: list[tuple[int, float, int, _Flow]] = []  # rank, start, number; one entry for each flow
        self._numbers = count()
        self._now = 0.0  # virtual time: the start of who came out last
        self._ends: OrderedDict[str, float] = OrderedDict()  # virtual, of each principal's last; latest changed last
        self._crowd = _Crowd()

    def __len__(self) -> int:
        return self._crowd.total

    def waiting(self, principal: str) -> int:
        return self._crowd.of(principal)

    def enter(self, ticket: Ticket) -> Ticket | None:
        """Returns who had to leave for it: itself, if the line is full and it has no better claim than the others."""
        leaving = self._who_makes_room(ticket) if len(self) >= self._most else None
        if leaving is ticket:
            return ticket
        if leaving is not None:
            self.remove(leaving)
        self._append(ticket)
        return leaving

    def take(self, *, batch: bool = True) -> Ticket | None:
        """Who is next, and out of the line with this; None: nobody waits. Without `batch`: nobody but of these."""
        while self._heap:
            if not batch and self._heap[0][0] == _RANK["batch"]:
                return None
            rank, start, _, flow = heapq.heappop(self._heap)
            tickets = self._flows[flow]
            if not tickets:  # they gave up
                del self._flows[flow]
            elif start < self._start(flow[0]):  # meanwhile its principal got something with another priority
                self._push(flow)
            else:
                return self._take_first(flow, rank, start)
        self._ends.clear()
        return None

    def remove(self, ticket: Ticket) -> None:
        """It waits no longer. Nothing is charged; who is not in the line is no error."""
        tickets = self._flows.get((ticket.principal, ticket.priority))
        if tickets is not None and ticket in tickets:
            del tickets[ticket]
            self._crowd.change(ticket.principal, -1)

    def charge(self, principal: str, cost: float, weight: float = 1.0) -> None:
        """What a ticket that came out took beyond its cost; negative: what it left."""
        if principal in self._ends:
            self._ends[principal] += cost / weight

    def _append(self, ticket: Ticket) -> None:
        flow = (ticket.principal, ticket.priority)
        tickets = self._flows.get(flow)
        if tickets is None:
            tickets = self._flows[flow] = OrderedDict()
            self._push(flow)
        tickets[ticket] = None
        self._crowd.change(ticket.principal, 1)

    def _take_first(self, flow: _Flow, rank: int, start: float) -> Ticket:
        tickets = self._flows[flow]
        ticket, _ = tickets.popitem(last=False)
        self._crowd.change(ticket.principal, -1)
        self._now = max(self._now, start)
        self._remember(ticket.principal, start + ticket.cost / ticket.weight)
        if tickets:
            self._push(flow)
        else:
            del self._flows[flow]
        return ticket

    def _push(self, flow: _Flow) -> None:
        heapq.heappush(self._heap, (_RANK[flow[1]], self._start(flow[0]), next(self._numbers), flow))

    def _start(self, principal: str) -> float:
        return max(self._now, self._ends.get(principal, 0.0))

    def _remember(self, principal: str, end: float) -> None:
        self._ends[principal] = end
        self._ends.move_to_end(principal)
        if len(self._ends) > _MOST_ENDS:
            self._ends.popitem(last=False)

    def _who_makes_room(self, ticket: Ticket) -> Ticket:
        """The last one of who has most in the line, batch first. Who would have as many gets nobody out."""
        crowded = self._crowd.largest()
        own = self.waiting(ticket.principal)
        if self.waiting(crowded) > own + 1:
            return self._last(crowded)
        if ticket.priority == "interactive" and self._flows.get((ticket.principal, "batch")):
            return next(reversed(self._flows[ticket.principal, "batch"]))
        return ticket

    def _last(self, principal: str) -> Ticket:
        batch = self._flows.get((principal, "batch"))
        return next(reversed(batch or self._flows[principal, "interactive"]))


class _Crowd:
    """How many tickets each principal has in the line, and who has most; every step in O(1)."""

    def __init__(self) -> None:
        self.total = 0
        self._count: dict[str, int] = {}
        self._with: dict[int, dict[str, None]] = {}  # number of tickets → who has so many
        self._most = 0

    def of(self, principal: str) -> int:
        return self._count.get(principal, 0)

    def largest(self) -> str:
        return next(iter(self._with[self._most]))

    def change(self, principal: str, by: int) -> None:
        """`by`: 1 or -1."""
        before = self._count.pop(principal, 0)
        now = before + by
        self.total += by
        if before:
            del self._with[before][principal]
            if not self._with[before]:
                del self._with[before]
        if now:
            self._count[principal] = now
            self._with.setdefault(now, {})[principal] = None
        self._most = max(self._most, now) if self._most in self._with else max(now, 0)
