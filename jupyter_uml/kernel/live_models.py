"""What the server says of its models as that changes: one watch for all panels of a kernel, while one is seen."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from threading import Lock
from typing import Protocol
from weakref import WeakKeyDictionary

from jupyter_uml.client import AsyncUniversalClient, UniversalClient
from jupyter_uml.client.loop_thread import Job
from jupyter_uml.errors import PermissionDenied, RouteNotFound, UmlError
from jupyter_uml.types import ModelStatus, Sample, ServerState

POLL_SECONDS = 1.0  # of a server that has to be asked
RETRY_SECONDS = 2.0  # after which a server that could not be reached is tried again
REFUSED_SECONDS = 60.0  # the same, where it does not let this client know

log = logging.getLogger(__name__)


class Follower(Protocol):
    """Both are called on the client's thread, and must return at once."""

    def take(self, state: ServerState) -> None: ...

    def fail(self, error: UmlError) -> None:
        """Nothing can be learned for now; it is tried again."""


class LiveModels:
    """The watch of one client."""

    def __init__(self, client: UniversalClient) -> None:
        self._aio, self._background = client.aio, client.background
        self._lock = Lock()
        self._followers: list[Follower] = []
        self._job: Job[None] | None = None
        self._state: ServerState | None = None

    def follow(self, follower: Follower) -> Callable[[], None]:
        """Tell `follower` what is known, now and whenever that changes. What is returned ends that."""
        with self._lock:
            self._followers.append(follower)
            if self._job is None:
                self._job = self._background.start(self._run())
            elif self._state is not None:
                self._background.loop.call_soon_threadsafe(follower.take, self._state)
        return lambda: self._leave(follower)

    def _leave(self, follower: Follower) -> None:
        with self._lock:
            if follower in self._followers:
                self._followers.remove(follower)
            if not self._followers and self._job is not None:
                self._job.cancel()
                self._job = self._state = None

    async def _run(self) -> None:
        while True:
            pause = RETRY_SECONDS
            try:
                async with aclosing(states_of(self._aio)) as states:
                    async for state in states:
                        self._state = state
                        self._tell(lambda follower, state=state: follower.take(state))  # type: ignore[misc]
            except UmlError as error:
                self._state = None
                pause = REFUSED_SECONDS if isinstance(error, PermissionDenied) else pause
                self._tell(lambda follower, error=error: follower.fail(error))  # type: ignore[misc]
            except Exception:  # nobody awaits this task: its fault would be seen nowhere
                log.exception("the watch of the models failed")
            await asyncio.sleep(pause)

    def _tell(self, news: Callable[[Follower], None]) -> None:
        for follower in list(self._followers):
            try:
                news(follower)
            except Exception:  # the others go on
                log.exception("%r could not be told of the models", follower)


_watches: WeakKeyDictionary[UniversalClient, LiveModels] = WeakKeyDictionary()


def live_models(client: UniversalClient) -> LiveModels:
    """The one of this client."""
    return _watches.setdefault(client, LiveModels(client))


async def states_of(client: AsyncUniversalClient) -> AsyncGenerator[ServerState, None]:
    """As the server pushes them; of an older one, which does not, asked for again and again.

    Raises:
        UmlError: it could not be reached, or refuses.
    """
    try:
        async with aclosing(client.watch()) as states:
            async for state in states:
                yield state
    except RouteNotFound:
        while True:
            rows, health = await client.models(), await client.health()
            yield ServerState(rows, health.memory, {row.id: _sample(row) for row in rows if row.memory_bytes})
            await asyncio.sleep(POLL_SECONDS)


def _sample(row: ModelStatus) -> Sample:
    speed = row.tokens_per_second or 0.0
    return Sample(time.time(), row.memory_bytes or 0, row.gpu_memory_bytes, tokens_per_second=speed, active=row.active)
