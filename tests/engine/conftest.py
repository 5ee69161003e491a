"""The demo model, loaded once for each file of tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from jupyter_uml.demo import demo_model_path
from jupyter_uml.engine.model import Model
from jupyter_uml.types import ModelSpec


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    model = Model(ModelSpec("demo", str(demo_model_path())))
    yield model
    model.close()
