"""What models are said to take, against what they took in a worker, and against what llama.cpp allocates."""

from __future__ import annotations

import asyncio
import ctypes
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import llama_cpp
import pytest

from jupyter_uml.engine import context as engine_context
from jupyter_uml.engine import llama_log
from jupyter_uml.engine import model as engine_model
from jupyter_uml.engine import sequence as engine_sequence
from jupyter_uml.loader.catalog.gguf_file import read_gguf
from jupyter_uml.loader.memory import compute as compute_memory
from jupyter_uml.loader.memory import kv as kv_memory
from jupyter_uml.loader.memory.estimate import Companions, Estimate, estimate
from jupyter_uml.loader.memory.machine import Gpu, Machine, this_machine
from jupyter_uml.loader.memory.record import MemoryRecord, experience, record_of
from jupyter_uml.loader.memory.shape import joined, shape_of
from jupyter_uml.types import EffectiveSettings, LoadSettings, ModelSpec
from tests.engine import tiny_models
from tests.loader.memory.estimate_models import Shape, hybrid, latent, make
from tests.loader.memory.measured_worker import measure

MIB = 1 << 20
MACHINE = Machine(64 << 30, 32 << 30, features=frozenset({"avx2"}))
PLAIN = Shape("llama", 1024, 4, 16, 16, 2816)
SETTINGS = EffectiveSettings(1024, 1, 1, 0, "f16")


def shaped(shape: Shape, quantisation: str) -> Callable[[Path], Path]:
    return lambda path: make(path, shape, quantisation)


# From 100 to 360 MiB in all, of every kind of memory.
MODELS: dict[str, tuple[Callable[[Path], Path], LoadSettings]] = {
    "every head for itself": (shaped(PLAIN, "F16"), LoadSettings(n_ctx=1024, n_parallel=4)),
    "grouped queries, repacked": (
        shaped(replace(PLAIN, kv_heads=4, layers=8), "Q4_0"),
        LoadSettings(n_ctx=1024, n_parallel=2),
    ),
    "large vocabulary": (
        shaped(replace(PLAIN, layers=2, kv_heads=4, vocabulary=100_000, tied=True), "Q4_K"),
        LoadSettings(n_ctx=512, n_parallel=1),
    ),
    "sliding windows": (
        shaped(Shape("gemma3", 768, 6, 4, 1, 3072, 32768, 256, window=512, tied=True), "Q8_0"),
        LoadSettings(n_ctx=1024, n_parallel=4),
    ),
    "experts": (
        shaped(Shape("qwen3moe", 768, 6, 12, 4, 512, experts=32, experts_used=4), "Q4_0"),
        LoadSettings(n_ctx=1024, n_parallel=1),
    ),
    "experts, coarse cache": (
        shaped(Shape("llama", 512, 4, 8, 2, 1024, experts=8, experts_used=2), "F16"),
        LoadSettings(n_ctx=1024, n_parallel=4, kv_type="q8_0"),
    ),
    "recurrent state and experts": (hybrid, LoadSettings(n_ctx=512, n_parallel=4)),
    "little model": (shaped(Shape("llama", 512, 4, 8, 8, 1408), "Q8_0"), LoadSettings(n_ctx=512, n_parallel=1)),
}


def of(path: Path, settings: EffectiveSettings = SETTINGS, machine: Machine = MACHINE, **beside: object) -> Estimate:
    return estimate(read_gguf(path), settings, machine, Companions(**beside))  # type: ignore[arg-type]


def architecture_of(path: Path) -> str:
    return shape_of(read_gguf(path)).architecture


@pytest.mark.skipif(sys.platform != "linux", reason="the highest resident memory is read from /proc")
def test_what_models_take_is_estimated_within_a_tenth(tmp_path: Path) -> None:
    machine = this_machine()
    records: dict[str, MemoryRecord] = {}
    estimates: dict[str, Estimate] = {}
    for name, (write, asked) in MODELS.items():
        path = write(tmp_path / "model.gguf")
        measured = asyncio.run(measure(path, replace(asked, n_threads=1)))
        estimates[name] = of(path, measured.settings, machine)
        records[name] = record_of(architecture_of(path), "here", estimates[name], measured.peak)
    for name, record in records.items():
        others = [other for key, other in records.items() if key != name]
        for taught in ([], others[:1], others):
            corrected = experience(taught, record.architecture, "here").corrected(estimates[name])
            ratio = corrected.peak / record.measured
            print(f"{name:26} taught by {len(taught)}: {corrected.peak / MIB:6.1f} of {record.measured / MIB:6.1f} MiB")
            assert 0.95 < ratio < 1.05, (name, len(taught), ratio, estimates[name])


