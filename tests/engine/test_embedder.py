"""Embeddings: the same alone, in a batch and in parts; equal to llama.cpp's own pooling; of every kind of model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gguf
import llama_cpp
import numpy as np
import pytest

from jupyter_uml.demo import demo_model_path
from jupyter_uml.engine.embedder import Embedder
from jupyter_uml.engine.model import Model
from jupyter_uml.errors import ContextLengthExceeded, InvalidRequest
from jupyter_uml.types import ModelSpec, Pooling
from tests.engine import tiny_models

TEXTS = [[5, 700, 31], list(range(100, 160)), [9], list(range(40, 52)), [700, 5, 31]]
MAKERS = {"bert": tiny_models.bert, "mamba": tiny_models.mamba, "gemma3": tiny_models.gemma3}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Model]]:
    folder, made = tmp_path_factory.mktemp("models"), dict[str, Model]()

    def model(kind: str) -> Model:
        if kind not in made:
            path = demo_model_path() if kind == "demo" else MAKERS[kind](folder / kind)
            made[kind] = Model(ModelSpec(kind, str(path)))
        return made[kind]

    yield model
    for each in made.values():
        each.close()


def vectors(model: Model, texts: list[list[int]] = TEXTS, pooling: Pooling | None = None, **options: Any) -> Any:
    embedder = Embedder(model, 512, 1, n_batch=options.pop("n_batch", 512))
    try:
        return embedder.embed(texts, pooling, **options)
    finally:
        embedder.close()


def llama_cpps_own(model: Model, tokens: list[int], pooling: int) -> Any:
    params = llama_cpp.llama_context_default_params()
    params.embeddings, params.pooling_type, params.n_ctx = True, pooling, 512
    params.n_batch = params.n_ubatch = 512
    params.n_threads = params.n_threads_batch = 1
    context = llama_cpp.llama_init_from_model(model.handle, params)
    array = (llama_cpp.llama_token * len(tokens))(*tokens)  # the batch only points to it
    batch = llama_cpp.llama_batch_get_one(array, len(tokens))
    assert llama_cpp.llama_decode(context, batch) == 0
    width = llama_cpp.llama_model_n_embd_out(model.handle)
    row = np.ctypeslib.as_array(llama_cpp.llama_get_embeddings_seq(context, 0), (width,)).copy()
    llama_cpp.llama_free(context)
    return row


@pytest.mark.parametrize("kind", ["demo", "bert", "mamba", "gemma3"])
def test_a_text_has_one_embedding_alone_and_in_a_batch(models: Callable[[str], Model], kind: str) -> None:
    together = vectors(models(kind))
    assert together.dtype == np.float32
    assert together.shape == (len(TEXTS), 192 if kind == "demo" else 64)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, rtol=1e-5)
    alone = np.concatenate([vectors(models(kind), [text]) for text in TEXTS])
    np.testing.assert_allclose(together, alone, atol=2e-3)
    assert abs(together @ together.T - np.eye(len(TEXTS))).max() < 0.9999


@pytest.mark.parametrize("kind", ["demo", "bert"])
@pytest.mark.parametrize(("pooling", "number"), [("mean", 1), ("cls", 2), ("last", 3)])
def test_pooling_is_llama_cpps(models: Callable[[str], Model], kind: str, pooling: Pooling, number: int) -> None:
    expected = llama_cpps_own(models(kind), TEXTS[1], number)
    (vector,) = vectors(models(kind), [TEXTS[1]], pooling, normalize=False)
    np.testing.assert_allclose(vector, expected, atol=2e-3 * float(np.abs(expected).max()))


@pytest.mark.parametrize("kind", ["demo", "mamba", "gemma3"])
@pytest.mark.parametrize("pooling", ["mean", "cls", "last"])
def test_a_long_text_is_computed_in_parts(models: Callable[[str], Model], kind: str, pooling: Pooling) -> None:
    long = [(number * 37) % 2000 for number in range(300)]
    texts = [[1, 2], long, long[:33]]
    np.testing.assert_allclose(
        vectors(models(kind), texts, pooling, n_batch=32), vectors(models(kind), texts, pooling), atol=5e-3
    )


def test_an_encoder_takes_a_long_text_whole(models: Callable[[str], Model]) -> None:
    long = [(number * 37) % 2000 for number in range(512)]
    np.testing.assert_allclose(
        vectors(models("bert"), [long, [3, 4]], n_batch=32), vectors(models("bert"), [long, [3, 4]]), atol=1e-4
    )


def test_many_texts_take_several_batches_and_keep_their_order(models: Callable[[str], Model]) -> None:
    texts = [[10 + number] * (1 + number % 7) for number in range(150)]
    table = vectors(models("bert"), texts, n_batch=64)
    for number in (0, 77, 149):
        np.testing.assert_allclose(table[number], vectors(models("bert"), [texts[number]])[0], atol=1e-4)


def test_steps_leave_room_for_others_between_batches(models: Callable[[str], Model]) -> None:
    embedder = Embedder(models("bert"), 512, 1, n_batch=64)
    assert len(list(embedder.steps([[7] * 40] * 5))) == 5
    given_up = embedder.steps([[7] * 40] * 5)
    next(given_up)
    given_up.close()
    np.testing.assert_allclose(embedder.embed([[7] * 40]), vectors(models("bert"), [[7] * 40]), atol=1e-6)
    embedder.close()


def test_dimensions_cut_and_then_normalize(models: Callable[[str], Model]) -> None:
    whole = vectors(models("bert"), normalize=False)
    short = vectors(models("bert"), dimensions=16)
    assert short.shape == (len(TEXTS), 16)
    np.testing.assert_allclose(short, whole[:, :16] / np.linalg.norm(whole[:, :16], axis=1, keepdims=True), atol=1e-5)
    for dimensions in (0, 65):
        with pytest.raises(InvalidRequest, match="64") as caught:
            vectors(models("bert"), dimensions=dimensions)
        assert caught.value.param == "dimensions"


def test_what_cannot_be_embedded_is_refused(models: Callable[[str], Model]) -> None:
    with pytest.raises(ContextLengthExceeded) as caught:
        vectors(models("bert"), [[1], [2] * 513])
    assert caught.value.details == {"prompt_tokens": 513, "context_tokens": 512}
    for texts in ([[]], [[5000]], [[-1]]):
        with pytest.raises(InvalidRequest):
            vectors(models("bert"), texts)
    with pytest.raises(InvalidRequest, match="classifier"):
        vectors(models("bert"), pooling="rank")
    assert len(vectors(models("bert"), [])) == 0


def test_a_classifier_ranks(tmp_path: Path) -> None:
    path = tiny_models.bert(tmp_path / "ranker", pooling=gguf.PoolingType.RANK, labels=2)
    model = Model(ModelSpec("ranker", str(path)))
    embedder = Embedder(model, 512, 1)
    assert embedder.pooling == "rank"
    scores = embedder.embed(TEXTS)
    assert scores.shape == (len(TEXTS), 2)
    for text, row in zip(TEXTS, scores, strict=True):
        np.testing.assert_allclose(embedder.embed([text])[0], row, atol=2e-3)
    assert np.ptp(scores[:, 0]) > 0.01
    assert embedder.embed(TEXTS, "mean").shape == (len(TEXTS), 64)
    embedder.close()
    model.close()
