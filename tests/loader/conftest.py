"""A folder with a model that talks without end; and llama.cpp is asked for GPUs only once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_uml.loader.memory import planner
from jupyter_uml.loader.memory.gpus import find_gpus
from tests.conftest import endless_model


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    (folder / "endless.gguf").write_bytes(endless_model())
    return folder


@pytest.fixture(scope="session", autouse=True)
def no_gpus_asked_for_again() -> Iterator[None]:
    """Each loader asks in a process of its own, unless it is known here that there are none."""
    with pytest.MonkeyPatch.context() as patch:
        if not find_gpus():
            patch.setattr(planner, "find_gpus", tuple)
        yield
