"""What is known of models' speeds: measured in a worker, kept in a file, used by the next load."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, replace
from pathlib import Path

import msgspec
import pytest

from jupyter_uml.errors import ModelBusy
from jupyter_uml.loader import Catalog, UniversalLoader
from jupyter_uml.loader import speed as speed_module
from jupyter_uml.loader.catalog.entry import CatalogEntry
from jupyter_uml.loader.handle import WorkerEngine
from jupyter_uml.loader.memory.planner import Planner
from jupyter_uml.loader.speed import MOST_RECORDS, SpeedRecords, advised, threads_to_try
from jupyter_uml.service import Service
from jupyter_uml.types import EffectiveSettings, LoadSettings, MeasureRequest, ModelSpec, Speed, SpeedPoint
from tests.loader.cases import collect, request

RUNNING = EffectiveSettings(1024, 4, 1, 0, "f16", n_batch=512, n_threads_batch=1)
ADVICE = LoadSettings(n_threads=2, n_threads_batch=3, n_batch=128)
ENTRY = CatalogEntry("one", Path("/models/one.gguf"), 1000, "folder")


def measured(advice: LoadSettings = ADVICE, settings: EffectiveSettings = RUNNING, at: float = 1000.0) -> Speed:
    points = (SpeedPoint(1, 512, 3000.0),)
    return Speed("one", settings, points, (SpeedPoint(1, 1, 900.0),), advice, 1.2, 1.1, 4.5, at)


@pytest.fixture
def records(tmp_path: Path) -> SpeedRecords:
    return SpeedRecords(tmp_path / "state" / "speeds.json")


def file_of(tmp_path: Path) -> Path:
    return tmp_path / "state" / "speeds.json"


def test_what_was_measured_is_known_to_whoever_reads_the_file(records: SpeedRecords, tmp_path: Path) -> None:
    assert records.advice(ENTRY) == LoadSettings()
    assert records.speed(ENTRY) is None
    records.add(ENTRY, measured())
    again = SpeedRecords(file_of(tmp_path))
    assert again.advice(ENTRY) == ADVICE
    assert again.speed(ENTRY) == measured()


def test_a_file_is_known_by_its_sum_else_by_name_and_size(records: SpeedRecords) -> None:
    records.add(replace(ENTRY, sha256="a" * 64), measured())
    moved = replace(ENTRY, id="two", path=Path("/elsewhere/two.gguf"))
    assert records.advice(replace(moved, sha256="a" * 64)) == ADVICE
    assert records.advice(replace(moved, sha256="b" * 64)) == LoadSettings()
    assert records.advice(moved) == LoadSettings()
    assert records.advice(ENTRY) == ADVICE  # whose sum nobody has computed yet
    assert records.advice(replace(ENTRY, size_bytes=1001)) == LoadSettings()


def test_another_machine_or_build_says_nothing(records: SpeedRecords, monkeypatch: pytest.MonkeyPatch) -> None:
    records.add(ENTRY, measured())
    with monkeypatch.context() as patch:
        patch.setattr(speed_module, "machine_name", lambda: "another one")
        assert records.advice(ENTRY) == LoadSettings()
    with monkeypatch.context() as patch:
        patch.setattr(speed_module, "version", lambda _: "0.0.1")
        assert records.advice(ENTRY) == LoadSettings()
    assert records.advice(ENTRY) == ADVICE


def test_each_number_of_layers_on_the_gpu_has_its_own(records: SpeedRecords) -> None:
    on_gpu = replace(ADVICE, n_threads=5)
    records.add(ENTRY, measured(at=1.0))
    records.add(ENTRY, measured(on_gpu, replace(RUNNING, n_gpu_layers=33), at=2.0))
    assert records.advice(ENTRY, 0) == ADVICE
    assert records.advice(ENTRY, 33) == on_gpu
    assert records.advice(ENTRY, 20) == LoadSettings()
    assert records.advice(ENTRY) == on_gpu  # the newest


def test_a_new_measurement_takes_the_place_of_the_old_one(records: SpeedRecords, tmp_path: Path) -> None:
    for threads in (2, 3, 4):
        records.add(ENTRY, measured(replace(ADVICE, n_threads=threads), at=threads))
    assert records.advice(ENTRY).n_threads == 4
    assert len(json.loads(file_of(tmp_path).read_bytes())) == 1


def test_a_small_batch_stays_advised_where_larger_ones_cannot_be_compared(records: SpeedRecords) -> None:
    records.add(ENTRY, measured(LoadSettings(n_batch=128), at=1.0))
    with_it = replace(RUNNING, n_batch=128)
    records.add(ENTRY, measured(LoadSettings(n_threads=2, n_threads_batch=2), with_it, at=2.0))
    assert records.advice(ENTRY) == LoadSettings(n_threads=2, n_threads_batch=2, n_batch=128)
    records.add(ENTRY, measured(LoadSettings(), RUNNING, at=3.0))  # the usual one again, which was best this time
    assert records.advice(ENTRY) == LoadSettings()


def test_the_file_has_a_bound_and_the_newest_stay(records: SpeedRecords, tmp_path: Path) -> None:
    for number in range(MOST_RECORDS + 3):
        records.add(replace(ENTRY, size_bytes=number + 1), measured(at=float(number)))
    assert len(json.loads(file_of(tmp_path).read_bytes())) == MOST_RECORDS
    assert records.advice(replace(ENTRY, size_bytes=1)) == LoadSettings()
    assert records.advice(replace(ENTRY, size_bytes=MOST_RECORDS + 3)) == ADVICE


@pytest.mark.parametrize("content", [b"", b"[", b"{}", b"[1, null, {}]", b"\xff\xfe", b"x" * (5 << 20)])
def test_a_damaged_file_is_none_and_is_replaced(records: SpeedRecords, tmp_path: Path, content: bytes) -> None:
    file_of(tmp_path).parent.mkdir()
    file_of(tmp_path).write_bytes(content)
    assert records.advice(ENTRY) == LoadSettings()
    records.add(ENTRY, measured())
    assert records.advice(ENTRY) == ADVICE


@pytest.mark.parametrize(
    "damage",
    [
        {"n_threads": 100_000},
        {"n_threads": -1},
        {"n_threads": "many"},
        {"n_batch": 1 << 40},
        {"n_ctx": 1 << 20},
        {"lora": [{"id": "x"}]},
    ],
)
def test_one_damaged_record_spoils_no_other(records: SpeedRecords, tmp_path: Path, damage: dict[str, object]) -> None:
    other = replace(ENTRY, size_bytes=2)
    records.add(ENTRY, measured())
    records.add(other, measured())
    rows = json.loads(file_of(tmp_path).read_bytes())
    rows[0]["speed"]["advice"].update(damage)
    file_of(tmp_path).write_text(json.dumps(rows))
    assert records.advice(ENTRY) == LoadSettings()
    assert records.advice(other) == ADVICE


def test_a_disk_that_takes_nothing_is_no_reason_to_fail(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "state").write_text("a file where the folder should be")
    records = SpeedRecords(file_of(tmp_path))
    records.add(ENTRY, measured())
    assert "could not be noted" in caplog.text
    assert records.advice(ENTRY) == LoadSettings()


def test_what_was_asked_for_goes_before_advice() -> None:
    assert advised(ADVICE, LoadSettings()) == ADVICE
    assert advised(ADVICE, LoadSettings(n_threads=7)) == LoadSettings(n_threads=7, n_batch=128)
    assert advised(ADVICE, LoadSettings(n_threads_batch=7)) == replace(ADVICE, n_threads_batch=7)
    assert advised(ADVICE, LoadSettings(n_batch=64, n_ctx=512)) == replace(ADVICE, n_batch=64, n_ctx=512)
    assert advised(LoadSettings(), LoadSettings(n_ctx=512)) == LoadSettings(n_ctx=512)


def test_what_is_usual_is_tried_first() -> None:
    small, large = threads_to_try(ENTRY), threads_to_try(replace(ENTRY, size_bytes=1 << 34))
    assert small[0] == 1
    assert large[0] == max(small)  # as long as no processor has two faces
    assert len(set(small)) == len(small)


def test_the_wire_form_and_back() -> None:
    assert Speed.from_dict(json.loads(msgspec.json.encode(asdict(measured())))) == measured()


# --- with workers ---


@asynccontextmanager
async def service_over(records: SpeedRecords) -> AsyncIterator[Service]:
    catalog = Catalog()
    service = Service(UniversalLoader(catalog, planner=Planner(catalog, speeds=records)), speeds=records)
    try:
        yield service
    finally:
        await service.aclose()


@pytest.mark.anyio
async def test_a_measurement_is_kept_and_requests_go_first(records: SpeedRecords) -> None:
    async with service_over(records) as service:
        await service.load("demo", LoadSettings(n_threads=1, n_ctx=512, n_parallel=2))
        alone = await collect(service.loader, request())
        measuring = asyncio.create_task(service.measure("demo"))
        waits, answers = list[float](), []
        while not measuring.done():
            await asyncio.sleep(0.2)
            started = time.monotonic()
            answers.append(await collect(service.loader, request()))
            waits.append(time.monotonic() - started)
        speed = await measuring
        assert len(answers) > 3
        assert {"".join(chunk.text for chunk in answer) for answer in answers} == {"".join(c.text for c in alone)}
        assert speed.seconds < 5.5
        assert speed.settings == (await service.model("demo")).settings
        entry = service.loader.catalog.get("demo")
    assert records.speed(entry) == speed


@pytest.mark.anyio
async def test_what_is_known_changes_the_next_load_unless_something_else_is_asked_for(records: SpeedRecords) -> None:
    async with service_over(records) as service:
        usual = (await service.load("demo", LoadSettings(n_ctx=512))).settings
        await service.unload("demo")
        records.add(service.loader.catalog.get("demo"), measured(ADVICE))
        known = (await service.load("demo", LoadSettings(n_ctx=512))).settings
        await service.unload("demo")
        asked = (await service.load("demo", LoadSettings(n_ctx=512, n_threads=1, n_batch=256))).settings
    assert usual is not None
    assert known is not None
    assert (usual.n_threads, usual.n_threads_batch, usual.n_batch) == (1, 1, 512)
    assert (known.n_threads, known.n_threads_batch, known.n_batch) == (2, 3, 128)
    assert asked == replace(usual, n_batch=256)


@pytest.mark.anyio
async def test_a_request_in_the_middle_does_not_wait_for_a_sample() -> None:
    """With more threads than processors each sample takes long."""
    spec = ModelSpec("demo", str(Catalog().get("demo").path), LoadSettings(n_threads=1, n_parallel=2))
    engine = await WorkerEngine.start(spec, lambda _: None, lambda _: None)
    measuring = asyncio.create_task(engine.compute(MeasureRequest("m", "demo", (1, 16))))
    await asyncio.sleep(0.5)
    with pytest.raises(ModelBusy):
        await engine.compute(MeasureRequest("n", "demo", (1,)))
    assert not measuring.done()
    waits = list[float]()
    while len(waits) < 5 and not measuring.done():
        started = time.monotonic()
        async for _ in engine.submit(request()):
            waits.append(time.monotonic() - started)
            break
        await asyncio.sleep(0.1)
    measuring.cancel()
    await engine.drained()
    await engine.close()
    assert len(waits) == 5
    assert sorted(waits)[2] < 0.25, waits


@pytest.mark.anyio
async def test_a_batch_of_a_short_context_takes_no_memory_from_a_long_one(models: Path, records: SpeedRecords) -> None:
    catalog = Catalog([models])
    planner = Planner(catalog, speeds=records)
    entry = catalog.get("endless")
    plain = await planner.plan(entry, LoadSettings(n_ctx=32768))
    records.add(entry, measured(LoadSettings(n_batch=256)))
    assert (await planner.plan(entry, LoadSettings(n_ctx=1024))).spec.settings.n_batch == 256
    long = await planner.plan(entry, LoadSettings(n_ctx=32768))
    assert (long.spec.settings.n_batch, long.fit.estimate.ram) == (0, plain.fit.estimate.ram)
    asked = await planner.plan(entry, LoadSettings(n_ctx=32768, n_batch=256))
    assert asked.spec.settings.n_batch == 256
    assert asked.fit.estimate.ram > plain.fit.estimate.ram
    await planner.close()
