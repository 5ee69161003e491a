"""What happens where a context is full: an answer ends and says so, or forgets its oldest half where asked to."""

from __future__ import annotations

from pathlib import Path

from jupyter_uml.types import SamplingParams
from tests.engine.engines import answer, endless_file, make_engine, raw, story


def test_an_answer_ends_where_the_context_is_full(tmp_path: Path) -> None:
    engine = make_engine(endless_file(tmp_path), n_ctx=512)
    last = answer(engine, raw(story(400), SamplingParams(temperature=1, ignore_eos=True)))[-1]
    assert last.finish_reason == "length"
    assert last.usage is not None
    assert last.usage.total_tokens == 512
    engine.close()


def test_a_shifted_context_goes_on_to_max_tokens_and_is_nobodys_prefix(tmp_path: Path) -> None:
    engine = make_engine(endless_file(tmp_path), n_ctx=512, n_parallel=1)
    params = SamplingParams(temperature=1, seed=1, max_tokens=1500, ignore_eos=True)
    last = answer(engine, raw(story(400), params, context_shift=True))[-1]
    assert last.finish_reason == "length"
    assert last.usage is not None
    assert last.usage.completion_tokens == 1500
    again = answer(engine, raw(story(400), params))[-1]
    assert again.usage is not None
    assert again.usage.cached_tokens == 0, "its cells know of tokens that are gone"
    engine.close()
