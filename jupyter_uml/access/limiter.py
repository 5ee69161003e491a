"""Limits on requests, tokens and streams: who wants more is told exactly when to come again.

`pyrate-limiter` was tried. Its exact algorithm keeps an entry for each token of a window, the other (GCRA) lets up to
twice the limit into some windows. Neither can give tokens back or say when the limit is whole again; of its storages
the one in memory forgets at a restart, and the one in sqlite goes by the wall clock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from functools import lru_cache
from types import TracebackType
from typing import Self

from jupyter_uml.access.clock import steady
from jupyter_uml.access.ledger import HORIZON, Admission, Ledger
from jupyter_uml.access.principal import Limits, Principal
from jupyter_uml.access.window import Window
from jupyter_uml.errors import InvalidRequest, RateLimited

MOST_METERS = 4096  # after which those that count nothing any more are dropped
_WINDOWS = {"burst": 1.0, "requests_per_minute": 60.0, "requests_per_hour": 3600.0, "tokens_per_minute": 60.0}
_TOKENS = "tokens_per_minute"


class Limiter:
    """Counts by principal. For one thread, that of the event loop.

    `key_defaults`, `user_defaults`: what applies to keys and to Jupyter's users where they have no limit of their own.
    `max_concurrent` is held by each server for itself, the others together with all that share the ledger.
    """

    def __init__(
        self,
        ledger: Ledger | None = None,
        *,
        key_defaults: Limits | None = None,
        user_defaults: Limits | None = None,
        clock: Callable[[], float] = steady,
    ) -> None:
        self._ledger, self._clock = ledger, clock
        self._defaults = {True: (key_defaults or Limits()).checked(), False: (user_defaults or Limits()).checked()}
        self._meters: dict[str, _Meter] = {}
        self._unclaimed: dict[str, deque[Admission]] = {}  # of the ledger, until their principal comes here

    def limits_of(self, principal: Principal) -> Limits:
        """Those that apply."""
        return _over(principal.limits, self._defaults[principal.by_key])

    def admit(self, principal: Principal, tokens: int = 0) -> Lease:
        """Let a request in that takes `tokens` at most, prompt and answer together. Close the lease when it ends.

        Raises:
            RateLimited: not now; `limit` names the reason, `retry_after` the seconds until there is room.
            InvalidRequest: it is more than is allowed in a minute, and never will be let in.
        """
        meter, now = self._meter(principal), self._clock()
        meter.check_concurrent()
        self._take(principal, meter, now, 1, tokens)
        meter.concurrent += 1
        return Lease(self, principal, meter, now, tokens)

    def headers(self, principal: Principal) -> dict[str, str]:
        """Where this principal stands, as OpenAI's API tells it; empty without limits."""
        return self._meter(principal).headers(self._clock())

    def reserve(self, principal: Principal, tokens: int) -> Reservation:
        """Tokens for a request that has been let in.

        Raises:
            RateLimited, InvalidRequest: as `admit`.
        """
        meter, now = self._meter(principal), self._clock()
        self._take(principal, meter, now, 0, tokens)
        return Reservation(self, principal, meter, now, tokens)

    def _take(self, principal: Principal, meter: _Meter, now: float, requests: int, tokens: int) -> None:
        meter.check(now, requests, tokens)
        meter.take(now, requests, tokens)
        if meter.windows:
            self._note(Admission(principal.id, now, requests, tokens))

    def _meter(self, principal: Principal) -> _Meter:
        self._learn()
        meter = self._meters.get(principal.id)
        if meter is None:
            self._drop_idle()
            meter = self._meters[principal.id] = _Meter()
        meter.follow(self.limits_of(principal))
        for admission in self._unclaimed.pop(principal.id, ()):
            meter.learn(admission)
        return meter

    def _learn(self) -> None:
        for admission in self._ledger.news() if self._ledger else ():
            unclaimed = self._unclaimed.setdefault(admission.principal, deque())
            unclaimed.append(admission)
            while unclaimed and unclaimed[0].time < self._clock() - HORIZON:
                unclaimed.popleft()

    def _drop_idle(self) -> None:
        now = self._clock()
        if len(self._meters) >= MOST_METERS:
            self._meters = {name: meter for name, meter in self._meters.items() if not meter.is_idle(now)}
        if len(self._unclaimed) >= MOST_METERS:
            fresh = {name: rows for name, rows in self._unclaimed.items() if rows and rows[-1].time > now - HORIZON}
            self._unclaimed = fresh

    def _note(self, admission: Admission) -> None:
        if self._ledger is not None:
            self._ledger.note(admission)


class Reservation:
    """Tokens that a request may take."""

    def __init__(self, limiter: Limiter, principal: Principal, meter: _Meter, time: float, tokens: int) -> None:
        self._limiter, self._principal, self._meter = limiter, principal, meter
        self._time, self._tokens = time, tokens

    def settle(self, tokens_used: int) -> None:
        """What it really took: the rest is given back to the minute in which it began.

        Without it all of the reserved tokens count. What was taken beyond them counts from now on.
        """
        change = tokens_used - self._tokens
        time = self._time if change < 0 else self._limiter._clock()
        if self._meter.correct(time, change):
            self._limiter._note(Admission(self._principal.id, time, 0, change))
        self._tokens = tokens_used


