"""What models really took, kept beside what was estimated: by this the estimates of a machine correct themselves."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from statistics import median

import msgspec

from jupyter_uml.defaults import default_state_dir
from jupyter_uml.engine.atomic_file import replacing
from jupyter_uml.loader.memory.estimate import Estimate
from jupyter_uml.loader.memory.machine import Machine

MOST_RECORDS = 256
LARGEST_FILE = 1 << 20  # bytes; a larger one is not ours
BOUND = 0.3  # what is guessed, and an estimate as a whole, change by no more than this share
LEAST = 0.5  # of an estimate; a lower peak was no model's: its pages were taken away as fast as they were read

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class MemoryRecord:
    """One load. Bytes: the peak that was estimated without any correction, its guessed part, and the measured peak.

    `place`: machine and build of llama.cpp, which make records comparable.
    """

    architecture: str
    place: str
    estimated: int
    guessed: int
    measured: int


def default_records_path() -> Path:
    return default_state_dir() / "memory.json"


def place_of(machine: Machine) -> str:
    return f"{machine.name}, llama-cpp-python {version('llama-cpp-python')}"


def says_something(estimate: Estimate, measured: int, *, filled: bool) -> bool:
    """Whether a peak should be recorded. `filled`: a prompt as long as the context was computed in full batches.

    Before that a low peak only means that not all of the buffers have been used.
    """
    return filled or measured > estimate.peak


def record_of(architecture: str, place: str, estimate: Estimate, measured: int) -> MemoryRecord:
    """`measured`: bytes of the worker's resident memory at its highest, see `says_something`."""
    return MemoryRecord(architecture, place, estimate.peak - estimate.correction, estimate.guessed, measured)


@dataclass(frozen=True, slots=True)
class Experience:
    """The records of one place, as far as they say something: two robust ratios.

    A small model's error lies in what is guessed, such as tables and buffers. It says nothing about the weights of a
    large one, so only what is guessed is scaled by `guess`. What then remains is taken for a property of the
    architecture, and `rest` scales all of it.
    """

    guess: float = 1.0
    rest: float = 1.0

    def corrected(self, estimate: Estimate) -> Estimate:
        plain = estimate.peak - estimate.correction
        right = (plain + (self.guess - 1) * estimate.guessed) * self.rest
        return replace(estimate, correction=int(_bounded(right / plain) * plain) - plain if plain else 0)


def experience(records: Iterable[MemoryRecord], architecture: str, place: str) -> Experience:
    """What is known for a model of this architecture here; nothing is changed where nothing is known."""
    here = [record for record in records if record.place == place and _is_sound(record)]
    if not here:
        return Experience()
    alike = [record for record in here if record.architecture == architecture]
    guess = _bounded(median(_guess_ratio(record) for record in alike or here))
    if not alike:
        return Experience(guess)
    return Experience(guess, _bounded(median(_rest_ratio(record, guess) for record in alike)))


def _guess_ratio(record: MemoryRecord) -> float:
    return _bounded(1 + (record.measured - record.estimated) / record.guessed)


def _rest_ratio(record: MemoryRecord, guess: float) -> float:
    return _bounded(record.measured / max(1.0, record.estimated + (guess - 1) * record.guessed))


def _bounded(ratio: float) -> float:
    return min(1 + BOUND, max(1 - BOUND, ratio))


class MemoryRecords:
    """The records in a file; the newest are kept. Whoever writes last wins: a record that is lost is measured again."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def experience(self, architecture: str, place: str) -> Experience:
        return experience(self.all(), architecture, place)

    def add(self, record: MemoryRecord) -> None:
        """A disk that does not take it is no reason to fail."""
        records = [*self.all(), record][-MOST_RECORDS:]
        try:
            with replacing(self._path) as file:
                file.write(msgspec.json.format(msgspec.json.encode(records)))
        except OSError as error:
            log.warning("what a model takes in memory could not be noted: %s", error.strerror)

    def all(self) -> list[MemoryRecord]:
        """Oldest first; none where there is no such file, or one that cannot be understood."""
        try:
            if self._path.stat().st_size > LARGEST_FILE:
                return []
            return [record for record in _decoder.decode(self._path.read_bytes()) if _is_sound(record)]
        except (OSError, msgspec.MsgspecError):
            return []


_decoder = msgspec.json.Decoder(list[MemoryRecord])


def _is_sound(record: MemoryRecord) -> bool:
    return 0 < record.guessed <= record.estimated and record.measured >= LEAST * record.estimated
