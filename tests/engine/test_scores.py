"""Log-probabilities of a text's own tokens: a distribution, chunked or not, and what the sampler would see."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from jupyter_uml.engine import scorer as scorer_file
from jupyter_uml.engine.model import Model
from jupyter_uml.engine.scorer import Scorer
from jupyter_uml.errors import ContextLengthExceeded, InvalidRequest

TEXT = "<|im_start|>user\nWho are you?<|im_end|>\n<|im_start|>assistant\n"


@pytest.fixture
def scorer(model: Model) -> Iterator[Scorer]:
    scorer = Scorer(model, 256, 1)
    yield scorer
    scorer.close()


def tokens(model: Model, text: str) -> list[int]:
    return model.tokenize(text, add_special=False, parse_special=True)


def test_the_probabilities_of_what_may_follow_sum_to_one(model: Model, scorer: Scorer) -> None:
    start = tokens(model, TEXT)[:2]
    following = range(0, model.n_vocab, 8)
    total = sum(float(np.exp(scorer.score([*start, token])[-1])) for token in following)
    assert 0 < total < 1.001
    assert scorer.score(tokens(model, TEXT)).shape == (len(tokens(model, TEXT)) - 1,)


def test_a_sensible_text_is_likelier_than_a_shuffled_one(model: Model, scorer: Scorer) -> None:
    question = tokens(model, TEXT)
    assert scorer.score(question).sum() > scorer.score(question[::-1]).sum() + 10


def test_chunks_change_nothing(model: Model, scorer: Scorer, monkeypatch: pytest.MonkeyPatch) -> None:
    text = tokens(model, TEXT * 5)
    whole = scorer.score(text)
    monkeypatch.setattr(scorer_file, "LOGITS_BYTES", 4 * model.n_vocab * 7)
    small = Scorer(model, 256, 1)
    parts = list(small.steps(text))
    assert [len(part) for part in parts[:-1]] == [7] * (len(parts) - 1)
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=0.02)
    small.close()


def test_a_score_does_not_depend_on_what_was_scored_before(model: Model, scorer: Scorer) -> None:
    first = scorer.score(tokens(model, TEXT))
    scorer.score([3] * 100)
    np.testing.assert_array_equal(scorer.score(tokens(model, TEXT)), first)


def test_what_cannot_be_scored_is_refused(scorer: Scorer) -> None:
    assert scorer.score([5]).shape == (0,)
    with pytest.raises(ContextLengthExceeded, match=r"300.*256"):
        scorer.score([5] * 300)
    for wrong in ([], [1 << 20]):
        with pytest.raises(InvalidRequest):
            scorer.score(wrong)