class Lease(Reservation):
    """A request that was let in. A context manager, which closes it."""

    _open = True

    def reserve(self, tokens: int) -> Reservation:
        """More tokens, once it is known how many it may take.

        Raises:
            RateLimited, InvalidRequest: as `Limiter.admit`.
        """
        return self._limiter.reserve(self._principal, tokens)

    def close(self) -> None:
        if self._open:
            self._open = False
            self._meter.concurrent -= 1

    def headers(self) -> dict[str, str]:
        """`x-ratelimit-…`, with this request counted."""
        return self._limiter.headers(self._principal)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class _Meter:
    """What one principal has used of its limits."""

    def __init__(self) -> None:
        self.limits = Limits()
        self.windows: dict[str, Window] = {}
        self.concurrent = 0

    def follow(self, limits: Limits) -> None:
        """Limits may change at any time; what was counted stays."""
        if limits == self.limits:
            return
        given, old = limits.given(), self.windows
        self.windows = {
            name: old.get(name) or Window(given[name], seconds) for name, seconds in _WINDOWS.items() if name in given
        }
        for name, window in self.windows.items():
            window.limit = given[name]
        self.limits = limits

    def check_concurrent(self) -> None:
        """
        Raises:
            RateLimited: as many as are allowed are being answered.
        """
        if self.limits.max_concurrent is not None and self.concurrent >= self.limits.max_concurrent:
            raise _limited("max_concurrent", self.limits.max_concurrent, 1.0)

    def check(self, now: float, requests: int, tokens: int) -> None:
        most = self.limits.tokens_per_minute
        if most is not None and tokens > most:
            raise InvalidRequest(
                f"This request may take {tokens} tokens, and {most} are allowed in a minute. Ask for fewer by "
                "max_tokens, or shorten the prompt.",
                param="max_tokens",
            )
        waits = {name: window.wait(now, weight) for name, window, weight in self._weighed(requests, tokens) if weight}
        longest = max(waits, key=waits.__getitem__, default="")
        if longest and waits[longest] > 0:
            raise _limited(longest, self.windows[longest].limit, waits[longest])

    def take(self, now: float, requests: int, tokens: int) -> None:
        for _, window, weight in self._weighed(requests, tokens):
            window.add(now, weight)

    def correct(self, time: float, tokens: int) -> bool:
        """Whether there was anything to correct."""
        window = self.windows.get(_TOKENS)
        if window is None or not tokens:
            return False
        window.add(time, tokens)
        window.give_back(time, time, -tokens)
        return True

    def learn(self, admission: Admission) -> None:
        for _, window, weight in self._weighed(admission.requests, admission.tokens):
            window.add(admission.time, weight)
            window.give_back(admission.second, admission.second + 1, -weight)

    def is_idle(self, now: float) -> bool:
        return not self.concurrent and not any(window.used(now) for window in self.windows.values())

    def headers(self, now: float) -> dict[str, str]:
        found = _headers("tokens", self.windows[_TOKENS], now) if _TOKENS in self.windows else {}
        requests = {name: window for name, window in self.windows.items() if name != _TOKENS}
        if len(requests) > 1 and "burst" in requests and requests["burst"].left(now):
            del requests["burst"]  # it is over in a second: the others tell more, while there is room
        if requests:
            found |= _headers("requests", min(requests.values(), key=lambda window: window.left(now)), now)
        return found

    def _weighed(self, requests: int, tokens: int) -> Iterator[tuple[str, Window, int]]:
        for name, window in self.windows.items():
            yield name, window, tokens if name == _TOKENS else requests


@lru_cache(MOST_METERS)
def _over(own: Limits, defaults: Limits) -> Limits:
    return own.over(defaults)


def _limited(name: str, limit: int, wait: float) -> RateLimited:
    what = {
        "burst": f"{limit} requests a second",
        "requests_per_minute": f"{limit} requests a minute",
        "requests_per_hour": f"{limit} requests an hour",
        "tokens_per_minute": f"{limit} tokens a minute",
        "max_concurrent": f"{limit} requests at the same time",
    }[name]
    return RateLimited(f"The limit of {what} is reached. Try again in {wait:.1f} s.", retry_after=wait, limit=name)


def _headers(what: str, window: Window, now: float) -> dict[str, str]:
    return {
        f"x-ratelimit-limit-{what}": str(window.limit),
        f"x-ratelimit-remaining-{what}": str(window.left(now)),
        f"x-ratelimit-reset-{what}": duration(window.full_reset(now)),
    }


def duration(seconds: float) -> str:
    """As OpenAI's headers have it: `0s`, `120ms`, `1.5s`, `6m0s`, `1h0m12s`."""
    thousandths = max(0, round(seconds * 1000))
    if thousandths < 1000:
        return f"{thousandths}ms" if thousandths else "0s"
    minutes, rest = divmod(thousandths, 60_000)
    hours, minutes = divmod(minutes, 60)
    last = f"{rest / 1000:.3f}".rstrip("0").rstrip(".") + "s"
    if hours:
        return f"{hours}h{minutes}m{last}"
    return f"{minutes}m{last}" if minutes else last
