"""How long a call may take in all."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from typing import TypeVar

from jupyter_uml.errors import InvalidRequest, TimedOut

T = TypeVar("T")


def checked_timeout(seconds: float | None) -> float | None:
    """A number of seconds; None, as infinity, for no limit.

    Raises:
        InvalidRequest: it is none.
    """
    if seconds is None or seconds == math.inf:
        return None
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds > 0:
        raise InvalidRequest("`timeout` is a number of seconds above 0, or None.", param="timeout")
    return float(seconds)


@asynccontextmanager
async def time_limit(seconds: float | None) -> AsyncGenerator[None, None]:
    """
    Raises:
        TimedOut: the block took longer, and was cancelled.
    """
    seconds = checked_timeout(seconds)
    try:
        async with asyncio.timeout(seconds) as limit:
            yield
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise _timed_out(seconds) from error


async def limited(
    items: AsyncGenerator[T, None], seconds: float | None, deadline: float | None
) -> AsyncGenerator[T, None]:
    """`items` until `deadline`, a time of the event loop's clock, which is `seconds` after the call began.

    Raises:
        TimedOut: they were not at their end by then, and have been closed.
    """
    async with aclosing(items):
        while True:
            try:
                async with asyncio.timeout_at(deadline) as limit:
                    item = await anext(items)
            except StopAsyncIteration:
                return
            except TimeoutError as error:
                if not limit.expired():
                    raise
                raise _timed_out(seconds) from error
            yield item


def _timed_out(seconds: float | None) -> TimedOut:
    return TimedOut(f"This took longer than its time-out of {seconds:g} s.", seconds=seconds)
