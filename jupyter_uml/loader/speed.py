"""How fast models were measured to be on this machine, and what their next load makes of it."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import msgspec
import psutil

from jupyter_uml.defaults import default_state_dir
from jupyter_uml.engine.atomic_file import replacing
from jupyter_uml.loader.catalog.entry import CatalogEntry
from jupyter_uml.loader.memory.machine import default_threads, machine_name
from jupyter_uml.types import EffectiveSettings, LoadSettings, Speed

MOST_RECORDS = 256
LARGEST_FILE = 4 << 20  # bytes; a larger one is not ours
MOST_THREADS, MOST_BATCH = 512, 1 << 16
_LARGE_MODEL = 1 << 40  # bytes; it takes as many threads as are any good

log = logging.getLogger(__name__)


def default_speeds_path() -> Path:
    return default_state_dir() / "speeds.json"


def threads_to_try(entry: CatalogEntry) -> tuple[int, ...]:
    """How many threads may be best; first as many as a load takes that knows nothing."""
    most = default_threads(_LARGE_MODEL)
    siblings = (psutil.cpu_count() or 1) // (psutil.cpu_count(logical=False) or 1)
    return tuple(dict.fromkeys([default_threads(entry.size_bytes), most, max(1, most // 2), most * max(1, siblings)]))


def advised(advice: LoadSettings, wishes: LoadSettings) -> LoadSettings:
    """What the advice adds to what is wished for. Who says how many threads compute means prompts, too."""
    if wishes.n_threads is None:
        batch_threads = advice.n_threads_batch if wishes.n_threads_batch is None else wishes.n_threads_batch
        wishes = replace(wishes, n_threads=advice.n_threads, n_threads_batch=batch_threads)
    return wishes if wishes.n_batch is not None else replace(wishes, n_batch=advice.n_batch)


class SpeedRecords:
    """The last measurement of each model file on each machine and build, in a file; the newest are kept.

    Whoever writes last wins: a record that is lost is measured again.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, entry: CatalogEntry, speed: Speed) -> None:
        """A disk that does not take it is no reason to fail."""
        records = self._all()
        new = _record(entry, _settled(speed, _newest(_of(records, entry, speed.settings.n_gpu_layers))))
        kept = [record for record in records if not record.replaced_by(new)]
        try:
            with replacing(self._path) as file:
                file.write(msgspec.json.format(msgspec.json.encode([*kept, new][-MOST_RECORDS:])))
        except OSError as error:
            log.warning("how fast %s is could not be noted: %s", entry.id, error.strerror)

    def speed(self, entry: CatalogEntry, n_gpu_layers: int | None = None) -> Speed | None:
        """The last measurement with so many layers on the GPU; None: however many there were."""
        record = _newest(_of(self._all(), entry, n_gpu_layers))
        return record.speed if record else None

    def advice(self, entry: CatalogEntry, n_gpu_layers: int | None = None) -> LoadSettings:
        """Only `n_threads`, `n_threads_batch` and `n_batch`, and only where something else than the usual is better."""
        speed = self.speed(entry, n_gpu_layers)
        return speed.advice if speed else LoadSettings()

    def _all(self) -> list[SpeedRecord]:
        """Oldest first, as far as they can be understood; none where there is no such file."""
        try:
            if self._path.stat().st_size > LARGEST_FILE:
                return []
            rows = _rows.decode(self._path.read_bytes())
        except (OSError, msgspec.MsgspecError):
            return []
        return [record for row in rows if (record := _understood(row)) is not None]


@dataclass(frozen=True, slots=True)
class SpeedRecord:
    """`sha256`, `size`, `name`: of the model's file. `place`: machine and build of llama.cpp."""

    sha256: str | None
    size: int
    name: str
    place: str
    speed: Speed

    def is_of(self, other: SpeedRecord) -> bool:
        """Whether both are of the same file in the same place."""
        if self.sha256 and other.sha256:
            same = self.sha256 == other.sha256
        else:
            same = (self.size, self.name) == (other.size, other.name)
        return same and self.place == other.place

    def replaced_by(self, newer: SpeedRecord) -> bool:
        return self.is_of(newer) and self.speed.settings.n_gpu_layers == newer.speed.settings.n_gpu_layers


_rows = msgspec.json.Decoder(list[msgspec.Raw])
_record_decoder = msgspec.json.Decoder(SpeedRecord)


def _record(entry: CatalogEntry, speed: Speed) -> SpeedRecord:
    place = f"{machine_name()}, llama-cpp-python {version('llama-cpp-python')}"
    return SpeedRecord(entry.sha256, entry.size_bytes, entry.path.name, place, speed)


def _of(records: Iterable[SpeedRecord], entry: CatalogEntry, n_gpu_layers: int | None) -> list[SpeedRecord]:
    wanted = _record(entry, _NOTHING)
    return [
        record
        for record in records
        if record.is_of(wanted) and n_gpu_layers in (None, record.speed.settings.n_gpu_layers)
    ]


def _newest(records: Iterable[SpeedRecord]) -> SpeedRecord | None:
    return max(records, key=lambda record: record.speed.time, default=None)


def _settled(speed: Speed, before: SpeedRecord | None) -> Speed:
    """A small batch that was advised before cannot be compared with larger ones any more: it stays advised."""
    if before is None or speed.advice.n_batch is not None or speed.settings.n_batch != before.speed.advice.n_batch:
        return speed
    return replace(speed, advice=replace(speed.advice, n_batch=before.speed.advice.n_batch))


def _understood(row: msgspec.Raw) -> SpeedRecord | None:
    try:
        record = _record_decoder.decode(row)
    except msgspec.MsgspecError:
        return None
    return record if _is_sound(record.speed) else None


def _is_sound(speed: Speed) -> bool:
    """Whether its advice can be followed: a file may be damaged, or written by hand."""
    advice, asked = speed.advice, speed.advice.asked()
    within = [(advice.n_threads, MOST_THREADS), (advice.n_threads_batch, MOST_THREADS), (advice.n_batch, MOST_BATCH)]
    return (
        asked.keys() <= {"n_threads", "n_threads_batch", "n_batch"}
        and all(value is None or 1 <= value <= most for value, most in within)
        and speed.time < time.time() + 86400
    )


_NOTHING = Speed("", EffectiveSettings(0, 0, 0, 0, "f16"), (), (), LoadSettings(), 1.0, 1.0, 0.0, 0.0)
