"""Tells a worker that hangs from one that works long or waits for its disk."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from jupyter_uml.loader.vitals.process_reading import Reading

_IDLE_SHARE = 0.02  # of the time that passed: who took less of a CPU did nothing
_LONGEST = 10.0  # seconds that count between two looks: the rest we were not awake ourselves


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds after which something is done.

    `silence`: without any message. `standstill`: with work, but without a beat, though a beat is made for each step of
    a graph. `uncounted`: likewise where nothing makes beats, such as the reading of a prompt's images.
    """

    handshake: float = 60.0  # a cold disk may take long to give Python and llama.cpp
    silence: float = 30.0
    standstill: float = 60.0
    uncounted: float = 600.0
    interval: float = 2.0  # between two looks while a model is loaded into a new worker


class Watchdog:
    """Knows one worker by its signs of life and by what the system says of it.

    Time counts only as far as the worker could have used it: not while it waits for its disk, not while the machine
    was suspended or this process stood still itself, and, where it computes, by the CPU time that it was given.
    """

    def __init__(self, patience: Patience, clock: Callable[[], float] = time.monotonic) -> None:
        self._patience, self._clock = patience, clock
        self._looked = clock()
        self._heard = True
        self._beats: int | None = None  # None: nothing to do
        self._counted = True
        self._silent = self._idle = self._busy = 0.0
        self._before: Reading | None = None

    def heard(self) -> None:
        """There was a message, whatever it says."""
        self._heard = True

    def beat(self, beats: int | None, *, counted: bool = True) -> None:
        """What it has done so far; None: there is nothing to do. `counted`: there are beats for what it does now."""
        self._heard = True
        if beats is None or beats != self._beats:
            self._idle = self._busy = 0.0
        self._beats, self._counted = beats, counted

    def look(self, reading: Reading | None) -> str | None:
        """To be called every few seconds. Says in words why the worker must be killed, or None."""
        now = self._clock()
        passed = min(now - self._looked, _LONGEST)
        before, self._before, self._looked = self._before, reading, now
        if reading is None or before is None or reading.disk != before.disk:
            passed = 0.0
        computed = reading.cpu_seconds - before.cpu_seconds if reading and before else 0.0
        self._silent = 0.0 if self._heard else self._silent + passed
        self._heard = False
        if self._beats is not None:
            if computed < _IDLE_SHARE * passed:
                self._idle += passed
            else:
                self._busy += min(passed, computed)
        return self._verdict()

    def _verdict(self) -> str | None:
        patience = self._patience
        if self._silent >= patience.silence:
            return f"It gave no sign of life for {patience.silence:g} s."
        if self._idle >= patience.standstill:
            return f"It had work and did nothing for {patience.standstill:g} s."
        limit = patience.standstill if self._counted else patience.uncounted
        if self._idle + self._busy >= limit:
            return f"It computed for {limit:g} s and came no further."
        return None
