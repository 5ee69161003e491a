"""The sampler against llama.cpp's own chain, token by token."""

from __future__ import annotations

import ctypes
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import llama_cpp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_uml.demo import demo_model_path
from jupyter_uml.engine import prefilter
from jupyter_uml.engine.model import Model
from jupyter_uml.engine.sampler import Sampler
from jupyter_uml.errors import EngineError, InvalidRequest
from jupyter_uml.types import ModelSpec, SamplingParams

PROMPT = [5, 6, 7, 5, 6, 7, 5, 6, 300, 301, 302, 303]
FREE = SamplingParams(temperature=1.0, top_k=0, top_p=1.0, min_p=0.0)


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    model = Model(ModelSpec("demo", str(demo_model_path())))
    yield model
    model.close()


class Reference:
    """llama.cpp's default chain over the whole vocabulary, put together as its common/sampling.cpp does."""

    def __init__(self, model: Model, params: SamplingParams, prompt: Sequence[int]) -> None:
        p, c, seed = params, llama_cpp, params.seed or 0
        biases = [c.llama_logit_bias(t, b if b > -100 else -np.inf) for t, b in p.logit_bias]
        breakers = [text.encode() for text in p.dry_sequence_breakers]
        words = (ctypes.c_char_p * len(breakers))(*breakers)
        samplers = [
            c.llama_sampler_init_logit_bias(model.n_vocab, len(biases), (c.llama_logit_bias * len(biases))(*biases)),
            c.llama_sampler_init_penalties(
                model.n_vocab, p.repeat_last_n, p.repeat_penalty, p.frequency_penalty, p.presence_penalty
            ),
            c.llama_sampler_init_dry(
                model.vocab, p.dry_multiplier, p.dry_base, p.dry_allowed_length, 64, words, len(breakers)
            ),
        ]
        if p.mirostat:
            samplers.append(c.llama_sampler_init_temp(p.temperature))
            samplers.append(
                c.llama_sampler_init_mirostat(model.n_vocab, seed, p.mirostat_tau, p.mirostat_eta, 100)
                if p.mirostat == 1
                else c.llama_sampler_init_mirostat_v2(seed, p.mirostat_tau, p.mirostat_eta)
            )
        else:
            samplers += [
                c.llama_sampler_init_top_n_sigma(p.top_n_sigma),
                c.llama_sampler_init_top_k(p.top_k),
                c.llama_sampler_init_typical(p.typical_p, 1),
                c.llama_sampler_init_top_p(p.top_p, 1),
                c.llama_sampler_init_min_p(p.min_p, 1),
                c.llama_sampler_init_xtc(p.xtc_probability, p.xtc_threshold, 1, seed),
                c.llama_sampler_init_temp_ext(p.temperature, p.dynatemp_range, p.dynatemp_exponent),
                c.llama_sampler_init_dist(seed),
            ]
        self._chain = c.llama_sampler_chain_init(c.llama_sampler_chain_default_params())
        for sampler in samplers:
            c.llama_sampler_chain_add(self._chain, sampler)
        for token in prompt:
            c.llama_sampler_accept(self._chain, token)

    def sample(self, logits: np.ndarray[Any, np.dtype[np.float32]]) -> int:
        data = (llama_cpp.llama_token_data * len(logits))()
        rows = np.frombuffer(data, [("id", np.int32), ("logit", np.float32), ("p", np.float32)])
        rows["id"], rows["logit"] = np.arange(len(logits)), logits
        array = llama_cpp.llama_token_data_array(data=data, size=len(logits), selected=-1, sorted=False)
        llama_cpp.llama_sampler_apply(self._chain, ctypes.byref(array))
        token = int(array.data[array.selected].id)
        llama_cpp.llama_sampler_accept(self._chain, token)
        return token

    def close(self) -> None:
        llama_cpp.llama_sampler_free(self._chain)


def tokens(sampler: Sampler | Reference, rows: Sequence[np.ndarray[Any, np.dtype[np.float32]]]) -> list[int]:
    chosen = [sampler.sample(row.copy()) for row in rows]
    sampler.close()
    return [one if isinstance(one, int) else one.token for one in chosen]


def logits(seed: int, count: int, n_vocab: int, scale: float, step: float = 0.0) -> list[Any]:
    """Random rows; a few tokens are far likelier. `step`: rounded to multiples of it, so many are equal."""
    random = np.random.default_rng(seed)
    rows = random.normal(0, scale, (count, n_vocab)).astype(np.float32)
    rows[:, :400] += random.exponential(scale, (count, 400)).astype(np.float32)
    return list(np.round(rows / step).astype(np.float32) * np.float32(step) if step else rows)


def off(value: float, *others: float) -> st.SearchStrategy[float]:
    """Mostly switched off, so that combinations of a few samplers are what is tried."""
    return st.one_of(st.just(value), st.just(value), st.sampled_from(others))


