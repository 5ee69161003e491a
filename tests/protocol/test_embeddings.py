"""`v1/embeddings` by the real `openai` package against a real server."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import openai
import pytest

from jupyter_uml.demo import demo_model_path
from jupyter_uml.engine.embedder import Embedder
from jupyter_uml.engine.model import Model
from jupyter_uml.types import ModelSpec
from tests.conftest import Server
from tests.engine import tiny_models
from tests.protocol.installed import installed

TEXTS = ["How do I load a model?", "x", "Where are the models kept?"]
Table = np.ndarray[tuple[int, int], np.dtype[np.float32]]


@pytest.fixture(scope="module")
def bert(shared_server: Server) -> Iterator[str]:
    with installed(shared_server, "bert", tiny_models.bert) as name:
        yield name


@pytest.fixture
def sdk(server: Server) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key=server.token, max_retries=0) as client:
        yield client


def embedded(sdk: openai.OpenAI, given: Any, model: str = "demo", **fields: Any) -> Table:
    answer = sdk.embeddings.create(model=model, input=given, **fields)
    assert [row.index for row in answer.data] == list(range(len(answer.data)))
    return np.array([row.embedding for row in answer.data], np.float32)


def engines_own(path: Path, texts: list[str], **options: Any) -> Table:
    model = Model(ModelSpec("m", str(path)))
    embedder = Embedder(model, 512, 1)
    tokens = [model.tokenize(text, add_special=True, parse_special=False) for text in texts]
    table = embedder.embed(tokens, **options)
    embedder.close()
    model.close()
    return np.asarray(table)


@pytest.mark.parametrize("kind", ["demo", "bert"])
def test_both_encodings_are_the_engines_vectors(
    sdk: openai.OpenAI, bert: str, kind: str, shared_server: Server
) -> None:
    path = demo_model_path() if kind == "demo" else shared_server.models / f"{bert}.gguf"
    packed = embedded(sdk, TEXTS, kind)  # the SDK asks for base64 by itself
    np.testing.assert_array_equal(packed, embedded(sdk, TEXTS, kind, encoding_format="float"))
    np.testing.assert_allclose(packed, engines_own(path, TEXTS), atol=2e-3)
    np.testing.assert_allclose(np.linalg.norm(packed, axis=1), 1, rtol=1e-5)


def test_base64_is_little_endian(server: Server) -> None:
    body = {"model": "demo", "input": TEXTS[0]}
    packed = server.post("v1/embeddings", {**body, "encoding_format": "base64"}).json()["data"][0]["embedding"]
    plain = server.post("v1/embeddings", body).json()["data"][0]["embedding"]
    np.testing.assert_array_equal(np.frombuffer(base64.b64decode(packed), "<f4"), np.array(plain, "<f4"))


def test_text_may_come_as_tokens(sdk: openai.OpenAI, server: Server) -> None:
    tokens = [server.post("tokenize", {"model": "demo", "content": text}).json()["tokens"] for text in TEXTS]
    whole = embedded(sdk, TEXTS)
    np.testing.assert_array_equal(embedded(sdk, tokens), whole)
    np.testing.assert_allclose(embedded(sdk, tokens[0]), whole[:1], atol=2e-3)
    np.testing.assert_allclose(embedded(sdk, TEXTS[0]), whole[:1], atol=2e-3)
    answer = sdk.embeddings.create(model="demo", input=TEXTS, user="me")
    assert answer.usage.prompt_tokens == answer.usage.total_tokens == sum(map(len, tokens))


def test_dimensions_are_the_first_ones_made_whole(sdk: openai.OpenAI) -> None:
    whole = embedded(sdk, TEXTS, extra_body={"normalize": False})
    short = embedded(sdk, TEXTS, dimensions=16)
    assert short.shape == (3, 16)
    np.testing.assert_allclose(short, whole[:, :16] / np.linalg.norm(whole[:, :16], axis=1, keepdims=True), atol=1e-5)
    with pytest.raises(openai.BadRequestError, match="192 dimensions") as caught:
        embedded(sdk, TEXTS, dimensions=193)
    assert caught.value.param == "dimensions"


def test_pooling_may_be_chosen(sdk: openai.OpenAI) -> None:
    last = embedded(sdk, TEXTS, extra_body={"pooling": "last"})
    np.testing.assert_allclose(last, engines_own(demo_model_path(), TEXTS, pooling="last"), atol=2e-3)


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        [],
        [""],
        [[]],
        ["a", ""],
        ["a", 1],
        [1, "a"],
        [-1],
        [1 << 20],
        [[1], [1 << 31]],
        ["x"] * 2049,
        None,
        {"a": 1},
    ],
)
def test_what_is_no_input_is_refused(server: Server, wrong: Any) -> None:
    response = server.post("v1/embeddings", {"model": "demo", "input": wrong})
    assert response.status_code == 400, response.text
    assert response.json()["error"]["param"].startswith("input")


@pytest.mark.parametrize(
    ("field", "value"), [("encoding_format", "hex"), ("dimensions", 0), ("pooling", "rank"), ("prompt", "x")]
)
def test_a_field_is_honoured_or_refused(server: Server, field: str, value: Any) -> None:
    response = server.post("v1/embeddings", {"model": "demo", "input": "x", field: value})
    assert response.status_code == 400
    assert response.json()["error"]["param"] == field


def test_too_long_a_text_is_refused_with_both_numbers(sdk: openai.OpenAI, bert: str) -> None:
    with pytest.raises(openai.BadRequestError, match=r"513.*512") as caught:
        embedded(sdk, [[5], [6] * 513], bert)
    assert caught.value.code == "context_length_exceeded"


def test_an_embedding_model_does_not_chat(sdk: openai.OpenAI, bert: str) -> None:
    for stream in (False, True):
        with pytest.raises(openai.BadRequestError, match="v1/embeddings") as caught:
            sdk.chat.completions.create(  # type: ignore[call-overload]
                model=bert, messages=[{"role": "user", "content": "Hi"}], stream=stream
            )
        assert caught.value.param == "model"


def test_a_ranking_model_does_not_embed(sdk: openai.OpenAI, shared_server: Server) -> None:
    make = partial(tiny_models.bert, pooling=gguf.PoolingType.RANK, labels=1)
    with installed(shared_server, "no-embeddings", make), pytest.raises(openai.BadRequestError, match="v1/rerank"):
        embedded(sdk, "x", "no-embeddings")
