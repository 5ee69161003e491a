"""Measuring how fast a model computes: the figures, and that nothing is left of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import llama_cpp
import pytest

from jupyter_uml.demo import demo_model_path
from jupyter_uml.engine import bench
from jupyter_uml.engine.context import Context, Logits, Row
from jupyter_uml.engine.engine import Engine, Failure
from jupyter_uml.engine.model import Model
from jupyter_uml.engine.probe import CutShort, Probe
from jupyter_uml.errors import InvalidRequest, ModelBusy
from jupyter_uml.types import Chunk, LoadSettings, Measured, MeasureRequest, ModelSpec, SamplingParams, Speed
from tests.engine import tiny_models
from tests.engine.engines import QUESTIONS, answer, chat, make_engine, raw, spec, story, text

ONE_THREAD = MeasureRequest("m", "demo", (1,))


@dataclass
class Direct:
    """The same computations by llama.cpp's own functions, for comparison. Seconds."""

    context: llama_cpp.llama_context_p
    steps: list[float] = field(default_factory=list)
    prompts: list[float] = field(default_factory=list)

    def decode(self) -> None:
        self._timed([5])
        self.steps.append(median(self._timed([token]) for token in range(10, 18)))

    def prefill(self) -> None:
        self.prompts.append(self._timed(story(512)))

    def _timed(self, tokens: list[int]) -> float:
        array = (llama_cpp.llama_token * len(tokens))(*tokens)
        started = time.perf_counter()
        assert llama_cpp.llama_decode(self.context, llama_cpp.llama_batch_get_one(array, len(tokens))) == 0
        seconds = time.perf_counter() - started
        if len(tokens) > 1:
            llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(self.context), False)
        return seconds


@pytest.fixture(scope="module")
def direct() -> Iterator[Direct]:
    model = llama_cpp.llama_model_load_from_file(
        str(demo_model_path()).encode(), llama_cpp.llama_model_default_params()
    )
    params = llama_cpp.llama_context_default_params()
    params.n_ctx, params.n_batch, params.n_ubatch, params.n_threads, params.n_threads_batch = 1024, 512, 512, 1, 1
    params.flash_attn_type = llama_cpp.LLAMA_FLASH_ATTN_TYPE_DISABLED
    context = llama_cpp.llama_init_from_model(model, params)
    yield Direct(context)
    llama_cpp.llama_free(context)
    llama_cpp.llama_model_free(model)


@dataclass
class Told:
    speed: Speed
    answers: list[list[Chunk]]
    same: list[list[Chunk]]  # of an engine that was not measured
    learned: list[tuple[float | None, ...]]  # costs before the measurement, and in its middle


@pytest.fixture(scope="module")
def told(direct: Direct) -> Iterator[Told]:
    """One measurement between two conversations and one in its middle. Direct timings take turns with its samples."""
    engine, other = make_engine(n_parallel=4, n_ctx=1024), make_engine(n_parallel=4, n_ctx=1024)
    answers = [answer(engine, chat(question)) for question in QUESTIONS[:3]]
    learned, outputs, steps = [_costs(engine)], list[object](), 0
    engine.bench.begin(ONE_THREAD)
    while engine.busy:
        steps += 1
        if steps == 6:
            engine.hurry()
            learned.append(_costs(engine))
            answers.append(answer_beside(engine, QUESTIONS[0]))
        outputs += engine.step()
        direct.prefill() if steps % 4 == 0 else direct.decode()
    (measured,) = outputs
    assert isinstance(measured, Measured)
    answers += [answer(engine, chat(question)) for question in QUESTIONS[:3]]
    same = [answer(other, chat(question)) for question in [*QUESTIONS[:3], QUESTIONS[0], *QUESTIONS[:3]]]
    yield Told(measured.speed, answers, same, learned)
    engine.close()
    other.close()


def answer_beside(engine: Engine, question: str) -> list[Chunk]:
    """An answer while a measurement is under way, which has to wait."""
    request = chat(question)
    engine.add(request)
    chunks = list[Chunk]()
    while not chunks or chunks[-1].finish_reason is None:
        for output in engine.step():
            assert isinstance(output, Chunk)
            chunks.append(output)
    return chunks


def _costs(engine: Engine) -> tuple[float | None, ...]:
    return (engine.costs.seconds(1), engine.costs.seconds(4), engine.costs.prefill_rate())


def rate(points: tuple[object, ...], batch: int) -> float:
    return next(point.tokens_per_second for point in points if point.batch == batch)  # type: ignore[attr-defined]