PARAMS = st.builds(
    SamplingParams,
    temperature=st.sampled_from([0.0, 0.3, 0.8, 1.0, 1.7]),
    top_k=st.sampled_from([0, 1, 2, 40, 100, 200, 2000, 5000]),
    top_p=st.sampled_from([0.0, 0.5, 0.95, 1.0]),
    min_p=st.sampled_from([0.0, 0.01, 0.05, 0.5, 1.0]),
    seed=st.integers(0, 1 << 31),
    presence_penalty=off(0.0, -1.5, 0.7, 2.0),
    frequency_penalty=off(0.0, -0.5, 0.3, 2.0),
    repeat_penalty=off(1.0, 0.8, 1.1, 1.9),
    repeat_last_n=st.sampled_from([0, 1, 5, 64]),
    logit_bias=st.lists(
        st.tuples(st.integers(0, 400), st.sampled_from([-5.0, -0.5, 3.0, 20.0])), max_size=5, unique_by=lambda b: b[0]
    ).map(tuple),
    typical_p=off(1.0, 0.3, 0.9),
    top_n_sigma=off(-1.0, 0.5, 1.0, 2.0),
    xtc_probability=off(0.0, 0.5, 1.0),
    xtc_threshold=st.sampled_from([0.01, 0.1]),
    dry_multiplier=off(0.0, 0.8, 5.0),
    dry_allowed_length=st.sampled_from([0, 1, 2]),
    dry_penalty_last_n=st.just(64),
    mirostat=off(0, 0, 0, 1, 2),
    dynatemp_range=off(0.0, 0.2, 0.5),
    dynatemp_exponent=st.sampled_from([0.5, 1.0, 2.0]),
)


def sensible(params: SamplingParams) -> SamplingParams:
    """Top-n-sigma leaves what it cuts in llama.cpp's array, as impossible tokens. Typical sampling comes to NaN over
    them, a dynamic temperature and XTC count them as candidates; we don't have them there."""
    if params.top_n_sigma <= 0:
        return params
    return replace(params, typical_p=1.0, dynatemp_range=0.0, xtc_probability=0.0)


@settings(max_examples=200)
@given(PARAMS.map(sensible), st.integers(0, 1 << 31), st.sampled_from([0.5, 1.0, 3.0]))
def test_the_same_tokens_as_the_full_chain(model: Model, params: SamplingParams, seed: int, scale: float) -> None:
    rows = logits(seed, 20, model.n_vocab, scale)
    assert tokens(Sampler(model, params, PROMPT), rows) == tokens(Reference(model, params, PROMPT), rows)


@settings(max_examples=100)
@given(PARAMS, st.integers(0, 1 << 31), st.sampled_from([0.1, 0.5, 4.0]))
def test_equally_likely_tokens_are_the_chains_affair(
    model: Model, params: SamplingParams, seed: int, step: float
) -> None:
    params = replace(params, top_n_sigma=-1.0, temperature=params.temperature or 0.8)
    rows = logits(seed, 10, model.n_vocab, 1.0, step)
    assert tokens(Sampler(model, params, PROMPT), rows) == tokens(Reference(model, params, PROMPT), rows)


@settings(max_examples=60)
@given(PARAMS, st.integers(0, 1 << 31), st.sets(st.integers(0, 400), min_size=1, max_size=50))
def test_forbidden_tokens_are_no_candidates(
    model: Model, params: SamplingParams, seed: int, forbidden: set[int]
) -> None:
    bans = tuple((token, -100.0) for token in forbidden)
    params = replace(params, logit_bias=bans, typical_p=1.0, dynatemp_range=0.0)
    rows = logits(seed, 10, model.n_vocab, 1.0)
    chosen = tokens(Sampler(model, params, PROMPT), rows)
    assert not forbidden & set(chosen)
    if not params.mirostat:
        assert chosen == tokens(Reference(model, params, PROMPT), rows)


@pytest.mark.parametrize("n_vocab", [1, 2, 40, 41, 4095, 4096, 5000, 152064])
@pytest.mark.parametrize("count", [1, 40, 1000])
def test_the_prefilter_finds_the_best(n_vocab: int, count: int) -> None:
    row = np.random.default_rng(n_vocab).permutation(n_vocab).astype(np.float32)
    found = prefilter.likeliest(row, count)
    assert found is not None
    assert found.tolist() == np.argsort(-row)[:count].tolist()
    row[np.argsort(-row)[: min(count, n_vocab)]] = -np.inf
    left = prefilter.likeliest(row, count)
    assert left is not None
    assert left.tolist() == np.argsort(-row)[: max(0, min(count, n_vocab - count))].tolist()


def test_one_seed_one_answer(model: Model) -> None:
    rows = logits(1, 30, model.n_vocab, 1.0)
    same = [tokens(Sampler(model, replace(FREE, seed=9), []), rows) for _ in range(2)]
    others = [tokens(Sampler(model, FREE, []), rows) for _ in range(2)]
    assert same[0] == same[1]
    assert others[0] != others[1]


