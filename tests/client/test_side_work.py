"""Vectors, ranks and tokens: the same over HTTP, beside a WebSocket, and in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from functools import partial
from typing import Any

import gguf
import numpy as np
import pytest

from jupyter_uml.client import AsyncUniversalClient, Embeddings, Tokens, UniversalClient, side_work
from jupyter_uml.client.side_results import embeddings_from, ranking_from, tokens_from
from jupyter_uml.defaults import default_model_dir
from jupyter_uml.errors import ConnectionFailed, InvalidRequest, ModelNotFound, TimedOut
from tests.client.stub_server import Reply, StubServer, model_row
from tests.conftest import Server
from tests.engine import tiny_models
from tests.protocol.installed import installed

make_ranker = partial(tiny_models.bert, pooling=gguf.PoolingType.RANK, labels=1)
QUERY = "Where are the models kept?"
DOCUMENTS = ["In a folder.", "Cats sleep.", "Models are files.", "x"]
TEXTS = ["How do I load a model?", "x", "Where are the models kept?"]


@pytest.fixture(scope="module")
def ranker(shared_server: Server) -> Iterator[str]:
    with installed(shared_server, "ranker", make_ranker) as name:
        yield name


@pytest.fixture(params=["http", "websocket", "in process"])
def client(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Iterator[UniversalClient]:
    """With the models `demo` and `ranker`."""
    if request.param == "in process":
        for name in ("JUPYTER_UML_URL", "JPY_PARENT_PID", "JUPYTERHUB_SERVICE_URL"):
            monkeypatch.delenv(name, raising=False)
        for name in ("RUNTIME", "DATA"):
            monkeypatch.setenv(f"JUPYTER_{name}_DIR", str(tmp_path))
        default_model_dir().mkdir(parents=True)
        make_ranker(default_model_dir() / "ranker.gguf")
        opened = UniversalClient()
    else:
        request.getfixturevalue("ranker")
        server: Server = request.getfixturevalue("server")
        opened = UniversalClient(server.url, server.token, websocket=request.param == "websocket")
    with opened:
        yield opened


def test_texts_become_vectors(client: UniversalClient) -> None:
    found = client.embed(TEXTS, model="demo")
    assert (len(found), found.dimensions, found.model) == (3, 192, "demo")
    assert found.usage.prompt_tokens > 10
    assert found.vectors.dtype == np.float32
    assert found.vectors.shape == (3, 192)
    assert np.linalg.norm(found.vectors, axis=1) == pytest.approx(1, abs=1e-5)
    assert np.asarray(found[1:], np.float32) == pytest.approx(found.vectors[1:])
    assert np.asarray(found) == pytest.approx(found.vectors)
    one = client.embed(TEXTS[0], model="demo", dimensions=8, normalize=False, pooling="last")
    assert (len(one), one.dimensions) == (1, 8)
    assert sum(value**2 for value in one[0]) != pytest.approx(1)
    with pytest.raises(InvalidRequest) as caught:
        client.embed(TEXTS, model="demo", dimensions=0)
    assert caught.value.param == "dimensions"
    with pytest.raises(ModelNotFound):
        client.embed(TEXTS, model="no-such-model")


def test_documents_come_best_first(client: UniversalClient) -> None:
    ranking = client.rerank(QUERY, DOCUMENTS, model="ranker")
    assert sorted(row.index for row in ranking) == [0, 1, 2, 3]
    assert [row.score for row in ranking] == sorted((row.score for row in ranking), reverse=True)
    assert all(0 <= row.score <= 1 and row.document == DOCUMENTS[row.index] for row in ranking)
    assert ranking.usage.prompt_tokens > len(DOCUMENTS)
    assert list(client.rerank(QUERY, DOCUMENTS, top_n=2)) == list(ranking[:2])  # by the model last used so
    with pytest.raises(InvalidRequest) as caught:
        client.rerank(QUERY, DOCUMENTS, model="demo")
    assert caught.value.param == "model"


def test_texts_become_tokens_and_texts_again(client: UniversalClient) -> None:
    text = "Where? In Köln 😀 <|im_end|>"
    tokens = client.tokenize(text, model="demo", add_special=False)
    assert b"".join(tokens.pieces).decode() == text
    assert len(tokens) == len(tokens.pieces) < len(text)
    assert client.detokenize(tokens, model="demo") == text
    assert len(client.tokenize(text, model="demo", add_special=False, parse_special=False)) > len(tokens)
    assert client.detokenize([], model="demo") == ""


def test_the_prompt_of_a_question(client: UniversalClient) -> None:
    prompt = client.prompt("Hi", model="demo", system="Be brief.")
    assert prompt.text.index("Be brief.") < prompt.text.index("Hi")
    answer = client.chat("Hi", model="demo", system="Be brief.", max_tokens=1)
    assert answer.usage is not None
    assert len(prompt.tokens) == answer.usage.prompt_tokens


def test_the_asynchronous_client_has_the_same(server: Server) -> None:
    async def main() -> tuple[Embeddings, Tokens]:
        async with AsyncUniversalClient(server.url, server.token) as client:
            return await client.embed(TEXTS, model="demo"), await client.tokenize("Hi", model="demo")

    found, tokens = asyncio.run(main())
    with UniversalClient(server.url, server.token) as client:
        assert found.vectors == pytest.approx(client.embed(TEXTS, model="demo").vectors, abs=1e-5)
        assert tokens == client.tokenize("Hi", model="demo")


# --- what the server sends --------------------------------------------------------------------


def vectors(*rows: list[float], tokens: int = 2) -> Reply:
    data = [{"index": index, "embedding": row} for index, row in enumerate(rows)]
    return Reply({"model": "m", "data": data[::-1], "usage": {"prompt_tokens": tokens}})


def test_many_texts_are_sent_in_parts(stub: StubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(side_work, "MAX_INPUTS", 2)
    stub.answer("v1/embeddings", vectors([1, 0], [2, 0]), vectors([3, 0], tokens=1))
    with UniversalClient(stub.url) as client:
        found = client.embed(iter("abc"), model="m")  # type: ignore[arg-type]
        assert [body["input"] for body in stub.asked("v1/embeddings")] == [["a", "b"], ["c"]]
        assert list(found) == [[1, 0], [2, 0], [3, 0]]  # also where a server sends lists of numbers, in any order
        assert found.usage.prompt_tokens == 3
        with pytest.raises(InvalidRequest, match="nothing to embed"):
            client.embed([])


def test_a_model_made_for_it_is_asked_where_none_is_named(stub: StubServer) -> None:
    info = {"architecture": "bert", "description": "", "parameters": 1, "n_ctx_train": 1, "size_bytes": 1}
    info |= {"has_chat_template": False}
    rows = [
        model_row("chat"),
        model_row("asleep", "available"),
        model_row("ranks", info=info | {"pooling": "rank"}),
        model_row("embeds", info=info | {"pooling": "cls"}),
    ]
    stub.answer("models", Reply({"models": rows}))
    stub.answer("v1/embeddings", vectors([1.0]))
    stub.answer("v1/rerank", Reply({"model": "m", "results": []}))
    stub.answer("detokenize", Reply({"content": ""}))
    with UniversalClient(stub.url) as client:
        client.embed("a")
        client.rerank("a", ["b"])
        client.detokenize([1])
        client.embed("a", model="other")
        client.embed("a")
    asked = {
        path: [body["model"] for body in stub.asked(path)] for path in ("v1/embeddings", "v1/rerank", "detokenize")
    }
    assert asked == {"v1/embeddings": ["embeds", "other", "other"], "v1/rerank": ["ranks"], "detokenize": ["chat"]}


def test_a_time_out_is_for_all_parts_together(stub: StubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    stub.answer("v1/embeddings", vectors([1.0]))
    gate = threading.Event()
    stub.hold("v1/embeddings", gate)
    with UniversalClient(stub.url) as client, pytest.raises(TimedOut):
        client.embed("a", model="m", timeout=0.2)
    gate.set()


@pytest.mark.parametrize(
    ("read", "body"),
    [
        (embeddings_from, {}),
        (embeddings_from, {"model": "m", "data": [{"index": 0, "embedding": "AAA="}]}),
        (embeddings_from, {"model": "m", "data": [{"index": 0, "embedding": ["x"]}]}),
        (tokens_from, {"tokens": [1]}),
        (tokens_from, {"tokens": [{"id": 1, "piece": [300]}]}),
        (lambda body: ranking_from(body, []), {"model": "m", "results": [{"index": 5, "relevance_score": 1}]}),
    ],
)
def test_bodies_of_another_shape_are_told(read: Any, body: dict[str, Any]) -> None:
    with pytest.raises(ConnectionFailed, match="another shape"):
        read(body)
