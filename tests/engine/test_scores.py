"""Log-probabilities of a text's own tokens: a plain softmax, in parts or not, and what the sampler would see."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from jupyter_uml.engine import scorer as scorer_file
from jupyter_uml.engine.model import Model
from jupyter_uml.engine.scorer import Scorer
from jupyter_uml.engine.side_context import Piece, SideContext
from jupyter_uml.errors import ContextLengthExceeded, InvalidRequest
from jupyter_uml.types import TokenLogprob

TEXT = "<|im_start|>user\nWho are you?<|im_end|>\n<|im_start|>assistant\n"


@pytest.fixture
def scorer(model: Model) -> Iterator[Scorer]:
    scorer = Scorer(model, 256, 1)
    yield scorer
    scorer.close()


def tokens(model: Model, text: str) -> list[int]:
    return model.tokenize(text, add_special=False, parse_special=True)


def scored(scorer: Scorer, text: list[int], top: int = 0) -> list[TokenLogprob]:
    steps = scorer.steps([text], top)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            (result,) = end.value
            return list(result)


def values(scorer: Scorer, text: list[int]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array([each.chosen.logprob for each in scored(scorer, text)])


def softmaxes(model: Model, text: list[int]) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    context = SideContext(model, n_ctx=256, n_batch=256, n_threads=1)
    logits = context.logits(context.decode([Piece(0, 0, text)])).astype(np.float64)
    context.close()
    result: np.ndarray[tuple[int, int], np.dtype[np.float64]] = np.exp(logits - logits.max(axis=1, keepdims=True))
    return result / result.sum(axis=1, keepdims=True)


def test_scores_are_a_plain_softmax(model: Model, scorer: Scorer) -> None:
    text = tokens(model, TEXT)
    for place, (found, expected) in enumerate(zip(scored(scorer, text, 5), softmaxes(model, text), strict=False)):
        assert found.chosen.token == text[place + 1]
        assert np.exp(found.chosen.logprob) == pytest.approx(expected[found.chosen.token], rel=1e-4, abs=1e-9)
        assert [each.token for each in found.top] == list(np.argsort(-expected)[:5])
        np.testing.assert_allclose(np.exp([each.logprob for each in found.top]), np.sort(expected)[:-6:-1], rtol=1e-4)
    assert place == len(text) - 2


def test_the_pieces_are_the_text(model: Model, scorer: Scorer) -> None:
    pieces = b"".join(each.chosen.piece for each in scored(scorer, tokens(model, TEXT)))
    assert "<|im_start|>" + pieces.decode() == TEXT


def test_a_sensible_text_is_likelier_than_a_shuffled_one(model: Model, scorer: Scorer) -> None:
    question = tokens(model, TEXT)
    assert values(scorer, question).sum() > values(scorer, question[::-1]).sum() + 10


def test_chunks_change_nothing(model: Model, scorer: Scorer, monkeypatch: pytest.MonkeyPatch) -> None:
    text = tokens(model, TEXT * 5)
    whole = values(scorer, text)
    monkeypatch.setattr(scorer_file, "LOGITS_BYTES", 4 * model.n_vocab * 7)
    small = Scorer(model, 256, 1)
    ended = list(small.steps([text, text]))
    assert ended == ([False] * (len(whole) // 7 - (len(whole) % 7 == 0)) + [True]) * 2
    np.testing.assert_allclose(values(small, text), whole, atol=0.02)
    small.close()


def test_a_score_does_not_depend_on_what_was_scored_before(model: Model, scorer: Scorer) -> None:
    first = values(scorer, tokens(model, TEXT))
    values(scorer, [3] * 100)
    np.testing.assert_array_equal(values(scorer, tokens(model, TEXT)), first)


def test_what_cannot_be_scored_is_refused(scorer: Scorer, monkeypatch: pytest.MonkeyPatch) -> None:
    assert scored(scorer, [5]) == []
    with pytest.raises(ContextLengthExceeded, match=r"300.*256"):
        scored(scorer, [5] * 300)
    for wrong in ([], [1 << 20]):
        with pytest.raises(InvalidRequest):
            scored(scorer, wrong)
    monkeypatch.setattr(scorer_file, "MOST", 20)
    assert len(scored(scorer, [5] * 5, top=3)) == 4
    with pytest.raises(InvalidRequest, match="24"):
        scored(scorer, [5] * 6, top=3)
