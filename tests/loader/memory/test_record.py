"""A machine learns how far its estimates are off, and nothing that it learned can lead it far astray."""

from __future__ import annotations

from pathlib import Path

import pytest

from jupyter_uml.loader.memory.estimate import Estimate, Part
from jupyter_uml.loader.memory.machine import Machine
from jupyter_uml.loader.memory.record import (
    LARGEST_FILE,
    MOST_RECORDS,
    Experience,
    MemoryRecord,
    MemoryRecords,
    experience,
    place_of,
    record_of,
    says_something,
)

MIB = 1 << 20
HERE = "linux x86_64 8 CPUs 16 GiB, 0.3.36"
SMALL = Estimate((Part("weights", 300 * MIB), Part("process", 100 * MIB)))
LARGE = Estimate((Part("weights", 40_000 * MIB), Part("process", 100 * MIB)))


def learned(*measured: int, architecture: str = "llama", asked: str = "llama", place: str = HERE) -> Experience:
    records = [record_of(architecture, HERE, SMALL, size * MIB) for size in measured]
    return experience(records, asked, place)


def peak(known: Experience, estimate: Estimate = SMALL) -> float:
    return known.corrected(estimate).peak / MIB


def test_nothing_is_changed_by_machines_and_builds_that_are_others() -> None:
    assert peak(learned()) == peak(learned(500, place="another")) == 400


def test_a_small_models_error_says_nothing_about_the_weights_of_a_large_one() -> None:
    known = learned(420)
    assert peak(known) == pytest.approx(420, abs=1)
    assert peak(known, LARGE) == pytest.approx(40_120, abs=1)


def test_what_is_left_belongs_to_the_architecture() -> None:
    assert peak(learned(460)) == pytest.approx(460, abs=1)
    assert peak(learned(460, asked="gemma3")) == pytest.approx(430, abs=1)


def test_models_of_the_same_architecture_say_more_than_others() -> None:
    others = [record_of("gemma3", HERE, SMALL, 430 * MIB)] * 3
    own = record_of("llama", HERE, SMALL, 405 * MIB)
    assert experience([*others, own], "llama", HERE).guess == pytest.approx(1.05)
    assert experience([*others, own], "mamba", HERE).guess == pytest.approx(1.3)


def test_an_outlier_is_outvoted() -> None:
    assert peak(learned(410, 410, 4000, 410, 1)) == pytest.approx(410, abs=1)


@pytest.mark.parametrize(("measured", "bound"), [(100_000, 520), (210, 280)])
def test_no_correction_is_larger_than_its_bound(measured: int, bound: int) -> None:
    assert peak(learned(measured)) == pytest.approx(bound, abs=1)


def test_one_absurd_measurement_makes_no_estimate_too_small() -> None:
    """Where memory is short, pages of the file go as fast as they come, and the peak is no model's."""
    assert peak(learned(40)) == 400
    assert peak(learned(40, 410)) == pytest.approx(410, abs=1)
    assert peak(learned(410, 100_000)) < 1.2 * 410


def test_a_corrected_estimate_teaches_what_the_plain_one_would() -> None:
    corrected = learned(420).corrected(SMALL)
    assert corrected.correction != 0
    assert record_of("llama", HERE, corrected, 420) == record_of("llama", HERE, SMALL, 420)
    assert learned(420).corrected(corrected) == corrected


def test_records_outlive_the_process_and_the_oldest_go_first(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "memory.json"
    for size in range(MOST_RECORDS + 3):
        MemoryRecords(path).add(record_of("llama", HERE, SMALL, (400 + size) * MIB))
    kept = MemoryRecords(path).all()
    assert [kept[0].measured, kept[-1].measured] == [403 * MIB, (402 + MOST_RECORDS) * MIB]
    assert path.stat().st_size < LARGEST_FILE
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    "content", [b"", b"[", b"{}", b'[{"architecture": 1}]', b"\xff" * 9, b" " * (LARGEST_FILE + 1)]
)
def test_a_damaged_file_is_as_good_as_none(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "memory.json"
    path.write_bytes(content)
    records = MemoryRecords(path)
    assert records.all() == []
    records.add(record_of("llama", HERE, SMALL, 420 * MIB))
    assert peak(records.experience("llama", HERE)) == pytest.approx(420, abs=1)


def test_records_of_nothing_are_passed_over(tmp_path: Path) -> None:
    records = MemoryRecords(tmp_path / "memory.json")
    records.add(MemoryRecord("llama", HERE, 0, 0, 5))
    records.add(MemoryRecord("llama", HERE, 5, -3, 5))
    assert records.all() == []


def test_a_disk_that_takes_nothing_is_no_reason_to_fail(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    MemoryRecords(tmp_path / "file" / "memory.json").add(record_of("llama", HERE, SMALL, 1))
    assert "could not be noted" in caplog.text


def test_a_low_peak_says_something_only_once_the_context_was_full() -> None:
    assert not says_something(SMALL, 300 * MIB, filled=False)
    assert says_something(SMALL, 300 * MIB, filled=True)
    assert says_something(SMALL, 401 * MIB, filled=False)


def test_a_place_is_a_machine_and_a_build() -> None:
    assert place_of(Machine(1, 1, name="one")) != place_of(Machine(1, 1, name="another"))
    assert "llama-cpp-python 0." in place_of(Machine(1, 1))
