"""The line of loads: one after the other they are given memory, and wait for it where others are using it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

from jupyter_uml.errors import InsufficientMemory, Overloaded
from jupyter_uml.loader.lifecycle.managed import Load, Managed
from jupyter_uml.loader.lifecycle.room import Room, find_room
from jupyter_uml.loader.lifecycle.roster import Roster
from jupyter_uml.loader.memory.ledger import Promise
from jupyter_uml.loader.memory.planner import Plan, Planner
from jupyter_uml.loader.news import News

LONGEST = 64  # loads that wait
PATIENCE = 2.0  # seconds for which a model in use goes on taking requests while another one waits for its room
_LOOK_AGAIN = 1.0  # seconds; memory may also become free by what other programs do


class Line:
    """First come, first served: a small model does not overtake a large one for ever.

    `evict` ends the worker of an idle model; `changed` is to be called whenever one becomes idle, ends or is let go.
    """

    def __init__(
        self, planner: Planner, models: Roster, evict: Callable[[Managed], Awaitable[None]], news: News
    ) -> None:
        self._planner, self._models, self._evict, self._news = planner, models, evict, news
        self._turn = asyncio.Lock()  # asyncio's locks are fair
        self._length = 0
        self._changed = asyncio.Event()

    def changed(self) -> None:
        self._changed.set()

    async def room(self, managed: Managed, load: Load, seconds: float) -> tuple[Plan, Promise] | None:
        """A plan that can be had, and the promise of its memory; others have made room for it. None: there is nothing
        to be loaded any more, since the model had to give way to nobody.

        Raises:
            InsufficientMemory: it cannot be had, or not within so many seconds.
            Overloaded: the line is too long.
            ModelLoadFailed, InvalidRequest
        """
        if self._length >= LONGEST:
            raise Overloaded(f"{LONGEST} models wait to be loaded.", retry_after=10)
        self._length += 1
        deadline = time.monotonic() + seconds
        try:
            # What can never be is told before it waits, and the others wait for no slow file.
            load.plan = await self._planner.plan(managed.entry, load.wishes)
            load.queued = self._turn.locked()
            self._news.tell()
            async with self._in_turn(deadline):
                return await self._make(managed, load, deadline)
        finally:
            self._length -= 1
            load.queued = False
            self._news.tell()

    @asynccontextmanager
    async def _in_turn(self, deadline: float) -> AsyncGenerator[None, None]:
        try:
            async with asyncio.timeout(deadline - time.monotonic()):
                await self._turn.acquire()
        except TimeoutError:
            raise Overloaded("Other models wait for memory, too. Try again later.", retry_after=10) from None
        try:
            yield
        finally:
            self._turn.release()

    async def _make(self, managed: Managed, load: Load, deadline: float) -> tuple[Plan, Promise] | None:
        yielding: list[Managed] = []
        promise: Promise | None = None
        began = time.monotonic()
        try:
            while True:
                if managed.current is not None and managed.current.satisfies(load.wishes):
                    return None
                self._changed.clear()
                async with self._planner.deciding():
                    others = self._models.others(managed)
                    moving = any(map(_in_motion, others))  # and what is found may be out of date when it is found
                    room = await find_room(self._planner, managed, load.wishes, others)
                    if room.enough and not room.victims:
                        promise = self._planner.promise(room.plan)
                        return room.plan, promise
                    moving = moving or self._changed.is_set() or any(map(_in_motion, others))
                    if not room.enough and not moving:
                        raise self._planner.insufficient(room.plan)
                    if room.enough and not room.waits_for and not any(map(_ending, [managed, *others])):
                        await self._clear(managed, room)
                        continue
                load.queued = True
                self._news.tell()
                self._ask_to_yield(room, began, yielding)
                if time.monotonic() >= deadline:
                    raise self._late(room)
                await self._wait(min(_LOOK_AGAIN, deadline - time.monotonic()))
        except BaseException:
            if promise is not None:  # called off while the other servers were told of it
                promise.release()
            raise
        finally:
            for other in yielding:
                other.yielding = False

    async def _clear(self, managed: Managed, room: Room) -> None:
        for victim in room.victims:  # that may have got a request or a pin meanwhile
            kept = victim.in_use or (victim is not managed and (victim.awaited or victim.holds.pinned))
            if victim.current is not None and not kept:
                await self._evict(victim)

    @staticmethod
    def _ask_to_yield(room: Room, began: float, yielding: list[Managed]) -> None:
        now = time.monotonic()
        for other in room.waits_for:
            if not other.yielding and now - max(began, other.loaded_at) >= PATIENCE:
                other.yielding = True
                yielding.append(other)

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                await self._changed.wait()
        except TimeoutError:
            pass

    def _late(self, room: Room) -> InsufficientMemory:
        error = self._planner.insufficient(room.plan)
        error.details["retry_after"] = 10
        if names := ", ".join(other.entry.id for other in room.waits_for):
            error.message += f" It waited for others that were in use all the time: {names}."
        return error


def _ending(managed: Managed) -> bool:
    """Whether memory is about to be given back."""
    return any(not leaving.draining for leaving in managed.leaving)


def _in_motion(managed: Managed) -> bool:
    """Whether it takes or gives back memory at this moment, so that things will look different soon."""
    return bool(managed.leaving) or (managed.load is not None and not managed.load.queued)
