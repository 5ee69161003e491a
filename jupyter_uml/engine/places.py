"""Who has a place in the engine: sequences that wait, sequences that run, and what the cache has for them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator

from jupyter_uml.engine.context import Context
from jupyter_uml.engine.kv_cache import KvCache, Place, Wait
from jupyter_uml.engine.sequence import Sequence
from jupyter_uml.engine.waiting_line import WaitingLine

OnStart = Callable[[Sequence, list[int]], None]  # is told how an earlier answer to the same prompt went on


class Places:
    """`n_parallel` of them. `running` have one, `line` waits for one; iterating gives both."""

    def __init__(self, n_parallel: int, context: Context, cache: KvCache, on_start: OnStart) -> None:
        self._n_parallel, self._context, self._cache, self._on_start = n_parallel, context, cache, on_start
        self.line = WaitingLine[Sequence]()
        self.running: list[Sequence] = []

    def __iter__(self) -> Iterator[Sequence]:
        return iter([*self.running, *self.line])

    def __bool__(self) -> bool:
        return bool(self.running or len(self.line))

    def admit(self) -> None:
        """Give places in the order of the line; where none is free, interactive requests get those of batch ones."""
        followers = Counter[str]()
        for sequence in self.line:
            if followers[sequence.principal] > self._n_parallel:
                continue  # more could not be given places at once, and looking at each takes its time
            place = self._acquire(sequence)
            if place is None and self._may_displace(sequence) and (victim := self._victim()) is not None:
                self._give_way(victim)
                place = self._acquire(sequence)
            if place is None:
                return
            if isinstance(place, Wait):
                if isinstance(place.leader, Sequence) and sequence.rank == 0:
                    place.leader.urgent = True
                followers[sequence.principal] += 1
                continue
            self._enter(sequence, place)

    def _acquire(self, sequence: Sequence) -> Place | Wait | None:
        if not sequence.deterministic:
            return self._cache.acquire(sequence, sequence.tokens, sequence.principal)
        # What other chunks computed differs in its last bits: only whole chunks of the same mode are taken over.
        chunk = self._context.batch_tokens
        return self._cache.acquire(sequence, sequence.tokens, _own_cache(sequence, chunk), chunk)

    def _enter(self, sequence: Sequence, place: Place) -> None:
        self.line.leave(sequence)
        sequence.slot = place.slot
        sequence.computed = self.keep(sequence, place.held) if sequence.images else place.held
        if sequence.started_at is None:
            sequence.started_at = time.monotonic()
            sequence.cached = sequence.computed
            self._on_start(sequence, place.earlier)
        self.running.append(sequence)

    def _may_displace(self, sequence: Sequence) -> bool:
        return sequence.request.priority == "interactive" and not self._cache.free

    def _victim(self) -> Sequence | None:
        """The batch request that came last: it loses its place, not its tokens."""
        batch = [sequence for sequence in self.running if sequence.request.priority == "batch"]
        return max(batch, key=lambda sequence: sequence.arrived, default=None)

    def _give_way(self, sequence: Sequence) -> None:
        self._vacate(sequence)
        self.line.come_back(sequence)

    def _vacate(self, sequence: Sequence) -> None:
        """Free the place; the cache keeps what was computed."""
        assert sequence.slot is not None
        valid = 0 if sequence.shifted else sequence.computed
        if sequence.deterministic:
            chunk = self._context.batch_tokens
            valid = 0 if sequence.images else min(valid, sequence.n_prompt) // chunk * chunk
        self._cache.release(sequence.slot, sequence.tokens[:valid])
        self.running.remove(sequence)
        sequence.slot, sequence.computed, sequence.drafts = None, 0, []

    def leave(self, sequence: Sequence) -> None:
        """For good: its answer has ended."""
        if sequence.slot is not None:
            self._vacate(sequence)
        self.line.go(sequence)

    def keep(self, sequence: Sequence, count: int) -> int:
        """Forget the cells behind the first `count` tokens, and of an image that would be cut; how many are left."""
        assert sequence.slot is not None
        whole = sequence.images.before(count)
        position = sequence.images.position(whole)
        return whole if self._context.keep(sequence.slot, position) == position else 0


def _own_cache(sequence: Sequence, chunk: int) -> str:
    own = f"{sequence.principal}\0deterministic {chunk}"  # what is on disk may be of a load with other batches
    return f"{own}\0{sequence.id}" if sequence.images else own  # images do not begin at a multiple of a chunk
