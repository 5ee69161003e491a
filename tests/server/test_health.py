"""Alive and ready: two different questions, which a full disk answers differently."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import httpx2
import pytest

from jupyter_uml.server import health
from jupyter_uml.server.health import Readiness
from tests.conftest import TLS, Server, wait_until

pytestmark = pytest.mark.anyio


async def test_ready_once_the_models_were_looked_for(tmp_path: Path) -> None:
    readiness = Readiness(tmp_path / "state")
    assert await readiness.checks() == {"running": True, "models_scanned": False, "state_writable": True}
    readiness.scanned = True
    assert all((await readiness.checks()).values())
    assert list((tmp_path / "state").iterdir()) == [], "the trial left something"


async def test_not_ready_while_it_stops() -> None:
    readiness = Readiness()
    readiness.scanned = readiness.stopping = True
    assert await readiness.checks() == {"running": False, "models_scanned": True, "state_writable": True}


async def test_a_disk_that_takes_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert not (await Readiness(tmp_path / "file" / "state").checks())["state_writable"]


async def test_a_disk_that_hangs_is_tried_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers, tries = threading.Event(), list[Path]()

    def hang(folder: Path) -> bool:
        tries.append(folder)
        return answers.wait(10)

    monkeypatch.setattr(health, "_write", hang)
    monkeypatch.setattr(health, "DISK_SECONDS", 0.05)
    readiness = Readiness(tmp_path)
    for _ in range(3):
        assert not (await readiness.checks())["state_writable"]
    assert len(tries) == 1
    answers.set()
    monkeypatch.setattr(health, "DISK_SECONDS", 10)
    monkeypatch.setattr(health, "TRIAL_SECONDS", 0)
    assert (await readiness.checks())["state_writable"]


def test_a_server_says_both(server: Server) -> None:
    assert server.get("health/live").json() == {"status": "ok"}
    wait_until(lambda: server.get("health/ready").status_code == 200)  # the models have been looked for
    assert server.get("health/ready").json() == {
        "status": "ok",
        "checks": {"running": True, "models_scanned": True, "state_writable": True},
    }


def test_an_unready_server_says_what_is_missing(own_server: Server) -> None:
    state = own_server.models.parent / "data" / "uml"
    wait_until(lambda: own_server.get("health/ready").status_code == 200)
    shutil.rmtree(state)
    state.write_bytes(b"")  # where the folder should be
    wait_until(lambda: own_server.get("health/ready").status_code == 503)
    response = own_server.get("health/ready")
    assert response.json()["checks"] == {"running": True, "models_scanned": True, "state_writable": False}
    assert httpx2.get(f"{own_server.url}/health/ready", verify=TLS).json() == {"status": "not_ready"}
    assert own_server.get("health/live").status_code == 200
    state.unlink()


async def test_the_disk_is_not_worn_by_who_asks_often(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[Path] = []
    monkeypatch.setattr(health, "_write", lambda folder: bool(tries.append(folder)) or True)
    readiness = Readiness(tmp_path)
    for _ in range(3):
        assert (await readiness.checks())["state_writable"]
    assert len(tries) == 1
