"""Log-probabilities against the definition."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest

from jupyter_uml.demo import demo_model_path
from jupyter_uml.engine.logprobs import token_logprob
from jupyter_uml.engine.model import Model
from jupyter_uml.engine.sampler import Sampler
from jupyter_uml.types import ModelSpec, SamplingParams


def name(token: int) -> bytes:
    return b"t%d" % token


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    model = Model(ModelSpec("demo", str(demo_model_path())))
    yield model
    model.close()


def test_they_are_the_logarithm_of_softmax() -> None:
    row = np.random.default_rng(0).normal(0, 5, 50_000).astype(np.float32)
    exact = row.astype(np.float64) - np.log(np.exp(row.astype(np.float64)).sum())
    found = token_logprob(row, 77, 20, name)
    assert found.chosen.token == 77
    assert found.chosen.piece == b"t77"
    assert found.chosen.logprob == pytest.approx(exact[77], abs=1e-5)
    assert [one.token for one in found.top] == np.argsort(-exact)[:20].tolist()
    assert [one.logprob for one in found.top] == pytest.approx(np.sort(exact)[::-1][:20], abs=1e-5)


def test_large_logits_do_not_overflow_and_equals_come_by_number() -> None:
    row = np.full(10, 1e4, np.float32)
    found = token_logprob(row, 3, 3, name)
    assert found.chosen.logprob == pytest.approx(-math.log(10))
    assert [one.token for one in found.top] == [0, 1, 2]
    assert token_logprob(row, 3, 0, name).top == ()


@pytest.mark.parametrize("temperature", [0.0, 2.0])
def test_the_sampler_reports_what_the_model_said(model: Model, temperature: float) -> None:
    """Not what a bias, a penalty, a cut or a temperature has made of it."""
    row = np.zeros(model.n_vocab, np.float32)
    row[[8, 9]] = 12.0, 11.0
    params = SamplingParams(
        temperature=temperature, top_k=2, presence_penalty=2.0, logit_bias=((8, -100.0),), logprobs=2
    )
    sampler = Sampler(model, params, [9])
    sampled = sampler.sample(row.copy())
    sampler.close()
    assert sampled.token != 8
    assert sampled.logprob is not None
    total = math.log(math.exp(12) + math.exp(11) + model.n_vocab - 2)
    assert sampled.logprob.chosen.token == sampled.token
    assert [(one.token, one.piece) for one in sampled.logprob.top] == [(8, model.piece(8)), (9, model.piece(9))]
    assert [one.logprob for one in sampled.logprob.top] == pytest.approx([12 - total, 11 - total], abs=1e-5)


def test_nothing_is_reported_unasked(model: Model) -> None:
    sampler = Sampler(model, SamplingParams(), [])
    assert sampler.sample(np.zeros(model.n_vocab, np.float32)).logprob is None
    sampler.close()
