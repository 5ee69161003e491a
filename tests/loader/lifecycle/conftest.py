"""A folder with three models that are alike in all but their names, and talk without end."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.conftest import endless_model
from tests.loader.lifecycle.stage import room_for

NAMES = ("ann", "bob", "cyd")


@pytest.fixture(scope="session")
def trio(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trio")
    for name in NAMES:
        content = endless_model().replace(b"jupyter_uml demo", f"jupyter_uml {name} ".encode())
        (folder / f"{name}.gguf").write_bytes(content)
    return folder


@pytest.fixture(scope="session")
def limits(trio: Path) -> dict[int, int]:
    """Bytes by how many of the trio fit into them at once."""
    return {models: asyncio.run(room_for(models, trio)) for models in (1, 2)}
