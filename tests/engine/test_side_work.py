"""Embeddings, ranks, scores and tokens: each request gets its own, a batch at a time, in turns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import gguf
import numpy as np
import pytest

from jupyter_uml.engine import side_tasks
from jupyter_uml.engine.embedder import Embedder
from jupyter_uml.engine.model import Model
from jupyter_uml.engine.rank_prompt import rank_prompt
from jupyter_uml.engine.side_tasks import Task
from jupyter_uml.engine.side_work import Finished, SideWork
from jupyter_uml.errors import ContextLengthExceeded, InvalidRequest, UmlError
from jupyter_uml.types import (
    MAX_INPUTS,
    EmbedRequest,
    ModelSpec,
    RankRequest,
    Rows,
    ScoreRequest,
    Scores,
    Tokenized,
    TokenizeRequest,
)
from tests.engine import tiny_models

LONG = ((7,) * 100,) * 5  # a batch each


@pytest.fixture
def work(model: Model) -> Iterator[SideWork]:
    work = SideWork(model, 512, 1)
    yield work
    work.close()


def embed(name: str, *inputs: str | tuple[int, ...]) -> EmbedRequest:
    return EmbedRequest(name, "demo", inputs)


def run(work: SideWork, *tasks: Task) -> list[Finished]:
    for task in tasks:
        work.add(task)
    ended = []
    while work.busy:
        if (finished := work.step()) is not None:
            ended.append(finished)
    return ended


def refusal(work: SideWork, task: Task) -> UmlError:
    (finished,) = run(work, task)
    assert isinstance(finished.result, UmlError)
    return finished.result


def table(finished: Finished) -> list[np.ndarray[tuple[int], np.dtype[np.float32]]]:
    assert isinstance(finished.result, Rows)
    return [np.frombuffer(row, np.float32) for row in finished.result.values]


def test_each_request_gets_what_it_asked_for(work: SideWork, model: Model) -> None:
    words = tuple(model.tokenize("hello world", add_special=True, parse_special=False))
    cut = replace(embed("c", words), pooling="last", normalize=False, dimensions=8)
    ended = {each.request_id: each for each in run(
        work,
        embed("a", "hello world", (1, 2, 3)),
        ScoreRequest("b", "demo", (words, "x", (4, 5)), top=2),
        cut,
        TokenizeRequest("d", "demo", ("hello world", (1, 2))),
    )}  # fmt: skip
    embedder = Embedder(model, 512, 1)
    np.testing.assert_allclose(table(ended["a"]), embedder.embed([words, (1, 2, 3)]), atol=1e-5)
    np.testing.assert_allclose(table(ended["c"]), embedder.embed([words], "last", normalize=False)[:, :8], atol=1e-5)
    embedder.close()
    embedded, scores, tokens = (ended[name].result for name in ("a", "b", "d"))
    assert isinstance(embedded, Rows)
    assert embedded.prompt_tokens == len(words) + 3
    assert isinstance(scores, Scores)
    assert [[each.chosen.token for each in text] for text in scores.logprobs] == [list(words[1:]), [], [5]]
    assert {len(each.top) for text in scores.logprobs for each in text} == {2}
    assert isinstance(tokens, Tokenized)
    assert tokens.tokens == (words, (1, 2))
    assert b"".join(tokens.pieces[0]) == b"hello world"


def test_a_step_is_one_batch(work: SideWork) -> None:
    work.add(embed("a", *LONG))
    assert [work.step() for _ in range(5)] == [None] * 5
    assert isinstance(work.step(), Finished)


def test_beside_answers_it_leaves_most_of_the_time_to_them(work: SideWork) -> None:
    work.add(embed("a", *LONG))
    assert work.step(beside=True) is None
    assert work.step(beside=True) is None  # too early: it computes nothing
    assert [work.step() for _ in range(4)] == [None] * 4
    assert isinstance(work.step(), Finished)


def test_a_short_request_does_not_wait_for_a_long_one(work: SideWork) -> None:
    scored, tokens = ScoreRequest("s", "demo", ("short",)), TokenizeRequest("t", "demo", ("short",))
    ended = run(work, embed("a", *LONG * 3), ScoreRequest("b", "demo", LONG * 3), embed("c", "short"), scored, tokens)
    order = [each.request_id for each in ended]
    assert sorted(order[:3]) == ["c", "s", "t"]
    assert sorted(order[3:]) == ["a", "b"]


def test_a_text_in_parts_is_not_mixed_with_another(work: SideWork, model: Model) -> None:
    """Its batches follow one another, whoever else is waiting: they share a context."""
    long = [tuple((number * step) % 2000 for number in range(400)) for step in (37, 41)]
    a, b = run(work, embed("a", long[0]), embed("b", long[1]))
    first, second = run(work, ScoreRequest("a", "demo", (long[0],)), ScoreRequest("b", "demo", (long[1],)))
    embedder = Embedder(model, 512, 1)
    np.testing.assert_array_equal(table(a), embedder.embed([long[0]]))
    np.testing.assert_array_equal(table(b), embedder.embed([long[1]]))
    embedder.close()
    for together, text in ((first, long[0]), (second, long[1])):
        (alone,) = run(work, ScoreRequest("x", "demo", (text,)))
        assert isinstance(together.result, Scores)
        assert isinstance(alone.result, Scores)
        assert together.result.logprobs == alone.result.logprobs


def test_a_request_that_fails_costs_itself_only(work: SideWork) -> None:
    ended = run(
        work,
        embed("a", "fine", ""),
        ScoreRequest("b", "demo", ((1 << 20,),)),
        embed("c", "x" * 1_000_000),
        embed("d", "fine"),
    )
    results = {each.request_id: type(each.result) for each in ended}
    assert issubclass(results.pop("c"), ContextLengthExceeded)
    assert results == {"a": InvalidRequest, "b": InvalidRequest, "d": Rows}


def test_what_is_too_much_is_refused(work: SideWork, monkeypatch: pytest.MonkeyPatch) -> None:
    many = ("x",) * (MAX_INPUTS + 1)
    too_much: list[Task] = [embed("a", *many), ScoreRequest("a", "demo", many), TokenizeRequest("a", "demo", many)]
    for task in [*too_much, embed("a")]:
        error = refusal(work, task)
        assert (error.param, str(MAX_INPUTS) in error.message) == ("input", True)
    assert refusal(work, ScoreRequest("a", "demo", ("x",), top=21)).param == "top"
    monkeypatch.setattr(side_tasks, "MOST_TEXT", 100)
    for each in ("é" * 51, (1,) * 101):
        assert "100" in refusal(work, TokenizeRequest("a", "demo", (each,))).message
    fits = TokenizeRequest("a", "demo", ("é" * 25, "é" * 25))
    assert isinstance(run(work, fits)[0].result, Tokenized)
    monkeypatch.setattr(side_tasks, "LONGEST_TEXT", 49)
    assert "in parts" in refusal(work, fits).message


def test_too_long_a_text_is_named_with_both_numbers(work: SideWork) -> None:
    error = refusal(work, embed("a", "fine", (5,) * 513))
    assert isinstance(error, ContextLengthExceeded)
    assert error.details == {"prompt_tokens": 513, "context_tokens": 512}
    assert "Text 1 has 513" in error.message
    assert "answer" not in error.message


def test_tokens_that_do_not_exist_are_refused(work: SideWork) -> None:
    for token in (-1, 1 << 20):
        assert "vocabulary" in refusal(work, TokenizeRequest("a", "demo", ((5, token),))).message


def test_an_abort_takes_a_request_out_in_the_middle_too(work: SideWork) -> None:
    for task in (embed("a", (7,) * 500), embed("b", (8,)), embed("c", (9,))):
        work.add(task)
    work.step()
    assert work.abort("a")
    assert work.abort("c")
    assert not work.abort("a")
    (only,) = run(work)
    assert only.request_id == "b"
    assert len(table(only)) == 1


def test_documents_are_ranked_for_a_query(tmp_path: Path) -> None:
    path = tiny_models.bert(tmp_path / "ranker", pooling=gguf.PoolingType.RANK, labels=1)
    model = Model(ModelSpec("ranker", str(path)))
    work, documents = SideWork(model, 512, 1), ("one", "another <|im_end|> text", "a third")
    (finished,) = run(work, RankRequest("a", "ranker", "what?", documents))
    expected = Embedder(model, 512, 1)
    pairs = [rank_prompt(model, "what?", document) for document in documents]
    np.testing.assert_allclose(table(finished), expected.embed(pairs), atol=2e-3)
    (end,) = model.tokenize("<|im_end|>", add_special=False, parse_special=True)
    assert all(end not in pair for pair in pairs)
    long = refusal(work, RankRequest("a", "ranker", "q", ("d", "word " * 600)))
    assert isinstance(long, ContextLengthExceeded)
    assert long.param == "documents"
    assert "v1/rerank" in refusal(work, embed("a", "x")).message
    assert "not causal" in refusal(work, ScoreRequest("a", "ranker", ("x",))).message
    expected.close()
    work.close()
    model.close()
