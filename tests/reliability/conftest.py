"""A server that tells what it holds, and the two lengths of these tests."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest

from tests.conftest import Server, launch, wait_until

ROOT = Path(__file__).parents[2]
# The long form kills as often as notebooks/measurements.md tells, and needs a machine that does nothing else.
LONG = os.environ.get("UML_RELIABILITY") == "long"
INSIDE = "--ServerApp.jpserver_extensions=tests.reliability.inside=True"


def held(server: Server) -> dict[str, Any]:
    """Tasks, descriptors, threads and memory of the server; see `inside.py`."""
    answer: dict[str, Any] = httpx2.get(f"{server.root}inside", headers=server.auth, timeout=30).json()
    return answer


def settled(server: Server, before: dict[str, Any]) -> dict[str, Any]:
    """What it holds when nothing is left of what has been done since `before`; some tasks come by themselves and go."""
    now: dict[str, Any] = {}

    def nothing_left() -> bool:
        now.update(held(server))
        return len(now["tasks"]) <= len(before["tasks"]) and bool(now["descriptors"] <= before["descriptors"])

    wait_until(nothing_left)
    return now


def load(server: Server, model: str, **settings: Any) -> psutil.Process:
    """Its worker, which computes on one thread: two cores are shared by all of this."""
    server.post("load_model", {"model": model, "n_threads": 1, **settings}).raise_for_status()
    return psutil.Process(server.model(model)["pid"])


@pytest.fixture(scope="session")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with a short queue, which `held` can look into."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))  # it runs in a folder of its own
        server = launch(tmp_path_factory.mktemp("crowded"), args=(INSIDE, "--UMLApp.max_queue=250"))
    yield server
    server.stop()
