"""`jupyter uml`: the same routes at the root, and nothing of Jupyter's contents and kernels."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import httpx2
import openai
import pytest

from jupyter_uml import __version__
from tests.conftest import Server, launch


def test_the_same_routes_at_the_root(standalone_server: Server) -> None:
    for prefix in ("", "uml/"):
        response = httpx2.get(f"{standalone_server.root}{prefix}health", headers=standalone_server.auth)
        assert response.json()["status"] == "ok"
    unknown = httpx2.get(f"{standalone_server.root}v1/nope", headers=standalone_server.auth)
    assert unknown.json()["error"]["code"] == "route_not_found"


def test_the_openai_package_answers_at_v1(standalone_server: Server) -> None:
    url = f"{standalone_server.root}v1"
    with openai.OpenAI(base_url=url, api_key=standalone_server.token, max_retries=0) as client:
        answer = client.chat.completions.create(
            model="demo", messages=[{"role": "user", "content": "Hi"}], max_tokens=5
        )
    assert answer.choices[0].message.content


@pytest.mark.parametrize(
    "path", ["api/contents", "api/kernels", "api/sessions", "api/terminals", "files/x", "lab", "tree"]
)
def test_nothing_of_jupyter_is_exposed(standalone_server: Server, path: str) -> None:
    response = httpx2.get(f"{standalone_server.root}{path}", headers=standalone_server.auth)
    assert response.status_code == 404


def run(*arguments: str) -> str:
    command = [sys.executable, "-m", "jupyter_uml", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def test_help_names_what_people_look_for() -> None:
    text = run("--help")
    for option in ("--port", "--ip", "--model-dir", "--allow-root"):
        assert option in text
    assert run("--version").strip() == __version__


def test_the_configuration_of_jupyter_server_counts(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "own.gguf").write_bytes(b"x")
    (tmp_path / "config" / "jupyter_server_config.py").write_text(f"c.UMLApp.model_dirs = [{str(mine)!r}]\n")
    for number, standalone in enumerate((True, False)):
        server = launch(tmp_path, standalone=standalone, model_dirs=False)
        try:
            assert "own" in [row["id"] for row in server.get("models").json()["models"]], number
            server.post("load_model", {"model": "demo"}).raise_for_status()
            assert "loaded demo in" in server.log.read_text()
        finally:
            server.stop()
