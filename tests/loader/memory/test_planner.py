"""How models are to be loaded: from what was wished for, what is usual for them, and the memory that there is."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import asdict, fields, replace
from pathlib import Path

import pytest

from jupyter_uml.demo import demo_model_path
from jupyter_uml.errors import InvalidRequest, ModelLoadFailed
from jupyter_uml.loader.catalog.catalog import Catalog, CatalogEntry
from jupyter_uml.loader.catalog.gguf_file import GgufFile
from jupyter_uml.loader.catalog.profiles import ProfileFolder
from jupyter_uml.loader.handle import WorkerEngine
from jupyter_uml.loader.memory import planner as planner_module
from jupyter_uml.loader.memory.ledger import Ledger
from jupyter_uml.loader.memory.machine import Gpu, private_bytes, started_at
from jupyter_uml.loader.memory.part import Part
from jupyter_uml.loader.memory.planner import Plan, Planner
from jupyter_uml.loader.memory.record import MemoryRecords
from jupyter_uml.types import CacheSettings, GenerateRequest, LoadSettings, Lora, ModelSpec, SamplingParams
from tests.engine import tiny_models
from tests.loader.memory.estimate_models import Shape, make

pytestmark = pytest.mark.anyio
MIB, GIB = 1 << 20, 1 << 30
LITTLE = Shape("llama", 512, 4, 8, 8, 1408)


class Desk:
    """A catalog over a folder, and a planner."""

    def __init__(self, folder: Path, **settings: object) -> None:
        self.folder = folder
        self.catalog = Catalog([folder], profiles=ProfileFolder(folder / "profiles"))
        self.records = MemoryRecords(folder / "memory.json")
        limit = settings.pop("limit", None)
        ledger = Ledger(folder / "ledger", limit)  # type: ignore[arg-type]
        self.planner = Planner(self.catalog, ledger=ledger, records=self.records, **settings)  # type: ignore[arg-type]

    async def plan(self, model: str = "demo", *, leaving: Sequence[int] = (), **wishes: object) -> Plan:
        entry = await self.catalog.find(model)
        return await self.planner.plan(entry, LoadSettings(**wishes), leaving)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def no_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asking takes half a second."""
    monkeypatch.setattr(planner_module, "find_gpus", tuple)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    await desk.planner.close()


async def started(spec: ModelSpec) -> WorkerEngine:
    return await WorkerEngine.start(spec, lambda _: None, lambda _: None)


# --- settings ---


async def test_each_setting_is_decided_and_the_worker_obeys(desk: Desk) -> None:
    plan = await desk.plan(n_ctx=300, n_threads=1, n_batch=64, lora=())
    assert plan.fit.as_wished
    assert {field.name: getattr(plan.spec.settings, field.name) for field in fields(LoadSettings)} == asdict(
        plan.fit.settings
    )
    assert plan.fit.settings.n_ctx == 512
    engine = await started(plan.spec)
    try:
        assert engine.settings == replace(plan.fit.settings, n_threads_batch=1)
    finally:
        await engine.close()


class _Measured:
    """It was found out that two threads and three for prompts are best."""

    def advice(self, entry: CatalogEntry) -> LoadSettings:
        return LoadSettings(n_threads=2, n_threads_batch=3, n_batch=128)


async def test_wishes_go_before_the_profile_that_before_what_was_measured_and_that_before_the_usual(
    tmp_path: Path,
) -> None:
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "mine.toml").write_text('model = "demo"\nn_ctx = 256\nn_parallel = 2\nn_threads = 5\n')
    usual, measured = Desk(tmp_path), Desk(tmp_path, speeds=_Measured())
    plain = (await usual.plan()).fit.settings
    assert (plain.n_ctx, plain.n_parallel, plain.n_threads, plain.n_batch) == (1024, 4, 1, 0)
    advised = (await measured.plan()).fit.settings
    assert (advised.n_threads, advised.n_threads_batch, advised.n_batch) == (2, 3, 128)
    profiled = await measured.plan("mine", n_parallel=1)
    assert profiled.wishes == LoadSettings(n_ctx=256, n_parallel=1, n_threads=5)
    settings = profiled.fit.settings
    assert (settings.n_ctx, settings.n_parallel, settings.n_threads, settings.n_batch) == (256, 1, 5, 128)
    assert settings.n_threads_batch == 0, "who says how many threads compute means prompts, too"
    assert (await measured.plan("mine", n_parallel=200)).fit.settings.n_batch == 0, "every sequence needs room"
    await asyncio.gather(usual.planner.close(), measured.planner.close())


