"""Models whose memory is not a plain KV cache: recurrent ones and sliding windows, alone, together and run again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from jupyter_uml.engine.engine import Engine
from jupyter_uml.engine.state_store import StateStore
from jupyter_uml.types import Chunk, SamplingParams
from tests.engine import tiny_models
from tests.engine.engines import answer, make_engine, raw, run, story

TOLD = SamplingParams(temperature=0, max_tokens=20, ignore_eos=True, logprobs=1)
MAKERS = [tiny_models.mamba, tiny_models.mamba2, tiny_models.gemma3]


@pytest.fixture(params=MAKERS, ids=lambda maker: maker.__name__)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Engine:
    maker: Callable[[Path], Path] = request.param
    return make_engine(maker(tmp_path / "tiny.gguf"), StateStore(32 << 20, None, 0), n_parallel=3)


def told(chunks: list[Chunk]) -> list[int]:
    return [each.chosen.token for chunk in chunks for each in chunk.logprobs]


def nearly(chunks: list[Chunk], expected: list[Chunk]) -> bool:
    """The same tokens, but where the two likeliest are closer than rounding in another batch shape may move them."""
    for ours, theirs in zip(
        (each for chunk in chunks for each in chunk.logprobs),
        (each for chunk in expected for each in chunk.logprobs),
        strict=True,
    ):
        if ours.chosen.token != theirs.chosen.token:
            return abs(theirs.chosen.logprob - ours.chosen.logprob) < 0.05
    return True


def test_together_and_alone(engine: Engine) -> None:
    prompts = [story(80 + 10 * i, seed=i) for i in range(5)]
    alone = [answer(engine, raw(prompt, TOLD, principal=f"alone {i}")) for i, prompt in enumerate(prompts)]
    requests = [raw(prompt, TOLD) for prompt in prompts]
    together: dict[str, list[Chunk]] = {request.id: [] for request in requests}
    for request in requests:
        engine.add(request)
        for output in engine.step():
            assert isinstance(output, Chunk)
            together[output.request_id].append(output)
    for name, chunks in run(engine).items():
        together[name] += chunks
    for request, expected in zip(requests, alone, strict=True):
        assert nearly(together[request.id], expected)
    engine.close()


def test_a_cell_that_is_run_again_finds_its_prompt(engine: Engine) -> None:
    first = answer(engine, raw(story(200), TOLD))
    for seed in (1, 2, 3):
        answer(engine, raw(story(200, seed=seed), TOLD))
    again = answer(engine, raw(story(200), TOLD))
    assert again[-1].usage is not None
    assert again[-1].usage.cached_tokens == 199
    assert nearly(again, first)
    engine.close()


def test_the_next_turn_goes_on_from_the_answer(engine: Engine) -> None:
    first = answer(engine, raw(story(150), TOLD))
    longer = [*story(150), *told(first), *story(20, seed=9)]
    cold = answer(engine, raw(longer, TOLD, principal="other"))
    turn = answer(engine, raw(longer, TOLD))
    assert turn[-1].usage is not None
    assert turn[-1].usage.cached_tokens >= 169, "the last token of an answer is not computed"
    assert nearly(turn, cold)
    engine.close()


def test_a_batch_request_that_gave_way_goes_on_where_it_was(engine: Engine) -> None:
    expected = answer(engine, raw(story(100), TOLD, principal="alone"))
    batch = [raw(story(100), TOLD, priority="batch"), raw(story(90, seed=1), TOLD, priority="batch")]
    batch.append(raw(story(90, seed=2), TOLD, priority="batch"))
    early: list[Chunk] = []
    for request in batch:
        engine.add(request)
    for _ in range(8):
        early += [o for o in engine.step() if isinstance(o, Chunk) and o.request_id == batch[0].id]
    for seed in (5, 6, 7):
        engine.add(raw(story(120, seed=seed), TOLD))
    assert nearly([*early, *run(engine)[batch[0].id]], expected)
    engine.close()
