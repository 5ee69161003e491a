"""LoRA adapters on the demo model: they change what they should, and nothing where they should not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jupyter_uml.demo import demo_model_path
from jupyter_uml.engine.lora import Adapters
from jupyter_uml.engine.model import Model
from jupyter_uml.engine.scorer import Scorer
from jupyter_uml.errors import ModelLoadFailed
from jupyter_uml.types import ModelSpec
from tests.engine import tiny_models

TOKENS = [5, 700, 31, 80, 1999, 4]


@pytest.fixture
def model() -> Iterator[Model]:
    model = Model(ModelSpec("demo", str(demo_model_path())))
    yield model
    model.close()


def scores(model: Model, *wanted: tuple[Path, float]) -> Any:
    adapters = Adapters(model, [(path.name, str(path), scale) for path, scale in wanted])
    scorer = Scorer(model, 64, 1, adapters=adapters)
    try:
        steps = scorer.steps([TOKENS])
        while True:
            next(steps)
    except StopIteration as end:
        return np.array([each.chosen.logprob for each in end.value[0]])
    finally:
        scorer.close()


def test_an_adapter_changes_the_model_by_its_scale(model: Model, tmp_path: Path) -> None:
    zero = tiny_models.lora(tmp_path / "zero", scale=0)
    real = tiny_models.lora(tmp_path / "real", scale=0.05)
    plain = scores(model)
    np.testing.assert_array_equal(scores(model, (zero, 1.0)), plain)
    np.testing.assert_array_equal(scores(model, (real, 0.0)), plain)
    slight, full = (abs(scores(model, (real, scale)) - plain).max() for scale in (0.1, 1.0))
    assert 1e-5 < slight < full
    np.testing.assert_array_equal(scores(model), plain)


def test_adapters_add_up(model: Model, tmp_path: Path) -> None:
    one = tiny_models.lora(tmp_path / "one", scale=0.05)
    same = tiny_models.lora(tmp_path / "same", scale=0.05)
    np.testing.assert_allclose(scores(model, (one, 0.5), (same, 0.5)), scores(model, (one, 1.0)), atol=1e-3)


def test_an_adapter_that_does_not_fit_is_refused(model: Model, tmp_path: Path) -> None:
    garbage = tmp_path / "garbage"
    garbage.write_bytes(b"GGUF" + bytes(200))
    good = tiny_models.lora(tmp_path / "good", scale=0.1)
    cut = tmp_path / "cut"
    cut.write_bytes(good.read_bytes()[:-2000])
    others = {
        "another architecture": tiny_models.lora(tmp_path / "qwen2", scale=0.1, architecture="qwen2"),
        "another width": tiny_models.lora(tmp_path / "wide", scale=0.1, width=256),
        "a model": demo_model_path(),
        "garbage": garbage,
        "cut": cut,
        "missing": tmp_path / "missing",
    }
    for what, path in others.items():
        with pytest.raises(ModelLoadFailed, match=f"adapter {path.name} does not fit demo") as caught:
            scores(model, (Path(path), 1.0))
        assert str(tmp_path) not in str(caught.value), what
    assert len(scores(model, (good, 1.0))) == len(TOKENS) - 1
