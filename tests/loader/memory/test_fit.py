"""What fits into a machine, what has to give way where it does not, and in which words it is said."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from jupyter_uml.engine import model as engine_model
from jupyter_uml.loader.catalog.gguf_file import GgufFile, read_gguf
from jupyter_uml.loader.memory import fit as fit_module
from jupyter_uml.loader.memory.estimate import Companions, estimate
from jupyter_uml.loader.memory.fit import Fit, fit, readable
from jupyter_uml.loader.memory.machine import Gpu, Machine
from jupyter_uml.loader.memory.record import Experience
from jupyter_uml.types import EffectiveSettings, LoadSettings
from tests.loader.memory.estimate_models import N_CTX, Shape, make

MIB, GIB = 1 << 20, 1 << 30
# 7 billion parameters; a token takes 512 KiB in a cache of 16 bits.
SEVEN_B = Shape("llama", 4096, 32, 32, 32, 11008, vocabulary=32000, head_size=128)


@pytest.fixture(scope="module")
def gguf(tmp_path_factory: pytest.TempPathFactory) -> GgufFile:
    return read_gguf(make(tmp_path_factory.mktemp("fit") / "seven.gguf", SEVEN_B, "Q4_K"))


def machine(ram: float, gpu: float = 0.0) -> Machine:
    """Sizes in GiB."""
    gpus = (Gpu("CUDA0", int(gpu * GIB), int(gpu * GIB)),) if gpu else ()
    return Machine(64 * GIB, int(ram * GIB), gpus, frozenset({"avx2"}))


def fitted(gguf: GgufFile, ram: float, gpu: float = 0.0, **wishes: object) -> Fit:
    return fit(gguf, machine(ram, gpu), LoadSettings(**wishes))  # type: ignore[arg-type]


def test_figures_that_the_engine_has_too_are_the_same() -> None:
    assert engine_model.DEFAULT_CONTEXT == fit_module.DEFAULT_CONTEXT
    assert engine_model.DEFAULT_PARALLEL == fit_module.DEFAULT_PARALLEL


def test_where_there_is_room_everything_is_as_wished(gguf: GgufFile) -> None:
    result = fitted(gguf, 48)
    assert (result.fits, result.as_wished) == (True, True)
    assert result.settings == EffectiveSettings(4096, 4, 1, 0, "f16")
    assert result.verdict.startswith("fits: needs 11.7 GiB, has 47.8 GiB")
    assert result.needed == result.estimate.ram < result.available < 48 * GIB
    assert 4096 < result.largest_context <= N_CTX


def test_what_was_asked_for_is_told_also_where_less_is_loaded(gguf: GgufFile) -> None:
    assert fitted(gguf, 48).wished == fitted(gguf, 48).estimate
    less = fitted(gguf, 6)
    assert (less.fits, less.as_wished) == (True, False)
    assert less.estimate.ram < less.available < less.needed == less.wished.ram == fitted(gguf, 48).needed
    assert less.wished.part("kv_cache") == 4 * less.estimate.part("kv_cache")


@pytest.mark.parametrize(
    ("ram", "wishes", "begins"),
    [
        (6.0, {}, "fits with one sequence at a time: else it needs 11.7 GiB"),
        (5.0, {}, "needs q8 KV and one sequence at a time: else it needs 11.7 GiB"),
        (4.5, {}, "needs q8 KV and 2.25k context and one sequence at a time: else it needs 11.7 GiB"),
        (9.0, {"n_ctx": 4096, "n_parallel": 4}, "needs q8 KV: else it needs 11.7 GiB"),
        (6.0, {"n_ctx": 8192, "n_parallel": 1, "kv_type": "f16"}, "fits with 4.25k context: else it needs 7.7 GiB"),
        (9.0, {"n_ctx": 32768, "n_parallel": 1, "kv_type": "q8_0"}, "fits with 18.8k context: else it needs 12.2 GiB"),
        (3.0, {}, "does not fit: needs 3.7 GiB"),
    ],
)
def test_what_is_short_is_said_in_words_and_with_both_numbers(
    gguf: GgufFile, ram: float, wishes: dict[str, object], begins: str
) -> None:
    result = fitted(gguf, ram, **wishes)
    assert result.verdict.startswith(begins)
    assert f"needs {readable(result.needed)}, has {readable(result.available)}" in result.verdict
    assert result.fits == (not begins.startswith("does not"))
    assert not result.as_wished
    assert (result.estimate.ram <= result.available) == result.fits
    for name, value in wishes.items():
        if name != "n_ctx":
            assert getattr(result.settings, name) == value


@pytest.mark.parametrize("ram", [5.0, 5.7, 6.4, 7.9, 11.0, 20.0, 40.0])
@pytest.mark.parametrize("kv_type", ["f16", "q8_0", "q4_0"])
def test_the_largest_context_fits_and_a_longer_one_does_not(gguf: GgufFile, ram: float, kv_type: str) -> None:
    result = fitted(gguf, ram, n_ctx=256, n_parallel=2, kv_type=kv_type)
    longest = replace(result.settings, n_ctx=result.largest_context)
    assert estimate(gguf, longest, machine(ram)).ram <= result.available
    assert result.largest_context % 256 == 0
    if result.largest_context < N_CTX:
        longer = replace(longest, n_ctx=longest.n_ctx + 512)
        assert estimate(gguf, longer, machine(ram)).ram > result.available


def test_more_memory_is_never_worse(gguf: GgufFile) -> None:
    contexts = [fitted(gguf, ram / 4, n_parallel=1, kv_type="f16").largest_context for ram in range(12, 120, 4)]
    assert contexts == sorted(contexts)
    assert contexts[0] == 0
    assert contexts[-1] == N_CTX


def test_a_longer_context_than_the_model_was_trained_for_is_not_as_wished(gguf: GgufFile) -> None:
    result = fitted(gguf, 60, n_ctx=2 * N_CTX, n_parallel=1)
    assert (result.settings.n_ctx, result.as_wished) == (N_CTX, False)


def test_as_many_layers_as_the_gpu_holds_go_there(gguf: GgufFile) -> None:
    counts = []
    for size in (0.1, 1, 2, 4, 6, 16):
        result = fitted(gguf, 32, size, n_parallel=1)
        counts.append(result.settings.n_gpu_layers)
        assert result.fits
        assert result.estimate.gpu <= size * GIB
    assert counts == sorted(counts)
    assert (counts[0], counts[-1]) == (0, 33)
    assert 0 < counts[2] < counts[3] < 33


def test_layers_that_were_asked_for_need_their_gpu(gguf: GgufFile) -> None:
    assert fitted(gguf, 32, 16, n_gpu_layers=10).settings.n_gpu_layers == 10
    result = fitted(gguf, 32, 2, n_gpu_layers=-1, n_parallel=1, kv_type="f16")
    assert not result.fits
    assert result.available < 2 * GIB < result.needed


def test_a_model_on_the_gpu_needs_little_ram(gguf: GgufFile) -> None:
    assert fitted(gguf, 1.5, 16).as_wished


def test_what_others_were_promised_and_what_is_loaded_beside_it_count(gguf: GgufFile) -> None:
    alone = fit(gguf, machine(9), LoadSettings(n_parallel=1))
    beside = fit(gguf, machine(9), LoadSettings(n_parallel=1), Companions(adapters=(gguf,)))
    assert (alone.as_wished, beside.as_wished) == (True, False)
    assert beside.needed == alone.needed + sum(tensor.n_bytes for tensor in gguf.tensors)


def test_prompts_are_kept_in_what_is_left_and_nothing_gives_way_for_them(gguf: GgufFile) -> None:
    few, many = (
        fit(gguf, machine(9), LoadSettings(n_parallel=1), Companions(cache_bytes=size)) for size in (GIB, 9 * GIB)
    )
    assert few.cache_bytes == GIB
    assert few.needed < many.available - GIB
    assert many.as_wished
    assert many.cache_bytes == many.available - many.needed
    assert many.estimate.ram == many.needed + many.cache_bytes == many.available
    assert fit(gguf, machine(3), companions=Companions(cache_bytes=GIB)).cache_bytes == 0


def test_a_larger_batch_takes_more(gguf: GgufFile) -> None:
    usual, larger = (fitted(gguf, 48, n_batch=size) for size in (None, 2048))
    assert larger.settings.n_batch == 2048
    assert larger.estimate.part("compute") > 3 * usual.estimate.part("compute")


def test_what_this_machine_has_learned_counts(gguf: GgufFile) -> None:
    plain = fit(gguf, machine(48))
    taught = fit(gguf, machine(48), known=Experience(guess=1.0, rest=1.2))
    assert taught.needed == pytest.approx(plain.needed + 0.2 * plain.estimate.peak, rel=0.001)


@pytest.mark.parametrize(("n_bytes", "text"), [(0, "0 MiB"), (812 * MIB, "812 MiB"), (int(7.9 * GIB), "7.9 GiB")])
def test_sizes_are_readable(n_bytes: int, text: str) -> None:
    assert readable(n_bytes) == text


def test_it_is_quick_enough_for_an_event_loop(gguf: GgufFile) -> None:
    started = time.process_time()
    fitted(gguf, 6)
    assert time.process_time() - started < 0.5