def llama_log_of(path: Path, settings: EffectiveSettings) -> str:
    """What llama.cpp logs while the engine's context is made."""
    lines: list[str] = []
    callback = llama_cpp.llama_log_callback(lambda _level, text, _data: lines.append(text.decode(errors="replace")))
    model = engine_model.Model(ModelSpec("logged", str(path)))
    try:
        llama_cpp.llama_log_set(callback, ctypes.c_void_p(0))
        engine_context.Context(model, settings, engine_sequence.MAX_AHEAD).close()
    finally:
        llama_log.capture()
        model.close()
    return "".join(lines)


def logged(log: str, kind: str) -> float:
    """MiB of all buffers of a kind."""
    return sum(float(size) for size in re.findall(rf"{kind} buffer size =\s+([\d.]+) MiB", log))


LOGGED: dict[str, Callable[[Path], Path]] = {
    "llama": shaped(replace(PLAIN, layers=2), "F16"),
    "grouped queries": shaped(replace(PLAIN, layers=2, kv_heads=2), "F16"),
    "much vocabulary": shaped(replace(PLAIN, layers=2, vocabulary=50_000), "F16"),
    "sliding windows": shaped(Shape("gemma3", 512, 7, 4, 1, 2048, window=512, tied=True), "F16"),
    "experts": shaped(Shape("qwen3moe", 512, 2, 8, 2, 768, experts=16, experts_used=8), "F16"),
    "tiny gemma3": tiny_models.gemma3,
    "latent attention": latent,
    "hybrid": hybrid,
    "mamba": tiny_models.mamba,
    "mamba2": tiny_models.mamba2,
}


@pytest.mark.parametrize(
    "settings",
    [
        EffectiveSettings(512, 1, 1, 0, "f16"),
        EffectiveSettings(512, 4, 1, 0, "f16"),
        EffectiveSettings(512, 2, 1, 0, "q8_0"),
    ],
    ids=["one sequence", "four", "coarse cache"],
)
@pytest.mark.parametrize("kind", LOGGED)
def test_the_buffers_are_those_that_llama_cpp_allocates(kind: str, settings: EffectiveSettings, tmp_path: Path) -> None:
    path = LOGGED[kind](tmp_path / "model.gguf")
    if kind == "tiny gemma3" and settings.kv_type != "f16":
        pytest.skip("its heads are smaller than a block of that type")
    log, estimated = llama_log_of(path, settings), of(path, settings)
    assert estimated.part("kv_cache") / MIB == pytest.approx(logged(log, "KV") + logged(log, "RS"), abs=0.011)
    reserved = next(part.ram + part.later for part in estimated.parts if part.name == "compute")
    shape = shape_of(read_gguf(path))
    flash = settings.kv_type != "f16"
    batch = compute_memory.batch_tokens(shape, settings, flash)
    beside = compute_memory.work_bytes(shape, settings.n_ctx, batch, flash) + compute_memory.graph_bytes(shape, batch)
    buffers = (reserved - beside) / MIB
    assert 0.9 * logged(log, "compute") - 0.5 < buffers < 1.25 * logged(log, "compute") + 0.5


def test_figures_that_the_engine_has_too_are_the_same() -> None:
    assert compute_memory.BATCH == engine_context.BATCH
    assert compute_memory.SMALLEST_BATCH == engine_context._SMALLEST_BATCH
    assert compute_memory.SCORES_BYTES == engine_context._SCORES_BYTES
    assert compute_memory.MAX_AHEAD == engine_sequence.MAX_AHEAD
    assert {kind: size for kind, (_, size) in engine_model.KV_TYPES.items()} == kv_memory.KV_BYTES


def changed(path: Path, **settings: object) -> Estimate:
    return of(path, replace(SETTINGS, **settings))  # type: ignore[arg-type]


def test_a_cache_with_heads_of_each_layer_and_layers_without_any(tmp_path: Path) -> None:
    path = make(tmp_path / "model.gguf", replace(PLAIN, architecture="deci", kv_heads=(16, 4, 0, 4)))
    numbers = 64 * (16 + 4 + 0 + 4)
    transposed = 64 * (16 + 16 + 0 + 16)  # values are stored as wide as the widest, where they are transposed
    assert of(path).part("kv_cache") == 1024 * 2 * (numbers + transposed)
    assert changed(path, kv_type="q8_0").part("kv_cache") == 1024 * 2 * numbers * 34 // 32


def test_windows_that_hold_what_they_see_and_a_batch(tmp_path: Path) -> None:
    shape = shape_of(read_gguf(make(tmp_path / "model.gguf", Shape("gemma3", 512, 6, 4, 1, 1024, window=512))))
    settings = EffectiveSettings(8192, 2, 1, 0, "f16")
    one = 2 * 2 * 2 * 64  # two sequences, two bytes, keys and values
    whole = kv_memory.layer_bytes(shape, settings, 512, flash=False, whole=True)
    cut = kv_memory.layer_bytes(shape, settings, 512, flash=False, whole=False)
    assert whole == [one * 8192] * 6
    assert cut == [one * 1024] * 5 + [one * 8192]


