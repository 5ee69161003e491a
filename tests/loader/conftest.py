"""A folder with a model that talks without end."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import endless_model


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    (folder / "endless.gguf").write_bytes(endless_model())
    return folder
