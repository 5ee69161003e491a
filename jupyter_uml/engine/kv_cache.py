"""Who sits in which sequence of llama.cpp's KV cache, and what each sequence still remembers.

A slot is one llama.cpp sequence id. A slot that was given back keeps its tokens until another sequence needs the
room, so the next turn of a chat, or a cell that is run again, finds its prefix computed. Only requests of the same
principal may share: otherwise the time to the first token would tell one user what another one asked.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class _Slot:
    index: int
    tokens: list[int] = field(default_factory=list)
    principal: str | None = None
    busy: bool = False
    last_used: int = 0


class KvCache:
    """Slots and their remembered tokens. Pure bookkeeping: the engine tells llama.cpp what to forget."""

    def __init__(self, n_slots: int) -> None:
        self._slots = [_Slot(i) for i in range(n_slots)]
        self._clock = 0

    @property
    def free(self) -> int:
        return sum(not slot.busy for slot in self._slots)

    def acquire(self, tokens: list[int], principal: str) -> tuple[int, int] | None:
        """A free slot and how many of `tokens` it already holds; None when every slot is busy.

        The last token is never counted as held: it must be decoded again to have logits to sample from.
        """
        idle = [slot for slot in self._slots if not slot.busy]
        if not idle:
            return None
        shared = {slot.index: self._shared(slot, tokens, principal) for slot in idle}
        best = max(idle, key=lambda slot: (shared[slot.index], not slot.tokens, -slot.last_used))
        held = shared[best.index]
        best.busy, best.principal = True, principal
        best.tokens = tokens[:held]
        return best.index, held

    def release(self, index: int, tokens: list[int]) -> None:
        """Give a slot back; `tokens` are those whose cells are valid."""
        slot = self._slots[index]
        self._clock += 1
        slot.busy, slot.tokens, slot.last_used = False, list(tokens), self._clock

    @staticmethod
    def _shared(slot: _Slot, tokens: list[int], principal: str) -> int:
        if slot.principal != principal:
            return 0
        count = 0
        for ours, theirs in zip(slot.tokens, tokens[:-1], strict=False):
            if ours != theirs:
                break
            count += 1
        return count