def test_repacked_weights_are_there_twice_but_needed_once(tmp_path: Path) -> None:
    path = make(tmp_path / "model.gguf", PLAIN, "Q4_0")
    repacked = of(path)
    plain = of(path, machine=replace(MACHINE, features=frozenset()))
    assert repacked.part("repacked") > 0.85 * plain.part("weights")
    assert plain.part("repacked") == 0
    assert repacked.peak > plain.peak + 20 * MIB
    assert repacked.ram == pytest.approx(plain.ram, rel=0.01)


def test_where_there_is_a_gpu_nothing_is_repacked(tmp_path: Path) -> None:
    path = make(tmp_path / "model.gguf", PLAIN, "Q4_0")
    machine = replace(MACHINE, gpus=(Gpu("CUDA0", 8 << 30, 8 << 30),))
    for count in (0, 2):
        assert of(path, replace(SETTINGS, n_gpu_layers=count), machine).part("repacked") == 0


def test_the_layers_with_a_state_are_the_right_ones(tmp_path: Path) -> None:
    layers = shape_of(read_gguf(hybrid(tmp_path / "model.gguf"))).layers
    assert [layer.state > 0 for layer in layers] == [True, True, True, False]
    assert [layer.keys for layer in layers] == [0, 0, 0, 256]


def test_layers_on_a_gpu_take_their_weights_and_cells_with_them(tmp_path: Path) -> None:
    path = make(tmp_path / "model.gguf", PLAIN)
    machine = replace(MACHINE, gpus=(Gpu("CUDA0", 8 << 30, 8 << 30),))
    none, two, every = (of(path, replace(SETTINGS, n_gpu_layers=count), machine) for count in (0, 3, -1))
    layer = 2 * (4 * 1024 * 1024 + 3 * 1024 * 2816 + 4 * 1024)
    output = 2 * 8192 * 1024 + 4 * 1024
    cells = 1024 * 2 * 2 * 1024
    weights = {part.name: part.gpu for part in two.parts}
    assert none.gpu == 0
    assert weights["weights"] == pytest.approx(2 * layer + output, rel=1e-4)
    assert weights["kv_cache"] == 2 * cells
    assert next(part.gpu for part in every.parts if part.name == "kv_cache") == 4 * cells
    assert every.ram < two.ram < none.ram


def test_what_is_loaded_beside_a_model_counts(tmp_path: Path) -> None:
    path = make(tmp_path / "model.gguf", PLAIN)
    alone = of(path)
    little = read_gguf(make(tmp_path / "draft.gguf", replace(PLAIN, width=256, heads=4, kv_heads=4, hidden=512)))
    adapter = read_gguf(tiny_models.lora(tmp_path / "lora.gguf", scale=1.0))
    with_draft, with_adapter = of(path, draft=little), of(path, adapters=(adapter,))
    with_cache, with_eyes = of(path, cache_bytes=64 * MIB), of(path, projector=little)
    assert with_draft.peak - alone.peak > little.size + 1024 * 4 * 256 * 2 * 2
    assert 0 < with_adapter.peak - alone.peak == sum(tensor.n_bytes for tensor in adapter.tensors)
    assert (with_cache.peak - alone.peak, with_cache.ram - alone.ram) == (0, 64 * MIB)
    assert with_eyes.peak - alone.peak >= sum(tensor.n_bytes for tensor in little.tensors)


def test_a_split_model_counts_with_all_its_parts(tmp_path: Path) -> None:
    whole = read_gguf(make(tmp_path / "model.gguf", PLAIN, "Q4_0"))
    half = len(whole.tensors) // 2
    shift = whole.tensors[half].offset
    later = tuple(replace(tensor, offset=tensor.offset - shift) for tensor in whole.tensors[half:])
    parts = [replace(whole, tensors=whole.tensors[:half]), replace(whole, tensors=later)]
    one, two = estimate(whole, SETTINGS, MACHINE), estimate(joined(parts), SETTINGS, MACHINE)
    assert two.part("repacked") == one.part("repacked")
    assert one.part("weights") * 0.7 < two.part("weights") <= one.part("weights")
    assert two.peak == pytest.approx(one.peak, rel=0.1)
    assert two.ram == pytest.approx(one.ram, rel=0.01)


@pytest.mark.parametrize("value", [0, -1, 1 << 62, 1e300, "many", (), (1 << 62,) * 4])
def test_nonsense_in_a_file_does_no_harm(value: object, tmp_path: Path) -> None:
    gguf = read_gguf(make(tmp_path / "model.gguf", PLAIN))
    for key in gguf.metadata:
        broken = replace(gguf, metadata={**gguf.metadata, key: value})  # type: ignore[dict-item]
        assert estimate(broken, SETTINGS, MACHINE).peak > gguf.size / 2
