"""Short computations that only their time matters of, on cells behind those that idle slots hold.

The cells are forgotten before any other request has its turn, so nothing is left of it: neither in the KV cache, nor
in what the engine believes about the costs of a step.
"""

from __future__ import annotations

import random
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from statistics import median
from typing import NamedTuple

from jupyter_uml.engine.context import Context, Row, Threads
from jupyter_uml.errors import ModelBusy

LONGEST = 0.15  # seconds after which no further step is begun


class CutShort(Exception):
    """`Context.stop` was called: the time says nothing."""


class _Place(NamedTuple):
    start: int  # position of its first free cell
    slot: int


class Probe:
    """`names`: whose `Context.stop` cuts a computation short. `spent`: seconds of what was computed to its end."""

    def __init__(self, context: Context, n_slots: int, names: Collection[str]) -> None:
        self._context, self._n_slots, self._names = context, n_slots, names
        # All of one kind would go to the same experts of a model that has some.
        self._tokens = random.Random(0).choices(range(context.n_vocab), k=context.batch_tokens)
        self.spent = 0.0

    @property
    def room(self) -> int:
        """Tokens that a prompt may have."""
        return max((self._context.n_ctx - place.start for place in self._places(1)), default=0)

    def sequences(self, n_tokens: int) -> int:
        """How many could have so many tokens each."""
        return len(self._places(n_tokens))

    def decode(self, threads: int, n_sequences: int, n_steps: int) -> float:
        """Seconds of a token, where so many sequences get their next ones side by side, in so many steps at most.

        Raises:
            CutShort; ModelBusy: there are too few cells.
            EngineError: as `Context.decode`.
        """
        first = int(n_steps > 1)  # before what counts: else a step takes so long that a change of threads is nothing
        with self._borrowed(threads, n_sequences, first + n_steps) as places:
            due = self.spent + LONGEST
            seconds = [self._step(places, 0)]
            while len(seconds) < first + n_steps and self.spent < due:
                seconds.append(self._step(places, len(seconds)))
            return median(seconds[first:] or seconds) / n_sequences

    def prefill(self, threads: int, n_tokens: int, batch: int) -> float:
        """Seconds of a token, where a prompt is computed in pieces of `batch` tokens. Raises: as `decode`."""
        with self._borrowed(threads, 1, n_tokens) as [(start, slot)]:
            pieces = [self._tokens[begin : begin + batch] for begin in range(0, n_tokens, batch)]
            begins = range(start, start + n_tokens, batch)
            # Only what is sampled from is waited for on a GPU.
            rows = [Row(slot, begin, piece, 1) for begin, piece in zip(begins, pieces, strict=True)]
            return sum(self._timed([row]) for row in rows) / n_tokens

    @contextmanager
    def _borrowed(self, threads: int, count: int, n_tokens: int) -> Iterator[list[_Place]]:
        """The emptiest places that have room for so many tokens."""
        places = self._places(n_tokens)[:count]
        if len(places) < count:
            raise ModelBusy("Conversations fill the model's context. Unload it, then measure it.")
        own, self._context.threads = self._context.threads, Threads(threads, threads)
        try:
            yield sorted(places, key=lambda place: place.slot)
        finally:
            self._context.threads = own
            for start, slot in places:
                self._context.keep(slot, start)

    def _places(self, n_tokens: int) -> list[_Place]:
        """What cannot be cut exactly to what it was is left alone."""
        places = sorted(_Place(self._context.computed(slot), slot) for slot in range(self._n_slots))
        own_only = not self._context.states_cuttable
        return [
            place
            for place in places
            if self._context.n_ctx - place.start >= n_tokens and not (own_only and place.start)
        ]

    def _step(self, places: list[_Place], index: int) -> float:
        return self._timed([Row(slot, start + index, [self._token(index, slot)], 1) for start, slot in places])

    def _token(self, index: int, slot: int) -> int:
        return self._tokens[(index * self._n_slots + slot) % len(self._tokens)]

    def _timed(self, rows: list[Row]) -> float:
        started = time.perf_counter()
        finished = self._context.decode(rows, self._names) is not None
        seconds = time.perf_counter() - started
        if not finished:
            raise CutShort
        self.spent += seconds
        return seconds