@pytest.mark.parametrize(
    ("wishes", "param", "says"),
    [
        ({"n_ctx": 4096}, "n_ctx", "trained for a context of 1024 tokens"),
        ({"n_batch": 32}, "n_batch", "64 or more"),
        ({"n_batch": 100, "n_parallel": 128}, "n_batch", "128 or more"),
        ({"draft_model": "nobody"}, "draft_model", "nobody"),
        ({"draft_model": "style"}, "draft_model", "not a model"),
        ({"draft_model": "broken"}, "draft_model", "cut off"),
        ({"lora": (Lora("nobody"),)}, "lora", "nobody"),
        ({"lora": (Lora("style"), Lora("demo"))}, "lora", "demo is not a LoRA adapter"),
        ({"lora": (Lora("broken"),)}, "lora", "cut off"),
    ],
)
async def test_what_cannot_be_is_refused_by_its_name(
    desk: Desk, wishes: dict[str, object], param: str, says: str
) -> None:
    tiny_models.lora(desk.folder / "style.gguf", scale=1.0)
    (desk.folder / "broken.gguf").write_bytes(demo_model_path().read_bytes()[:100_000])
    with pytest.raises(InvalidRequest, match=says) as caught:
        await desk.plan(**wishes)
    assert caught.value.param == param
    assert str(desk.folder) not in caught.value.message


# --- files ---


async def test_files_that_cannot_be_loaded_say_why(desk: Desk) -> None:
    (desk.folder / "broken.gguf").write_bytes(demo_model_path().read_bytes()[:100_000])
    (desk.folder / "garbage.gguf").write_bytes(b"x" * 5000)
    tiny_models.lora(desk.folder / "style.gguf", scale=1.0)
    for model, says in (("broken", "cut off"), ("garbage", "no GGUF file"), ("style", "LoRA adapter")):
        await desk.catalog.refresh()
        with pytest.raises(ModelLoadFailed, match=says):
            await desk.plan(model)


async def test_a_file_that_is_gone_or_another_one_is_noticed(desk: Desk) -> None:
    path = desk.folder / "mine.gguf"
    make(path, LITTLE)
    entry = await desk.catalog.find("mine")
    before = await desk.planner.plan(entry, LoadSettings())
    make(path, replace(LITTLE, layers=8))
    assert (await desk.planner.plan(entry, LoadSettings())).fit.estimate.part("weights") > before.fit.estimate.part(
        "weights"
    )
    path.unlink()
    with pytest.raises(ModelLoadFailed, match="gone"):
        await desk.planner.plan(entry, LoadSettings())


async def test_what_belongs_to_a_model_is_counted_and_told_to_the_worker(desk: Desk) -> None:
    tiny_models.lora(desk.folder / "style.gguf", scale=1.0)
    shutil.copy(demo_model_path(), desk.folder / "little.gguf")
    alone = await desk.plan()
    both = await desk.plan(lora=(Lora("style", 0.5),), draft_model="demo")
    assert both.fit.estimate.part("adapters") > 0
    assert both.fit.estimate.part("draft") > 0
    assert both.fit.needed > alone.fit.needed
    assert [(file.id, file.path, file.scale) for file in both.spec.lora] == [
        ("style", str(desk.folder / "style.gguf"), 0.5)
    ]
    assert both.spec.draft_path == str(demo_model_path())
    entry = replace(await desk.catalog.find("demo"), adapters=(desk.folder / "style.gguf",))
    own = await desk.planner.plan(entry, LoadSettings())
    assert [file.path for file in own.spec.lora] == [str(desk.folder / "style.gguf")]
    assert own.fit.settings.lora == ()
    engine = await started(own.spec)
    await engine.close()


