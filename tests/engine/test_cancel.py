"""Stop means stop: also in the middle of a long computation, and at nobody else's expense."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from jupyter_uml.types import Chunk, SamplingParams
from tests.engine import tiny_models
from tests.engine.engines import answer, chat, endless_file, make_engine, raw, run, story, text

LONG = SamplingParams(temperature=0, max_tokens=30)


def test_an_interrupt_ends_a_prefill_that_runs(tmp_path: Path) -> None:
    engine = make_engine(endless_file(tmp_path), n_ctx=8192, n_parallel=1)
    engine.costs.add_prefill(512, 0.01)  # large chunks
    request = raw(story(8000))
    engine.add(request)
    while engine._places.running == [] or engine._places.running[0].computed < 3000:
        engine.step()
    (sequence,) = engine._places.running
    chunk = engine._context.batch_tokens
    before, started = sequence.computed, time.monotonic()
    engine.step()
    whole = time.monotonic() - started
    assert sequence.computed == before + chunk
    timer = threading.Timer(whole / 10, engine.interrupt, [request.id])
    timer.start()
    engine.step()
    timer.join()
    assert sequence.computed == before + chunk, "the chunk was given up"
    engine.step()
    assert sequence.computed == before + 2 * chunk, "without an abort it is computed again"
    (last,) = engine.abort(request.id)
    assert isinstance(last, Chunk)
    assert last.finish_reason == "aborted"
    assert not engine.busy
    engine.close()


def test_an_interrupt_for_nobody_in_the_batch_does_nothing() -> None:
    engine = make_engine()
    expected = text(answer(engine, chat("What is GGUF?")))
    engine.interrupt("a stranger")
    request = chat("What is GGUF?")
    engine.add(request)
    engine.interrupt(request.id)  # it only waits yet
    assert text(run(engine)[request.id]) == expected
    engine.close()


def test_an_interrupt_that_comes_before_the_computation_ends_it_too(tmp_path: Path) -> None:
    engine = make_engine(endless_file(tmp_path), n_ctx=8192, n_parallel=1)
    request = raw(story(5000))
    engine.add(request)
    engine.step()
    (sequence,) = engine._places.running
    before = sequence.computed
    engine.interrupt(request.id)
    engine.step()
    assert sequence.computed == before
    engine.abort(request.id)
    assert not engine.busy
    engine.close()


def test_a_recurrent_state_that_was_cut_short_is_not_used_again(tmp_path: Path) -> None:
    engine = make_engine(tiny_models.mamba(tmp_path / "mamba.gguf"), n_parallel=1)
    engine.costs.add_prefill(128, 1.0)
    expected = text(answer(engine, raw(story(400), LONG, principal="alone")))
    cut = raw(story(400), LONG)
    engine.add(cut)
    engine.step()
    engine.interrupt(cut.id)
    engine.step()
    engine.abort(cut.id)
    assert text(answer(engine, raw(story(400), LONG))) == expected
    engine.close()


def test_who_shares_the_batch_of_an_aborted_prompt_loses_no_token() -> None:
    engine = make_engine(n_parallel=3)
    prompts = [story(300, seed) for seed in range(3)]
    expected = [text(answer(engine, raw(prompt, LONG, principal=f"alone {i}"))) for i, prompt in enumerate(prompts)]
    engine.costs.add_prefill(512, 0.01)
    kept, dropped, also_kept = requests = [raw(prompt, LONG) for prompt in prompts]
    for request in requests:
        engine.add(request)
    decode = engine._context.decode

    def cut_short(*arguments: object) -> None:
        """What llama.cpp does when its callback says so; the real one is too quick for this model."""
        engine._context.decode = decode  # type: ignore[method-assign]

    engine._context.decode = cut_short  # type: ignore[assignment, method-assign]
    assert engine.step() == []
    engine.abort(dropped.id)
    answers = run(engine)
    assert [text(answers[kept.id]), text(answers[also_kept.id])] == [expected[0], expected[2]]
    assert dropped.id not in answers
    engine.close()
