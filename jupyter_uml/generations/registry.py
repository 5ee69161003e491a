"""All generations that run, and those that have ended and are still kept."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from jupyter_uml.errors import GenerationAborted, GenerationConflict, GenerationNotFound, Overloaded
from jupyter_uml.generations.bounds import BOUNDS, Bounds
from jupyter_uml.generations.generation import Asked, Generation, Work

T = TypeVar("T")
Key = tuple[str, str]  # whose, and its id


class Generations(Generic[T]):
    """For one event loop. Close it."""

    def __init__(self, bounds: Bounds = BOUNDS) -> None:
        self._bounds = bounds
        self._all: dict[Key, Generation[T]] = {}  # the oldest first
        self._sizes: Counter[str] = Counter()  # bytes, by owner
        self._size = 0  # of all
        self._closed = False
        self._expiries: dict[Key, asyncio.TimerHandle] = {}
        self._early_stops: dict[Key, float] = {}

    def begin(self, asked: Asked, work: Work[T]) -> Generation[T]:
        """The generation of this id, which `work` is begun for unless it is there already.

        Raises:
            GenerationConflict: it is there, and something else was asked.
            GenerationAborted: it was stopped before it began, or everything is.
            Overloaded: as many as may be are running.
        """
        if (found := self._all.get(asked.key)) is not None:
            if found.asked.digest != asked.digest:
                raise GenerationConflict("Another generation has this id: make a new one for each request.")
            if not found.failed_at_once:
                return found
            self._forget(found)
        if self._closed or self._was_stopped(asked.key):
            raise GenerationAborted("The generation was stopped.")
        self._make_place(asked.owner)
        generation: Generation[T] = Generation(asked, self._wrote, self._bounds.readers)
        self._all[asked.key] = generation
        generation.start(work).add_done_callback(lambda _: self._ended(generation))
        return generation

    def get(self, owner: str, generation_id: str) -> Generation[T]:
        """
        Raises:
            GenerationNotFound: this owner has none of this id.
        """
        if (found := self._all.get((owner, generation_id))) is None:
            raise GenerationNotFound("There is no such generation. Those that ended are kept for a while only.")
        return found

    def has(self, owner: str, generation_id: str) -> bool:
        return (owner, generation_id) in self._all

    def all(self, owner: str, kernel: str | None = None) -> list[Generation[T]]:
        """Of this owner, and of this kernel where one is given; the newest first."""
        own = [found for found in self._all.values() if found.asked.owner == owner]
        return [found for found in reversed(own) if kernel is None or found.asked.kernel == kernel]

    async def stop(self, owner: str, generation_id: str) -> Generation[T]:
        """End it and keep what has come; one that has ended already is forgotten.

        Raises:
            GenerationNotFound: there is none. Should it come yet, because this overtook it, it does not begin.
        """
        try:
            generation = self.get(owner, generation_id)
        except GenerationNotFound:
            self._note_early_stop((owner, generation_id))
            raise
        if generation.is_running:
            await generation.stop()
        else:
            self._forget(generation)
        return generation

    def discard(self, generation: Generation[T]) -> None:
        """Forget it, if it is over."""
        if not generation.is_running and self._all.get(generation.asked.key) is generation:
            self._forget(generation)

    # --- the kernels that asked ---

    def kernels(self) -> set[str]:
        """Those that have generations running."""
        return {found.asked.kernel for found in self._all.values() if found.is_running and found.asked.kernel}

    def release(self, kernel: str) -> None:
        """It has gone for good: nobody can come back to what it asked."""
        for generation in self._all.values():
            if generation.asked.kernel == kernel:
                generation.cancel()

    async def aclose(self) -> None:
        """Stop all that runs, forget everything and begin nothing any more."""
        self._closed = True
        await asyncio.gather(*(generation.stop() for generation in self._all.values()))
        for generation in list(self._all.values()):
            self._forget(generation)

    # --- bounds ---

    def _wrote(self, generation: Generation[T], size: int) -> None:
        bounds, owner = self._bounds, generation.asked.owner
        self._count(owner, size)
        if generation.log.size > bounds.log:
            self._shorten(generation, bounds.log)
        if self._sizes[owner] > bounds.owner:
            self._make_room(generation, lambda: self._sizes[owner] - bounds.owner, self.all(owner))
        if self._size > bounds.total:
            self._make_room(generation, lambda: self._size - bounds.total, reversed(self._all.values()))

    def _make_room(
        self, writing: Generation[T], too_much: Callable[[], int], newest_first: Iterable[Generation[T]]
    ) -> None:
        """Forget what has ended, the oldest first; then what is being written loses its beginning."""
        for generation in reversed(list(newest_first)):
            if too_much() <= 0:
                return
            if not generation.is_running:
                self._forget(generation)
        if (excess := too_much()) > 0:
            self._shorten(writing, max(0, writing.log.size - excess))

    def _shorten(self, generation: Generation[T], most: int) -> None:
        self._count(generation.asked.owner, -generation.log.shorten(most))

    def _count(self, owner: str, size: int) -> None:
        self._size += size
        self._sizes[owner] += size
        if not self._sizes[owner]:
            del self._sizes[owner]

    def _make_place(self, owner: str) -> None:
        """
        Raises:
            Overloaded: all of the owner's are running.
        """
        own = self.all(owner)
        if len(own) < self._bounds.each:
            return
        oldest = next((found for found in reversed(own) if not found.is_running), None)
        if oldest is None:
            raise Overloaded(f"{len(own)} generations of yours are running. Stop one.", retry_after=1)
        self._forget(oldest)

    def _ended(self, generation: Generation[T]) -> None:
        if self._all.get(generation.asked.key) is generation:
            loop = asyncio.get_running_loop()
            expiry = loop.call_later(self._bounds.keep_seconds, self._forget, generation)
            self._expiries[generation.asked.key] = expiry

    def _forget(self, generation: Generation[T]) -> None:
        key = generation.asked.key
        del self._all[key]
        if (expiry := self._expiries.pop(key, None)) is not None:
            expiry.cancel()
        self._count(generation.asked.owner, -generation.log.size)

    def _was_stopped(self, key: Key) -> bool:
        """Before it began."""
        noted = self._early_stops.pop(key, None)
        return noted is not None and time.monotonic() - noted < self._bounds.early_seconds

    def _note_early_stop(self, key: Key) -> None:
        while len(self._early_stops) >= self._bounds.early_stops:
            del self._early_stops[next(iter(self._early_stops))]
        self._early_stops[key] = time.monotonic()
