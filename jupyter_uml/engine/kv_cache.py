"""Who sits in which stream of llama.cpp's KV cache, what each stream remembers, and where a prefix is to be found.

A slot is one llama.cpp sequence id with a stream of cells of its own. A slot that was given back keeps its tokens
until another sequence needs the room; then they are saved in the `StateStore`. A new sequence gets the longest prefix
that any slot holds, in place or by a copy, also of a slot that is still at work; or that the store holds. Where a
slot is just computing what it needs, it waits for that. Only requests of the same principal may share: otherwise the
time to the first token would tell one user what another one asked.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from collections.abc import Sequence as Seq
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from jupyter_uml.engine.prefix_tree import PrefixTree
from jupyter_uml.engine.state_store import StateStore
from jupyter_uml.engine.stored_state import StoredState

WORTH_WAITING = 32  # tokens that must be saved by waiting for another sequence's prefill
WORTH_COPYING = 32  # or by copying another slot's whole stream
WORTH_LOADING = 32  # or by reading a saved state
EARLIER = 2048  # tokens of an earlier answer that are told to who asks the same again
WORTH_SAVING = 64  # tokens; a state of less is quicker computed than kept

State = npt.NDArray[np.uint8]


class Memory(Protocol):
    """The cells themselves: `model.Context`."""

    @property
    def cuttable(self) -> bool:
        """Whether the end of a sequence can be forgotten; a recurrent state cannot be taken back."""
        ...

    @property
    def states_cuttable(self) -> bool:
        """The same of a saved state: of sliding windows, llama.cpp saves only what the end still sees."""
        ...

    @property
    def moving(self) -> set[int]:
        """Slots whose cells are copied with the next decode: until then they must be neither saved nor loaded."""
        ...

    def keep(self, slot: int, count: int) -> int:
        """Forget all but the first `count` tokens; returns how many are left."""
        ...

    def copy(self, source: int, target: int) -> None: ...
    def save(self, slot: int) -> State | None: ...
    def load(self, slot: int, state: State | memoryview | bytes) -> bool: ...


class Owner(Protocol):
    """A sequence that sits in a slot."""

    computed: int


@dataclass(slots=True, eq=False)
class _Slot:
    index: int
    tokens: list[int] = field(default_factory=list)  # those declared: with an owner, more than are computed
    principal: str | None = None
    owner: Owner | None = None
    dirty: bool = False  # may hold what the store does not
    rested: bool = True  # was looked at in a quiet moment
    last_used: int = 0

    @property
    def computed(self) -> int:
        return len(self.tokens) if self.owner is None else min(self.owner.computed, len(self.tokens))


@dataclass(frozen=True, slots=True)
class Place:
    """A slot, and how many of the tokens it holds."""

    slot: int
    held: int
    earlier: list[int] = field(default_factory=list)  # how the latest sequence that began with these tokens went on


@dataclass(frozen=True, slots=True)
class Wait:
    """The sequence whose prefill is worth waiting for."""

    leader: Owner


@dataclass(frozen=True, slots=True)
class _Found:
    """The longest prefix there is: in a slot, or in the store."""

    held: int = 0
    slot: _Slot | None = None
    stored: StoredState | None = None
    state: memoryview | None = None  # of `stored`, once it is loaded


class KvCache:
    """Slots and what they remember.

    `worth_disk(tokens)`: whether computing so many again takes so long that they are written to disk.
    """

    def __init__(
        self, n_slots: int, memory: Memory, store: StateStore, worth_disk: Callable[[int], bool] = lambda _: False
    ) -> None:
        self._slots = [_Slot(i) for i in range(n_slots)]
        self._memory, self._store, self._worth_disk = memory, store, worth_disk
        self._trees: defaultdict[str, PrefixTree[int]] = defaultdict(PrefixTree)
        self._clock = 0

    @property
    def free(self) -> int:
        return sum(slot.owner is None for slot in self._slots)

    def acquire(self, owner: Owner, tokens: list[int], principal: str, unit: int = 1) -> Place | Wait | None:
        """A place for `tokens`, of which as many as possible need not be computed; None when every slot is busy.

        The last token is never counted as held: it must be decoded again to have logits to sample from. Held are
        multiples of `unit` tokens.
        """
        wanted = tokens[:-1]
        shared = self._trees[principal].shared(wanted)
        best = self._best(shared, principal, wanted)
        leader = self._leader(shared, best.held + WORTH_WAITING, unit)
        if leader is not None:
            return Wait(leader)
        free = [slot for slot in self._slots if slot.owner is None and slot.index not in self._memory.moving]
        if not free:
            return None
        while best.stored is not None and best.state is None:
            state = self._store.load(best.stored)  # None: it is gone or damaged, and not found again
            best = replace(best, state=state) if state is not None else self._best(shared, principal, wanted)
        slot = self._target(free, best)
        held = self._fill(slot, best, unit)
        earlier = self._trees[principal].continuation(tokens, EARLIER)
        slot.owner, slot.dirty = owner, False
        self._declare(slot, tokens, principal)
        return Place(slot.index, held, earlier)

    def release(self, index: int, tokens: Seq[int]) -> None:
        """Give a slot back; `tokens` are those whose cells are valid."""
        slot = self._slots[index]
        slot.owner, slot.dirty, slot.rested = None, True, False
        self._declare(slot, list(tokens), slot.principal or "")

    def forget_after(self, index: int, kept: int) -> None:
        """A busy slot's cells behind the first `kept` hold other tokens now."""
        slot = self._slots[index]
        self._declare(slot, slot.tokens[:kept], slot.principal or "")

    def checkpoint(self, index: int, principal: str, tokens: Seq[int]) -> None:
        """Save a running slot's state, of exactly these tokens: where it cannot be cut back to them later."""
        if self._store.keeps and len(tokens) - self._store.covers(principal, tokens, disk=False) >= WORTH_SAVING:
            self._put(index, principal, tokens)

    def rest(self) -> bool:
        """Save what one idle slot holds; returns False when there is nothing to do. For when nobody waits."""
        for slot in self._slots:
            if slot.owner is None and not slot.rested and slot.index not in self._memory.moving:
                slot.rested = True
                if self._store.keeps and self._worth_disk(self._new(slot, disk=True)):
                    self._put(slot.index, slot.principal or "", slot.tokens)
                    slot.dirty = False
                    return True
        return False

    @property
    def idle(self) -> list[int]:
        return [slot.index for slot in self._slots if slot.owner is None]

    # --- looking ---

    def _best(self, shared: dict[int, int], principal: str, wanted: list[int]) -> _Found:
        best = _Found()
        for index, count in shared.items():
            slot = self._slots[index]
            held = min(count, slot.computed)
            if not self._memory.cuttable and held < slot.computed:
                continue
            # In place, where it can be had: that leaves the other slots' memories alone.
            if held > best.held or (held == best.held and best.slot and best.slot.owner and not slot.owner):
                best = _Found(held, slot)
        stored = self._store.find(principal, wanted)
        if stored is not None and stored[1] >= best.held + WORTH_LOADING:
            best = _Found(stored[1], stored=stored[0])
        return best

    def _leader(self, shared: dict[int, int], least: int, unit: int) -> Owner | None:
        """Who is about to compute at least so many of the tokens."""
        if not self._memory.cuttable or unit > 1:
            return None
        coming = [(count, index) for index, count in shared.items() if count > self._slots[index].computed]
        if not coming or max(coming)[0] < least:
            return None
        return self._slots[max(coming)[1]].owner

    def _target(self, free: list[_Slot], best: _Found) -> _Slot:
        """Where to sit: llama.cpp computes neighbours together, so no holes; then, where the least is lost."""
        busy = [slot.index for slot in self._slots if slot.owner is not None]

        def distance(slot: _Slot) -> int:
            if not busy:
                return 0
            return max(0, min(busy) - slot.index - 1, slot.index - max(busy) - 1)

        if best.slot in free and distance(best.slot) <= 1 and not _long(best.slot, best.held):
            return best.slot
        others = [slot for slot in free if slot is not best.slot] or free
        return min(others, key=lambda slot: (distance(slot), len(slot.tokens) > 0, slot.last_used))

    # --- moving ---

    def _fill(self, slot: _Slot, best: _Found, unit: int) -> int:
        """Put the prefix into the slot; returns how much of it is there."""
        held = best.held // unit * unit
        if best.slot is not slot or _long(slot, held):
            self._save(slot)
        if best.slot is not slot:
            held = held if held >= WORTH_COPYING or best.slot is None else 0
            if held and best.slot is not None:
                self._touch(best.slot)
                self._memory.copy(best.slot.index, slot.index)
            elif held and best.state is not None and not self._memory.load(slot.index, best.state):
                held = 0
        return self._memory.keep(slot.index, held)

    def _save(self, slot: _Slot) -> None:
        if slot.dirty and self._store.keeps and self._new(slot, disk=False) >= WORTH_SAVING:
            self._put(slot.index, slot.principal or "", slot.tokens)
        slot.dirty = False

    def _put(self, index: int, principal: str, tokens: Seq[int]) -> None:
        state = self._memory.save(index)
        if state is not None:
            disk = self._worth_disk(len(tokens))
            self._store.put(principal, tokens, state, cuttable=self._memory.states_cuttable, disk=disk)

    def _new(self, slot: _Slot, *, disk: bool) -> int:
        """Tokens of a slot that the store does not hold."""
        return len(slot.tokens) - self._store.covers(slot.principal or "", slot.tokens, disk=disk)

    def _declare(self, slot: _Slot, tokens: list[int], principal: str) -> None:
        if slot.principal is not None:
            self._trees[slot.principal].remove(slot.index)
            if slot.principal != principal and not len(self._trees[slot.principal]):
                del self._trees[slot.principal]
        slot.tokens, slot.principal = list(tokens), principal
        self._trees[principal].put(slot.index, slot.tokens)
        self._touch(slot)

    def _touch(self, slot: _Slot) -> None:
        self._clock += 1
        slot.last_used = self._clock


def _long(slot: _Slot, held: int) -> bool:
    """Whether more is lost than kept where a slot's memory is cut to its first `held` tokens."""
    return len(slot.tokens) - held > max(held, WORTH_SAVING)
