"""What all parts of the client have in common: the way to the models, and the time that a call may take."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar

from jupyter_uml.client.loop_thread import LoopThread
from jupyter_uml.client.time_limit import time_limit
from jupyter_uml.client.transport import Transport
from jupyter_uml.errors import ConnectionFailed

T = TypeVar("T")


class AsyncCalls:
    """`timeout`: seconds that a call may take in all; None: as long as it needs."""

    timeout: float | None = None
    _last_used: str | None = None  # the model

    async def transport(self) -> Transport:
        raise NotImplementedError

    def _uses(self, transport: Transport) -> bool:
        """Whether this is still the way: the client has not been closed meanwhile."""
        raise NotImplementedError

    def _limit(self, timeout: float | None) -> AbstractAsyncContextManager[None]:
        """Of what is done in it; None: the client's own.

        Raises:
            TimedOut: it took longer, and was cancelled.
        """
        return time_limit(self.timeout if timeout is None else timeout)

    async def _call(self, verb: Callable[[Transport], Awaitable[T]], timeout: float | None = None) -> T:
        async with self._limit(timeout):
            transport = await self.transport()
            try:
                return await verb(transport)
            except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
                raise ConnectionFailed("What answered did so in another shape than jupyter_uml's servers.") from error


class Calls:
    """The same for synchronous code: every method waits for the one of this name of `aio`."""

    aio: AsyncCalls

    @property
    def background(self) -> LoopThread:
        """The thread that the calls run on."""
        raise NotImplementedError


def share_docstrings(synchronous: type[Any], asynchronous: type[Any]) -> None:
    """What a method does is said once."""
    for name, method in vars(synchronous).items():
        source = getattr(asynchronous, name, None)
        if not name.startswith("_") and source is not None and not method.__doc__:
            method.__doc__ = source.__doc__
