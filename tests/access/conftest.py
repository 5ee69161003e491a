"""A database of its own for each test, and others on the same file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from jupyter_uml.access import Database

TICK = 0.02  # seconds: tests need not wait as long as people may


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "uml" / "access.sqlite"


@pytest.fixture
def open_database(path: Path) -> Iterator[Callable[..., Database]]:
    """Opens the file once more; all are closed in the end."""
    opened: list[Database] = []

    def open_it(**options: Any) -> Database:
        opened.append(Database(path, tick=TICK, **options))
        return opened[-1]

    yield open_it
    for database in opened:
        database.close()


@pytest.fixture
def database(open_database: Callable[..., Database]) -> Database:
    return open_database()