def test_draws_follow_the_probabilities(model: Model) -> None:
    row = np.full(model.n_vocab, -30, np.float32)
    row[[3, 4, 5]] = np.log([0.5, 0.3, 0.2])
    drawn = Counter(tokens(Sampler(model, replace(FREE, seed=1), []), [row] * 4000))
    assert [drawn[token] / 4000 for token in (3, 4, 5)] == pytest.approx([0.5, 0.3, 0.2], abs=0.03)


def test_the_first_of_equals_is_the_greedy_choice(model: Model) -> None:
    row = np.zeros(model.n_vocab, np.float32)
    row[[70, 7, 700]] = 2.0
    assert tokens(Sampler(model, SamplingParams(temperature=0), []), [row]) == [7]


def test_penalties_see_the_end_of_the_prompt(model: Model) -> None:
    row = np.zeros(model.n_vocab, np.float32)
    row[[8, 9]] = 2.0, 1.5
    greedy = SamplingParams(temperature=0, presence_penalty=1.0, repeat_last_n=2)
    assert tokens(Sampler(model, greedy, [8, 1]), [row]) == [9]
    assert tokens(Sampler(model, greedy, [8, 1, 1]), [row]) == [8]
    assert tokens(Sampler(model, replace(greedy, repeat_last_n=-1), [8, *[1] * 900]), [row]) == [9]
    assert tokens(Sampler(model, greedy, []), [row] * 3) == [8, 9, 8]


def test_no_end_where_it_is_ignored(model: Model) -> None:
    ends = [token for token in range(model.n_vocab) if model.ends_generation(token)]
    row = np.zeros(model.n_vocab, np.float32)
    row[ends] = 50.0
    assert tokens(Sampler(model, SamplingParams(temperature=0), []), [row])[0] in ends
    assert tokens(Sampler(model, SamplingParams(temperature=0, ignore_eos=True), []), [row])[0] not in ends


@pytest.mark.parametrize(
    "params",
    [
        SamplingParams(typical_p=0.5, top_k=0, top_n_sigma=1.0),
        SamplingParams(typical_p=0.5, top_k=40),
        SamplingParams(temperature=0.5, dynatemp_range=0.5, dynatemp_exponent=100.0),
        SamplingParams(temperature=0.0, typical_p=0.5, xtc_probability=1.0),
        SamplingParams(mirostat=1, top_n_sigma=1.0),
        SamplingParams(mirostat=2),
        SamplingParams(dry_multiplier=100.0, dry_base=100.0, dry_sequence_breakers=("é" * 40, "\0", "")),
        SamplingParams(repeat_penalty=100.0, frequency_penalty=100.0, presence_penalty=100.0, repeat_last_n=-1),
    ],
)
@pytest.mark.parametrize("height", [0.0, 1e-30, 60.0, 200.0, 1e30])
def test_extremes_give_a_token(model: Model, params: SamplingParams, height: float) -> None:
    flat, peak = np.zeros(model.n_vocab, np.float32), np.zeros(model.n_vocab, np.float32)
    peak[11] = height
    sampler = Sampler(model, replace(params, seed=1), PROMPT)
    for row in (peak, -peak, flat, *logits(2, 3, model.n_vocab, 40.0)):
        assert 0 <= sampler.sample(row.copy()).token < model.n_vocab
    sampler.close()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("params", [SamplingParams(temperature=0), SamplingParams()])
def test_logits_that_are_no_numbers_are_an_error(model: Model, params: SamplingParams, bad: float) -> None:
    row = np.zeros(model.n_vocab, np.float32)
    row[100] = bad
    sampler = Sampler(model, params, [])
    with pytest.raises(EngineError):
        sampler.sample(row)
    sampler.close()


def test_everything_forbidden_is_the_requests_fault(model: Model) -> None:
    sampler = Sampler(model, SamplingParams(logit_bias=tuple((t, -100.0) for t in range(model.n_vocab))), [])
    with pytest.raises(InvalidRequest) as caught:
        sampler.sample(np.zeros(model.n_vocab, np.float32))
    assert caught.value.param == "logit_bias"
    sampler.close()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", float("nan")),
        ("temperature", -0.1),
        ("top_p", 1.1),
        ("top_k", -1),
        ("repeat_penalty", 0.0),
        ("repeat_last_n", 1 << 40),
        ("mirostat", 3),
        ("dry_penalty_last_n", -2),
        ("dry_sequence_breakers", ("x",) * 100),
        ("logprobs", 99),
        ("logit_bias", ((1 << 30, 1.0),)),
        ("logit_bias", ((-1, 1.0),)),
        ("logit_bias", ((1, float("nan")),)),
        ("logit_bias", ((1, float("inf")),)),
    ],
)
def test_values_out_of_bounds_are_refused_by_name(model: Model, name: str, value: Any) -> None:
    with pytest.raises(InvalidRequest) as caught:
        Sampler(model, replace(SamplingParams(), **{name: value}), [])
    assert caught.value.param == name