def test_the_figures_are_those_of_a_direct_timing(told: Told, direct: Direct) -> None:
    """In the right unit, by the right count: other tests run at the same time, and take what they need."""
    assert 1 / 3 < rate(told.speed.decode, 1) * median(direct.steps) < 3
    assert 1 / 3 < rate(told.speed.prefill, 512) / 512 * median(direct.prompts) < 3


def test_it_takes_five_seconds_at_most(told: Told) -> None:
    assert 0.2 < told.speed.seconds < 5


def test_it_says_what_it_was_measured_with(told: Told) -> None:
    speed = told.speed
    assert (speed.model, speed.settings.n_batch, speed.settings.n_threads_batch) == ("demo", 512, 1)
    assert {point.threads for point in (*speed.prefill, *speed.decode)} == {1}
    assert speed.decode_gain == 1.0
    assert speed.prefill_gain >= 1.0
    assert speed.advice.n_batch in (None, 256, 128)
    assert set(speed.advice.asked()) <= {"n_batch"}  # there was no other count of threads


def test_requests_in_the_middle_and_later_are_answered_as_always(told: Told) -> None:
    assert list(map(text, told.answers)) == list(map(text, told.same))


def test_what_the_cache_held_is_still_found(told: Told) -> None:
    assert list(map(cached, told.answers)) == list(map(cached, told.same))
    assert max(map(cached, told.answers)) > 10


def cached(chunks: list[Chunk]) -> int:
    usage = chunks[-1].usage
    return usage.cached_tokens if usage else -1


def test_the_costs_of_a_step_are_not_learned_from_it(told: Told) -> None:
    before, during = told.learned
    assert before == during


@pytest.fixture
def context() -> Iterator[Context]:
    model = Model(spec(n_parallel=4, n_ctx=1024))
    context = Context(model, model.settings(model.spec.settings))
    context.decode([Row(0, 0, story(300), 1)])
    context.decode([Row(2, 0, story(50), 1)])
    yield context
    context.close()
    model.close()


def held(context: Context) -> list[bytes]:
    states = (context.save(slot) for slot in range(4))
    return [state.tobytes() if state is not None else b"" for state in states]


def test_cells_are_given_back_bit_by_bit(context: Context) -> None:
    before, threads = held(context), context.threads
    probe = Probe(context, 4, {"probe"})
    assert probe.prefill(1, 512, 128) > 0
    assert probe.decode(1, 4, 8) > 0
    assert held(context) == before
    assert context.threads == threads


def test_a_computation_that_is_stopped_ends_at_once_and_leaves_nothing(context: Context) -> None:
    before = held(context)
    probe = Probe(context, 4, {"probe"})
    stopped = list[float]()

    def stop() -> None:
        context.stop("probe")
        stopped.append(time.perf_counter())

    threading.Timer(0.02, stop).start()
    with pytest.raises(CutShort):  # noqa: PT012
        while True:
            probe.prefill(1, 512, 512)
    assert time.perf_counter() - stopped[0] < 0.25
    assert held(context) == before
    assert probe.decode(1, 1, 4) > 0  # once is enough


def test_full_places_are_left_alone(context: Context) -> None:
    context.decode([Row(1, 0, story(500), 1)])
    probe = Probe(context, 4, {"probe"})
    assert probe.room == 1024  # in slot 3, which is empty
    assert [probe.sequences(count) for count in (1, 524, 525, 900, 1024, 1025)] == [4, 4, 3, 2, 1, 0]
    with pytest.raises(ModelBusy):
        probe.decode(1, 2, 1000)


def test_a_state_that_cannot_be_taken_back_is_not_touched(tmp_path: Path) -> None:
    path = tiny_models.mamba(tmp_path / "mamba.gguf")
    engine, other = make_engine(path, n_parallel=2, n_ctx=512), make_engine(path, n_parallel=2, n_ctx=512)
    params = SamplingParams(temperature=0, max_tokens=4, ignore_eos=True)
    asked = [raw([7, *range(20, 60)], params), raw([7, *range(20, 60)], SamplingParams(temperature=0, max_tokens=30))]
    answers = [answer(engine, asked[0])]
    engine.bench.begin(ONE_THREAD)
    measured = last(engine)
    assert isinstance(measured, Measured)
    assert {point.batch for point in measured.speed.decode} == {1}  # in the place that was free
    answers.append(answer(engine, asked[1]))
    same = [answer(other, request) for request in asked]
    assert [*map(text, answers), *map(cached, answers)] == [*map(text, same), *map(cached, same)]
    answer(engine, raw([9, *range(70, 110)], params))
    engine.bench.begin(ONE_THREAD)
    refused = last(engine)
    assert isinstance(refused, Failure)
    assert isinstance(refused.error, ModelBusy)
    engine.close()
    other.close()


