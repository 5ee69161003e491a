"""When a failed call is made again, and how long to wait before."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from jupyter_uml.errors import ConnectionFailed, UmlError, WorkerDied

T = TypeVar("T")

_MOST_DOUBLINGS = 64  # a float has no room for any number of them


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Seconds throughout. Two things are repeated: what the server asked to be repeated (`Retry-After`, sent with a
    429 or 503, when nothing has been done yet), and idempotent calls whose connection failed."""

    connection_attempts: int = 3
    back_off: float = 0.2  # before the first repetition; doubles, up to the next
    longest_wait: float = 2.0  # where the server has not said how long
    deadline: float = 60.0  # no wait that would end later than this after the first attempt

    def delay(self, error: UmlError, attempt: int, elapsed: float, idempotent: bool) -> float | None:
        """How long to wait after failed attempt number `attempt` (from 0); None: give up."""
        if isinstance(error, WorkerDied) and attempt:
            return None  # the request itself may be what ends the model's process, and everybody's answers with it
        if error.retry_after is not None:
            wait = _spread(max(error.retry_after, self.back_off))
        elif isinstance(error, ConnectionFailed) and idempotent and attempt + 1 < self.connection_attempts:
            wait = self.wait(attempt)
        else:
            return None
        return wait if elapsed + wait <= self.deadline else None

    def wait(self, attempt: int) -> float:
        """How long, after failed attempt number `attempt` (from 0), where nobody has said it."""
        doublings = min(attempt, _MOST_DOUBLINGS)
        return _spread(min(self.back_off * 2**doublings, self.longest_wait))


def _spread(seconds: float) -> float:
    """Clients that were refused together do not come back together."""
    return seconds * random.uniform(1.0, 1.1)


async def with_retries(
    call: Callable[[], Awaitable[T]],
    *,
    idempotent: bool,
    policy: RetryPolicy,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> T:
    started = clock()
    attempt = 0
    while True:
        try:
            return await call()
        except UmlError as error:
            delay = policy.delay(error, attempt, clock() - started, idempotent)
            if delay is None:
                raise
        await sleep(delay)
        attempt += 1
