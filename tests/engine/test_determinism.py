"""The opt-in mode: the same request gives the same tokens, whatever else runs."""

from __future__ import annotations

import json

import pytest

from jupyter_uml.types import Chunk, GenerateRequest, Grammar, SamplingParams
from tests.engine.engines import answer, chat, make_engine, raw, run, story, text

HOT = SamplingParams(temperature=1.5, top_k=0, top_p=1.0, min_p=0.0, seed=5, max_tokens=40, logprobs=0, ignore_eos=True)


def exact(chunks: list[Chunk]) -> list[tuple[int, float]]:
    """Each token with its log-probability to the last bit: equal only if the logits are."""
    return [(each.chosen.token, each.chosen.logprob) for chunk in chunks for each in chunk.logprobs]


def request() -> GenerateRequest:
    return raw(story(700), HOT, deterministic=True)


@pytest.mark.parametrize("others", [1, 3])
def test_the_same_request_gives_the_same_bits_whatever_else_runs(others: int) -> None:
    engine = make_engine(n_parallel=4)
    alone = exact(answer(engine, request()))
    assert len(alone) == 40
    assert exact(answer(engine, request())) == alone, "with its prompt in the cache"
    again = request()
    for number in range(others):
        engine.add(raw(story(300 + 50 * number, seed=number), SamplingParams(temperature=0, max_tokens=60)))
    for _ in range(5):
        engine.step()
    engine.add(again)
    assert exact(run(engine)[again.id]) == alone, "among others"
    engine.costs.add_prefill(64, 1.0)
    longer = raw([*story(600), *story(50, seed=9)], HOT, deterministic=True)
    answer(engine, longer)
    assert exact(answer(engine, request())) == alone, "after one that shares its beginning"
    engine.close()
    fresh = make_engine(n_parallel=2)
    assert exact(answer(fresh, request())) == alone, "in another engine"
    fresh.close()


@pytest.mark.parametrize("deterministic", [False, True])
def test_what_a_grammar_forces_costs_no_draw_whoever_else_runs(deterministic: bool) -> None:
    words = {word: {"type": "string", "maxLength": 8} for word in ("a_name", "another_name", "one_more")}
    schema = {"type": "object", "properties": words, "required": list(words), "additionalProperties": False}
    params = SamplingParams(temperature=1.5, seed=1, max_tokens=60, grammar=Grammar("json_schema", json.dumps(schema)))
    engine = make_engine(n_parallel=5)
    alone = text(answer(engine, chat("Hello", params, deterministic=deterministic)))
    again = chat("Hello", params, deterministic=deterministic)
    for number in range(4):
        engine.add(raw(story(20, seed=number), SamplingParams(temperature=0, max_tokens=80, ignore_eos=True)))
    engine.add(again)
    assert text(run(engine)[again.id]) == alone
    engine.close()