def last(engine: Engine) -> object:
    outputs: list[object] = []
    while engine.busy:
        outputs += engine.step()
    return outputs[-1]


def test_an_answer_is_not_held_back_by_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither its last piece, which leaves with the step that made it."""
    engine = make_engine(n_parallel=1, n_ctx=256)
    decode, samples = engine._context.decode, list[bool]()

    def watched(rows: list[Row], names: Collection[str] = (), *others: Collection[int]) -> list[Logits] | None:
        samples.append(bench.NAME in names)
        return decode(rows, names, *others)

    monkeypatch.setattr(engine._context, "decode", watched)
    engine.bench.begin(ONE_THREAD)
    engine.step()
    assert samples == [True]
    engine.add(raw(story(20), SamplingParams(max_tokens=1)))
    outputs = engine.step()
    assert isinstance(outputs[-1], Chunk)
    assert outputs[-1].finish_reason == "length"
    assert samples == [True, False]
    engine.step()
    assert samples[2]
    engine.close()


def test_one_at_a_time_within_bounds_and_it_can_be_called_off() -> None:
    engine = make_engine(n_parallel=1, n_ctx=256)
    for threads in ((), (0,), (1, 513), tuple(range(1, 10))):
        with pytest.raises(InvalidRequest):
            engine.bench.begin(MeasureRequest("m", "demo", threads))
    engine.bench.begin(ONE_THREAD)
    engine.step()
    with pytest.raises(ModelBusy):
        engine.bench.begin(MeasureRequest("n", "demo", (1,)))
    engine.abort("n")
    assert engine.busy
    engine.abort("m")
    assert not engine.busy
    assert text(answer(engine, chat("Hello!")))
    engine.close()


def test_who_asks_is_not_kept_waiting_by_others_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = make_engine(n_parallel=1, n_ctx=256)
    monkeypatch.setattr(bench, "PATIENCE", 0.0)
    engine.bench.begin(ONE_THREAD)
    (refused,) = engine.step()
    assert isinstance(refused, Failure)
    assert isinstance(refused.error, ModelBusy)
    assert refused.error.retry_after
    assert not engine.busy
    engine.close()


def test_batches_and_threads_are_as_asked_for() -> None:
    engine = make_engine(n_parallel=2, n_ctx=512, n_batch=128, n_threads_batch=2)
    assert (engine.settings.n_batch, engine.settings.n_threads, engine.settings.n_threads_batch) == (128, 1, 2)
    usual = make_engine(n_parallel=2, n_ctx=512)
    assert (usual.settings.n_batch, usual.settings.n_threads_batch) == (512, 1)
    request = raw(story(400), SamplingParams(temperature=0, max_tokens=8, ignore_eos=True))
    assert text(answer(engine, request)) == text(answer(usual, request))
    engine.close()
    usual.close()


def test_a_batch_larger_than_the_context_is_as_large_as_it() -> None:
    engine = make_engine(n_parallel=1, n_ctx=256, n_batch=4096)
    assert engine.settings.n_batch == 256
    engine.close()


@pytest.mark.parametrize(("n_batch", "n_parallel"), [(32, 1), (65, 70)])
def test_a_batch_without_room_for_every_sequence_is_refused(n_batch: int, n_parallel: int) -> None:
    model = Model(ModelSpec("demo", str(demo_model_path()), LoadSettings(n_batch=n_batch, n_parallel=n_parallel)))
    with pytest.raises(InvalidRequest) as refused:
        Context(model, model.settings(model.spec.settings))
    assert refused.value.param == "n_batch"
    model.close()


def test_prompts_and_answers_have_threads_of_their_own() -> None:
    model = Model(spec(n_parallel=2, n_ctx=256, n_threads_batch=2))
    context = Context(model, model.settings(model.spec.settings))

    def used(rows: list[Row]) -> int:
        context.decode(rows)
        return int(llama_cpp.llama_n_threads_batch(context.handle))

    assert used([Row(0, 0, story(20), 1), Row(1, 0, story(20), 1)]) == 2
    assert used([Row(0, 20, [300], 1), Row(1, 20, [301], 1)]) == 1
    assert used([Row(0, 21, [300, 301], 2)]) == 1  # what was guessed ahead belongs to an answer
    assert used([Row(0, 23, story(20), 0)]) == 2
    context.close()
    model.close()
