"""Which tokens go into the next `llama_decode`. Pure: no llama.cpp and no clock.

llama.cpp computes a batch of separate KV streams in groups of equal length, so a prompt that shares a batch with
answers under way shares no work with them: it would only hold them up. Hence decode and prefill take turns.
"""

from __future__ import annotations

from collections.abc import Sequence as Seq
from typing import Generic, NamedTuple, Protocol, TypeVar

GAP_SECONDS = 0.5  # how long a long prompt may hold up the answers under way, at a time
WHOLE_SECONDS = 2.0  # a prompt that is through within this is not cut: one gap is better than many
UNKNOWN_CHUNK = 128  # prompt tokens a step until the machine's rate is known
_UNIT = 32  # chunks are multiples: matrix kernels like it


class Schedulable(Protocol):
    """What the scheduler needs to know of a sequence."""

    @property
    def decoding(self) -> bool:
        """Its answer is under way: it takes part in every decode."""
        ...

    @property
    def pending(self) -> int:
        """Tokens that must be computed before the next one can be sampled."""
        ...

    @property
    def begun(self) -> bool:
        """A part of its prompt has been computed already."""
        ...

    @property
    def uncut(self) -> int:
        """Of these, how many may go in one piece."""
        ...

    @property
    def least(self) -> int:
        """And how many must, at least: the rows of an image may see each other."""
        ...

    @property
    def rank(self) -> int:
        """0 is served before 1."""
        ...

    @property
    def waited(self) -> float:
        """Seconds since it came."""
        ...

    @property
    def deterministic(self) -> bool:
        """It shares no batch, and its chunks are of one size."""
        ...


S = TypeVar("S", bound=Schedulable)


class Slice(NamedTuple, Generic[S]):
    """The next `n_tokens` pending tokens of a sequence. `last`: no token is left after them, so one can be sampled."""

    sequence: S
    n_tokens: int
    last: bool


Batch = list[Slice[S]]


class Scheduler(Generic[S]):
    """Plans steps. `max_tokens`: what one batch holds."""

    def __init__(self, max_tokens: int) -> None:
        self._max_tokens = max_tokens
        self._prefilled_last = False

    def plan(self, running: Seq[S], rate: float | None) -> list[Batch[S]]:
        """The batches of the next step. `rate`: prompt tokens a second, None while it is unknown."""
        prompts = [sequence for sequence in running if not sequence.decoding]
        answers = [sequence for sequence in running if sequence.decoding]
        self._prefilled_last = bool(prompts) and not (answers and self._prefilled_last)
        if self._prefilled_last:
            return [prefill(prompts, self._max_tokens, rate, hurried=bool(answers))]
        return decode(answers, self._max_tokens)


def decode(answers: Seq[S], max_tokens: int) -> list[Batch[S]]:
    """One batch for all, and one for each that must be alone."""
    shared: Batch[S] = []
    alone: list[Batch[S]] = []
    room = max_tokens
    for sequence in sorted(answers, key=lambda sequence: -sequence.pending):  # who needs much room finds it
        piece = Slice(sequence, sequence.pending, True)
        if sequence.deterministic:
            alone.append([piece])
        elif sequence.pending <= room:
            shared.append(piece)
            room -= sequence.pending
    return [shared, *alone] if shared else alone


def prefill(prompts: Seq[S], max_tokens: int, rate: float | None, hurried: bool) -> Batch[S]:
    """As much of the prompts as the time allows, the most urgent first. `hurried`: answers are waiting meanwhile."""
    ordered = sorted(prompts, key=lambda sequence: (sequence.rank, sequence.pending / (rate or 1e9) - sequence.waited))
    first = ordered[0]
    if first.deterministic:
        return [_slice(first, max_tokens)]
    room = _chunk(first, max_tokens, rate, hurried)
    batch: Batch[S] = []
    for sequence in ordered:
        if room <= 0:
            break
        if not sequence.deterministic and (not batch or sequence.pending <= room):
            batch.append(_slice(sequence, room))
            room -= batch[-1].n_tokens
    return batch


def _slice(sequence: S, room: int) -> Slice[S]:
    count = max(min(sequence.uncut, room), sequence.least)
    return Slice(sequence, count, count == sequence.pending)


def _chunk(first: Schedulable, max_tokens: int, rate: float | None, hurried: bool) -> int:
    if rate is None:
        return min(UNKNOWN_CHUNK, max_tokens)
    whole = int(rate * WHOLE_SECONDS)
    if not hurried or (first.pending <= whole and not first.begun):
        return max(_UNIT, min(max_tokens, whole))
    return max(_UNIT, min(max_tokens, int(rate * GAP_SECONDS) // _UNIT * _UNIT))
