"""Embeddings and scores in the order of their arrival, a batch at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import gguf
import numpy as np
import pytest

from jupyter_uml.engine.embedder import Embedder
from jupyter_uml.engine.model import Model
from jupyter_uml.engine.rank_prompt import rank_prompt
from jupyter_uml.engine.scorer import Scorer
from jupyter_uml.engine.side_work import Finished, Rows, SideWork
from jupyter_uml.errors import ContextLengthExceeded, InvalidRequest
from jupyter_uml.types import ModelSpec
from tests.engine import tiny_models


@pytest.fixture
def work(model: Model) -> Iterator[SideWork]:
    work = SideWork(model, 512, 1)
    yield work
    work.close()


def run(work: SideWork) -> list[Finished]:
    ended = []
    while work.busy:
        if (finished := work.step()) is not None:
            ended.append(finished)
    return ended


def rows(finished: Finished) -> Rows:
    assert isinstance(finished.result, Rows)
    return finished.result


def test_each_request_gets_what_it_asked_for_in_turn(work: SideWork, model: Model) -> None:
    words = model.tokenize("hello world", add_special=True, parse_special=False)
    work.embed("a", ["hello world", [1, 2, 3]])
    work.score("b", [words, "x", [4, 5]])
    work.embed("c", [words], "last", normalize=False, dimensions=8)
    first, second, third = run(work)
    assert [first.request_id, second.request_id, third.request_id] == ["a", "b", "c"]
    embedder, scorer = Embedder(model, 512, 1), Scorer(model, 512, 1)
    np.testing.assert_allclose(rows(first).values, embedder.embed([words, [1, 2, 3]]), atol=1e-5)
    assert rows(first).prompt_tokens == len(words) + 3
    np.testing.assert_allclose(rows(second).values[0], scorer.score(words), atol=1e-5)
    assert [len(row) for row in rows(second).values][1:] == [0, 1]
    np.testing.assert_allclose(rows(third).values, embedder.embed([words], "last", normalize=False)[:, :8], atol=1e-5)
    embedder.close()
    scorer.close()


def test_a_step_is_one_batch(work: SideWork) -> None:
    work.embed("a", [[7] * 100] * 5)
    assert [work.step() for _ in range(5)] == [None] * 5
    assert isinstance(work.step(), Finished)


def test_beside_answers_it_leaves_most_of_the_time_to_them(work: SideWork) -> None:
    work.embed("a", [[7] * 100] * 5)
    assert work.step(beside=True) is None
    assert work.step(beside=True) is None  # too early: it computes nothing
    assert [work.step() for _ in range(4)] == [None] * 4
    assert isinstance(work.step(), Finished)


def test_a_request_that_fails_costs_itself_only(work: SideWork) -> None:
    work.embed("a", ["fine", ""])
    work.score("b", [[1 << 20]])
    work.embed("c", ["x" * 1_000_000])
    work.embed("d", ["fine"])
    ended = run(work)
    assert [type(each.result) for each in ended] == [InvalidRequest, InvalidRequest, ContextLengthExceeded, Rows]


def test_an_abort_takes_a_request_out_in_the_middle_too(work: SideWork) -> None:
    work.embed("a", [[7] * 100] * 5)
    work.embed("b", [[8]])
    work.embed("c", [[9]])
    work.step()
    assert work.abort("a")
    assert work.abort("c")
    assert not work.abort("a")
    (only,) = run(work)
    assert only.request_id == "b"
    assert len(rows(only).values) == 1


def test_documents_are_ranked_for_a_query(tmp_path: Path) -> None:
    path = tiny_models.bert(tmp_path / "ranker", pooling=gguf.PoolingType.RANK, labels=1)
    model = Model(ModelSpec("ranker", str(path)))
    work, documents = SideWork(model, 512, 1), ["one", "another <|im_end|> text", "a third"]
    work.rank("a", "what?", documents)
    (finished,) = run(work)
    expected = Embedder(model, 512, 1)
    pairs = [rank_prompt(model, "what?", document) for document in documents]
    np.testing.assert_allclose(rows(finished).values, expected.embed(pairs), atol=2e-3)
    (end,) = model.tokenize("<|im_end|>", add_special=False, parse_special=True)
    assert all(end not in pair for pair in pairs)
    expected.close()
    work.close()
    model.close()
