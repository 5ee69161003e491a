"""Who gets the next free place. Pure: requests in, an order out.

Interactive requests come before batch requests. Among equals the principal comes first that was given least so far,
in tokens of prompts and answers, so that one user's thousand requests never stand before another user's one. Who
comes back after a pause starts level with those who are there: what was left unused is no claim.
(The counters are those of Sheng et al., Fairness in Serving Large Language Models, 2024.)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar

_REMEMBERED = 4096  # principals whose counters are kept while they are away


class Waiter(Protocol):
    @property
    def principal(self) -> str: ...
    @property
    def rank(self) -> int: ...


W = TypeVar("W", bound=Waiter)


class WaitingLine(Generic[W]):
    """Those who wait, in the order in which they are served."""

    def __init__(self) -> None:
        self._waiting: dict[W, int] = {}  # → number of arrival
        self._arrivals = 0
        self._given: dict[str, float] = {}  # tokens, by principal
        self._level = 0.0  # of who was the last one here
        self._present: Counter[str] = Counter()  # requests waiting or running

    def __len__(self) -> int:
        return len(self._waiting)

    def __iter__(self) -> Iterator[W]:
        """First who is served first. The line may change while it is walked."""
        waiting = self._waiting
        return iter(sorted(waiting, key=lambda w: (w.rank, self._given.get(w.principal, 0.0), waiting[w])))

    def come(self, waiter: W) -> None:
        """A new request. It counts as present until `go`."""
        principal = waiter.principal
        if not self._present[principal]:
            level = min((self._given.get(other, 0.0) for other in self._present), default=self._level)
            self._given[principal] = max(self._given.pop(principal, 0.0), level)
            self._forget()
        self._present[principal] += 1
        self._join(waiter)

    def come_back(self, waiter: W) -> None:
        """One that had a place gave it up; it stands before all others of its principal."""
        self._waiting[waiter] = -self._next()

    def leave(self, waiter: W) -> None:
        """It has a place now, or is gone."""
        self._waiting.pop(waiter, None)

    def go(self, waiter: W) -> None:
        """The request has ended."""
        self.leave(waiter)
        self._present[waiter.principal] -= 1
        if self._present[waiter.principal] <= 0:
            del self._present[waiter.principal]
            self._level = max(self._level, self._given.get(waiter.principal, 0.0)) if not self._present else self._level

    def charge(self, principal: str, tokens: int) -> None:
        """So many tokens were computed for this principal."""
        self._given[principal] = self._given.get(principal, 0.0) + tokens

    def _join(self, waiter: W) -> None:
        self._waiting[waiter] = self._next()

    def _next(self) -> int:
        self._arrivals += 1
        return self._arrivals

    def _forget(self) -> None:
        if len(self._given) > _REMEMBERED:
            away = next((principal for principal in self._given if principal not in self._present), None)
            if away is not None:
                del self._given[away]