async def test_a_header_is_read_once_also_for_many_who_ask(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    make(desk.folder / "one.gguf", LITTLE)
    read, reads = desk.catalog.inspector.headers, []

    async def counted(paths: Sequence[Path]) -> list[GgufFile]:
        reads.append(paths)
        return await read(paths)

    monkeypatch.setattr(desk.catalog.inspector, "headers", counted)
    planner = Planner(desk.catalog, ledger=Ledger(desk.folder / "ledger"))
    entries = [await desk.catalog.find(model) for model in ("demo", "one", "demo", "one")]
    await asyncio.gather(*(planner.plan(entry, LoadSettings()) for entry in entries))
    await planner.plan(entries[0], LoadSettings(n_ctx=512))
    assert len(reads) == 2


async def test_a_forecast_takes_milliseconds_for_a_large_model(desk: Desk) -> None:
    layers = 110  # 1,000 tensors
    make(desk.folder / "large.gguf", Shape("llama", 5120, layers, 32, 8, 4096, vocabulary=150_000), "Q4_K")
    await desk.plan("large")
    began = time.process_time()
    for n_ctx in range(512, 5632, 512):
        await desk.plan("large", n_ctx=n_ctx)
    assert (time.process_time() - began) / 10 < 0.05


# --- memory ---


async def test_what_is_promised_is_there_no_more_until_it_is_given_back(tmp_path: Path) -> None:
    desk = Desk(tmp_path, limit=300 * MIB)
    make(tmp_path / "one.gguf", LITTLE)
    make(tmp_path / "two.gguf", LITTLE)
    first = await desk.plan("one", n_ctx=1024, n_parallel=4)
    assert first.fit.as_wished
    assert 80 * MIB < first.fit.estimate.ram < 250 * MIB
    async with desk.planner.deciding():
        promise = desk.planner.promise(first)
    second = await desk.plan("two", n_ctx=32768, n_parallel=4, kv_type="f16")
    error = desk.planner.insufficient(second)
    assert error.details == {"needed_bytes": second.fit.needed, "available_bytes": second.fit.available}
    assert second.fit.available <= min(300 * MIB - promise.ram, second.fit.needed)
    engine = await started(first.spec)
    try:
        promise.started(engine.pid)
        in_its_place = await desk.plan("two", n_ctx=32768, leaving=[engine.pid])
        assert in_its_place.fit.available > 290 * MIB
        assert (await desk.plan("two", n_ctx=32768)).fit.available == second.fit.available
    finally:
        await engine.close()
    assert (await desk.plan("two", n_ctx=32768)).fit.available == in_its_place.fit.available
    await desk.planner.close()


async def test_the_same_file_beside_itself_needs_its_weights_once(tmp_path: Path) -> None:
    desk = Desk(tmp_path, limit=GIB)
    make(tmp_path / "one.gguf", replace(LITTLE, layers=20))
    make(tmp_path / "two.gguf", replace(LITTLE, layers=20))
    plan = await desk.plan("one")
    weights = plan.fit.estimate.part("weights")
    assert weights > 100 * MIB
    desk.planner.promise(plan)
    same, other = await desk.plan("one"), await desk.plan("two")
    spare = 31 / 32  # a part of what is free is left alone
    assert same.fit.available - other.fit.available == pytest.approx(weights * spare, abs=MIB)
    await desk.planner.close()


async def test_computed_prompts_get_what_is_left(tmp_path: Path) -> None:
    cache = CacheSettings(ram_bytes=200 * MIB)
    roomy, narrow = (Desk(tmp_path, cache=lambda: cache, limit=limit) for limit in (GIB, 200 * MIB))
    assert (await roomy.plan()).spec.cache.ram_bytes == 200 * MIB
    plan = await narrow.plan()
    assert plan.fit.as_wished
    assert 0 < plan.spec.cache.ram_bytes < 200 * MIB - plan.fit.needed
    assert plan.fit.estimate.ram == plan.fit.needed + plan.spec.cache.ram_bytes
    told = narrow.planner.estimate(plan)
    assert [part.name for part in told.parts if not part.needed] == ["cache"]
    assert sum(part.ram for part in told.parts if part.needed) == told.needed_bytes
    await asyncio.gather(roomy.planner.close(), narrow.planner.close())


async def test_the_parts_of_a_forecast_are_its_whole(desk: Desk) -> None:
    make(desk.folder / "one.gguf", LITTLE)
    plan = await desk.plan("one", n_parallel=2)
    told = desk.planner.estimate(plan)
    assert (told.model, told.fits, told.as_wished, told.unloads) == ("one", True, True, ())
    assert told.verdict.startswith("fits: needs ")
    assert told.settings == plan.fit.settings
    assert sum(part.ram for part in told.parts) == told.needed_bytes < told.available_bytes
    assert {"weights", "kv_cache", "compute", "process"} <= {part.name for part in told.parts}
    assert told.wished_parts == told.parts
    assert told.largest_context >= told.settings.n_ctx


async def test_a_worker_stays_far_below_its_bound(desk: Desk) -> None:
    plan = await desk.plan(n_threads=1)
    engine = await started(plan.spec)
    try:
        taken = private_bytes(engine.pid, started_at(engine.pid) or 0.0)
    finally:
        await engine.close()
    assert taken is not None
    assert plan.spec.memory_limit is not None
    assert 4 * taken < plan.spec.memory_limit


# --- GPUs ---


async def test_free_gpu_memory_is_asked_for_anew_before_it_is_decided_on(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = [9 * GIB]
    monkeypatch.setattr(planner_module, "find_gpus", lambda: (Gpu("CUDA0", 16 * GIB, free[0]),))
    monkeypatch.setattr(planner_module, "GPU_SECONDS_DECIDING", 0.0)
    make(desk.folder / "one.gguf", LITTLE)
    first = await desk.plan("one")
    assert first.fit.settings.n_gpu_layers == LITTLE.layers + 1
    assert first.fit.estimate.gpu > 20 * MIB
    assert first.spec.memory_limit is None, "drivers reserve as much as they like"
    free[0] = 0
    assert (await desk.plan("one")).fit.settings.n_gpu_layers == LITTLE.layers + 1, "a forecast may be a minute old"
    async with desk.planner.deciding():
        assert (await desk.plan("one")).fit.settings.n_gpu_layers == 0


async def test_without_a_gpu_nobody_asks_again(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(planner_module, "find_gpus", lambda: asked.append(1) or ())
    await desk.planner.start()
    for _ in range(3):
        async with desk.planner.deciding():
            await desk.plan()
    assert len(asked) == 1


# --- learning ---


async def test_what_a_worker_took_makes_the_next_estimate_better(desk: Desk) -> None:
    make(desk.folder / "one.gguf", LITTLE)
    plan = await desk.plan("one", n_ctx=512, n_parallel=1, n_threads=1)
    wrong = replace(plan.fit.estimate, parts=tuple(_halved(part) for part in plan.fit.estimate.parts))
    engine = await started(plan.spec)
    try:
        await desk.planner.learn(plan, engine.pid, filled=False)
        assert desk.records.all() == [], "not all of its buffers have been used"
        tokens = (5,) * (engine.settings.n_ctx - 2)
        full = GenerateRequest("r", "one", prompt=tokens, params=SamplingParams(max_tokens=2), deterministic=True)
        async with aclosing(engine.submit(full)) as chunks:
            assert [chunk async for chunk in chunks]
        too_little = replace(plan, fit=replace(plan.fit, estimate=wrong))
        await desk.planner.learn(too_little, engine.pid, filled=True)
    finally:
        await engine.close()
    (record,) = desk.records.all()
    assert record.architecture == "llama"
    assert record.measured == pytest.approx(plan.fit.estimate.peak, rel=0.1)
    assert (await desk.plan("one", n_ctx=512, n_parallel=1)).fit.estimate.peak > plan.fit.estimate.peak
    await desk.planner.learn(plan, engine.pid, filled=True)
    assert len(desk.records.all()) == 1, "the worker is gone"


def _halved(part: Part) -> Part:
    return replace(part, ram=part.ram // 2) if part.name in ("process", "tokenizer", "compute") else part
