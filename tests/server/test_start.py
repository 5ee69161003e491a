"""How the extension starts: what is wrong is told at once, and Jupyter itself is not held up by it."""

from __future__ import annotations

from pathlib import Path

import httpx2
import pytest

from jupyter_uml.access.files import AUDIT_FILE, DATABASE_FILE
from jupyter_uml.client import UniversalClient
from jupyter_uml.errors import UmlError
from tests.conftest import Server, launch, wait_until
from tests.server.errors import assert_error


def state(folder: Path) -> Path:
    """Where the server of `launch(folder)` keeps its keys and records."""
    made = folder / "data" / "uml"
    made.mkdir(parents=True)
    return made


def jupyter_works(server: Server) -> bool:
    return httpx2.get(f"{server.root}api/status", headers=server.auth, timeout=30).status_code == 200


def test_a_database_that_cannot_be_opened_is_told_at_the_start(tmp_path: Path) -> None:
    (state(tmp_path) / DATABASE_FILE).mkdir()
    with pytest.raises(AssertionError, match="cannot write its records"):
        launch(tmp_path, standalone=True)


def test_jupyter_starts_without_it(tmp_path: Path) -> None:
    (state(tmp_path) / DATABASE_FILE).mkdir()
    server = launch(tmp_path)
    try:
        assert jupyter_works(server)
        assert server.get("health").status_code == 404
        assert "jupyter_uml | extension failed loading" in server.log.read_text()
    finally:
        server.stop()


def test_what_fails_after_the_start_is_told_and_refused(tmp_path: Path) -> None:
    (state(tmp_path) / AUDIT_FILE).mkdir()
    server = launch(tmp_path)
    try:
        assert jupyter_works(server)
        for path in ("health", "models", "docs"):
            error = assert_error(server.get(path), 503, "internal_error")
            assert "whose log says why" in error["message"]
        assert_error(server.post("v1/chat/completions", {}), 503, "internal_error")
        with UniversalClient(server.url, server.token) as client, pytest.raises(UmlError, match="could not start"):
            client.models()
        assert server.log.read_text().count("the model server cannot work") == 1
    finally:
        server.stop()


def test_it_gets_ready_by_itself(tmp_path: Path) -> None:
    """The first request to it asks for the time of nothing but itself."""
    server = launch(tmp_path, cold=True)
    try:
        wait_until(lambda: server.get("health/ready").json()["checks"]["models_scanned"])
    finally:
        server.stop()
