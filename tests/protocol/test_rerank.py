"""`v1/rerank` and `v2/rerank` by a classifier with random weights, against a real server."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from typing import Any

import gguf
import pytest

from jupyter_uml.engine.embedder import Embedder
from jupyter_uml.engine.model import Model
from jupyter_uml.engine.rank_prompt import rank_prompt
from jupyter_uml.types import ModelSpec
from tests.conftest import Server
from tests.engine import tiny_models
from tests.protocol.installed import installed

QUERY = "Where are the models kept?"
DOCUMENTS = ["In a folder.", "Cats sleep.", "Models are files.", "Nowhere at all, as far as anybody knows.", "x"]


@pytest.fixture(scope="module")
def ranker(shared_server: Server) -> Iterator[str]:
    make = partial(tiny_models.bert, pooling=gguf.PoolingType.RANK, labels=1)
    with installed(shared_server, "ranker", make) as name:
        yield name


def body(ranker: str, **fields: Any) -> dict[str, Any]:
    return {"model": ranker, "query": QUERY, "documents": DOCUMENTS, **fields}


def engines_own(server: Server, ranker: str) -> list[float]:
    model = Model(ModelSpec("m", str(server.models / f"{ranker}.gguf")))
    embedder = Embedder(model, 512, 1)
    table = embedder.embed([rank_prompt(model, QUERY, document) for document in DOCUMENTS], "rank")
    embedder.close()
    model.close()
    return [1 / (1 + math.exp(-row[0])) for row in table]


@pytest.mark.parametrize("path", ["v1/rerank", "v2/rerank"])
def test_documents_come_best_first(server: Server, ranker: str, path: str) -> None:
    answer = server.post(path, body(ranker)).json()
    expected = engines_own(server, ranker)
    scores = [result["relevance_score"] for result in answer["results"]]
    assert scores == sorted(scores, reverse=True)
    assert sorted(result["index"] for result in answer["results"]) == list(range(len(DOCUMENTS)))
    for result in answer["results"]:
        assert result["relevance_score"] == pytest.approx(expected[result["index"]], abs=2e-3)
        assert result.keys() == {"index", "relevance_score"}
    assert answer["model"] == ranker
    assert answer["id"].startswith("rerank-")
    assert answer["usage"]["total_tokens"] == answer["usage"]["prompt_tokens"] > len(DOCUMENTS)


def test_only_the_best_with_their_texts(server: Server, ranker: str) -> None:
    whole = server.post("v1/rerank", body(ranker)).json()["results"]
    mixed = [{"text": text} if number % 2 else text for number, text in enumerate(DOCUMENTS)]
    fields = body(ranker, documents=mixed, top_n=2, return_documents=True)
    best = server.post("v1/rerank", fields).json()["results"]
    assert [result["index"] for result in best] == [result["index"] for result in whole[:2]]
    assert [result["document"] for result in best] == [{"text": DOCUMENTS[result["index"]]} for result in best]
    assert len(server.post("v1/rerank", body(ranker, top_n=99)).json()["results"]) == len(DOCUMENTS)


def test_other_models_say_what_to_do(server: Server) -> None:
    response = server.post("v1/rerank", body("demo"))
    assert response.status_code == 400
    error = response.json()["error"]
    assert error["param"] == "model"
    assert "reranking model" in error["message"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("query", ""),
        ("documents", []),
        ("documents", ["x"] * 2049),
        ("documents", ["a", ""]),
        ("documents", [{"title": "x"}]),
        ("documents", ["a", "word " * 600]),
        ("query", "word " * 600),
        ("top_n", 0),
        ("max_chunks_per_doc", 3),
        ("max_tokens_per_doc", 100),
        ("rank_fields", ["title"]),
        ("priority", 1),
    ],
)
def test_a_field_is_honoured_or_refused(server: Server, ranker: str, field: str, value: Any) -> None:
    response = server.post("v1/rerank", body(ranker, **{field: value}))
    assert response.status_code == 400, response.text
    param = response.json()["error"]["param"]
    # A pair is too long by its document, whatever the query has to do with it.
    assert param.split(".")[0] in (field, "documents")
