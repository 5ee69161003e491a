"""Models that a test puts beside those of the shared server, and takes away again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import Server, wait_until


@contextmanager
def installed(server: Server, model_id: str, make: Callable[[Path], object]) -> Iterator[str]:
    """`make` writes the file."""
    path = server.models / f"{model_id}.gguf"
    make(path)
    wait_until(lambda: model_id in [row["id"] for row in server.get("models").json()["models"]])
    try:
        yield model_id
    finally:
        server.post("unload_model", {"model": model_id, "force": True})
        path.unlink()
