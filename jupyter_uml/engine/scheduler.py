"""Which tokens go into the next `llama_decode`. Pure: lists in, list out; no llama.cpp and no clock."""

from __future__ import annotations

from collections.abc import Sequence as Seq
from typing import Generic, NamedTuple, Protocol, TypeVar


class Schedulable(Protocol):
    """What the scheduler needs to know of a sequence."""

    @property
    def pending(self) -> int: ...
    @property
    def decoding(self) -> bool: ...


S = TypeVar("S", bound=Schedulable)


class Slice(NamedTuple, Generic[S]):
    """The next `n_tokens` pending tokens of a sequence. `last`: no token is left after them, so one can be sampled."""

    sequence: S
    n_tokens: int
    last: bool


def schedule(running: Seq[S], max_tokens: int, prefill_chunk: int) -> list[Slice[S]]:
    """Fill a batch of at most `max_tokens` tokens.

    Answers that are under way come first, one token each, so that a long prompt never stalls them. Prompts follow in
    the order of arrival; while answers are under way they share `prefill_chunk` tokens a step, else the whole batch.
    """
    batch: list[Slice[S]] = []
    room = max_tokens
    for sequence in running:
        if sequence.decoding and room:
            batch.append(Slice(sequence, 1, True))
            room -= 1
    if batch:
        room = min(room, prefill_chunk)
    for sequence in running:
        if not sequence.decoding and room:
            count = min(sequence.pending, room)
            batch.append(Slice(sequence, count, count == sequence.pending))
            room -= count
    return batch
