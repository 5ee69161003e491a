"""`models`, `load`, `unload` and `estimate`, on a server that runs and where none does."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commands.runner import run
from tests.conftest import Server, launch


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """`jupyter uml` with a broken file among its models."""
    folder = tmp_path_factory.mktemp("alone")
    server = launch(folder, standalone=True)
    (server.models / "noise.gguf").write_bytes(b"noise" * 100)
    yield server
    server.stop()


def on(server: Server, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return run(server.runtime.parent, *arguments, **environment)


class TestWithAServer:
    def test_a_model_is_loaded_listed_and_unloaded(self, alone: Server) -> None:
        loaded = on(alone, "load", "demo", "--n-ctx", "512", "--n-parallel=2", "--pin")
        assert loaded.returncode == 0, loaded.stderr
        assert loaded.stdout.startswith("demo is loaded")
        assert "512 tokens for each of 2 sequences" in loaded.stdout
        assert "it is pinned" in loaded.stdout
        assert f"Server: {alone.url}" in loaded.stderr
        assert alone.model()["settings"]["n_ctx"] == 512
        rows = on(alone, "models").stdout.splitlines()
        assert any(row.split()[:2] == ["demo", "loaded"] and "pinned" in row for row in rows)
        gone = on(alone, "unload", "demo")
        assert (gone.returncode, gone.stdout.split(";")[0]) == (0, "demo is unloaded")
        assert alone.model()["state"] == "available"
        assert on(alone, "unload", "demo").stdout == "demo was not loaded.\n"

    def test_how_long_it_stays_is_said(self, alone: Server) -> None:
        told = json.loads(on(alone, "load", "demo", "--no-pin", "--keep-alive", "10m", "--json").stdout)
        assert (told["state"], told["pinned"]) == ("loaded", False)
        assert 590 < told["expires_in"] <= 600
        on(alone, "unload", "demo", "--force")

    def test_what_cannot_be_loaded_stands_at_the_end_with_the_reason(self, alone: Server) -> None:
        rows = on(alone, "models").stdout
        assert rows.index("Cannot be loaded:") < rows.index("  noise\n") < rows.index("It is no GGUF file")
        failed = on(alone, "load", "noise")
        assert failed.returncode == 1
        assert "jupyter uml load: noise cannot be loaded: It is no GGUF file" in failed.stderr

    @pytest.mark.parametrize("arguments", [("load", "nope"), ("unload", "nope"), ("estimate", "nope")])
    def test_errors_are_json_for_programs(self, alone: Server, arguments: tuple[str, ...]) -> None:
        failed = on(alone, *arguments, "--json")
        assert failed.returncode == 1
        assert json.loads(failed.stdout)["error"]["code"] == "model_not_found"

    def test_a_server_can_be_named_and_its_token_is_found(self, alone: Server) -> None:
        url = alone.root.rstrip("/").replace("127.0.0.1", "localhost")
        assert "demo" in on(alone, "models", "--url", url).stdout
        stranger = run(alone.models, "models", "--url", url)
        assert stranger.returncode == 1
        assert "credential" in stranger.stderr
        assert "demo" in run(alone.models, "models", "--url", url, JUPYTER_UML_KEY=alone.token).stdout

    def test_one_that_stands_alone_comes_before_one_of_notebooks(self, alone: Server) -> None:
        notebooks = launch(alone.runtime.parent / "second", model_dirs=False)
        [info] = notebooks.runtime.glob("jpserver-*.json")
        there = alone.runtime / "jpserver-1.json"  # a process that lives, and comes first by its name
        try:
            there.write_text(info.read_text())
            assert f"Server: {alone.url}" in on(alone, "models").stderr
        finally:
            there.unlink()
            notebooks.stop()


class TestWithoutAServer:
    def test_models_and_estimates_are_had_from_the_catalog(self, tmp_path: Path) -> None:
        listed = run(tmp_path, "models", "--json")
        assert listed.returncode == 0, listed.stderr
        [demo] = json.loads(listed.stdout)["models"]
        assert (demo["id"], demo["state"], demo["facts"]["architecture"]) == ("demo", "available", "llama")
        told = run(tmp_path, "estimate", "demo", "--n-ctx", "512")
        assert told.returncode == 0, told.stderr
        assert told.stdout.startswith("demo fits: needs ")
        assert "512 tokens for each of 4 sequences" in told.stdout
        assert "KV cache" in told.stdout

    def test_folders_can_be_named(self, tmp_path: Path, demo_bytes: bytes) -> None:
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine" / "own.gguf").write_bytes(demo_bytes[:1000])
        assert "own" in run(tmp_path, "models", f"--UMLApp.model_dirs={tmp_path / 'mine'}").stdout

    @pytest.mark.parametrize("name", ["load", "unload"])
    def test_loading_says_how_to_start_one(self, tmp_path: Path, name: str) -> None:
        failed = run(tmp_path, name, "demo")
        assert failed.returncode == 1
        assert "Start one with `jupyter uml`" in failed.stderr
        assert len(failed.stderr.splitlines()) == 1

    def test_a_named_one_that_does_not_answer_is_no_reason_to_take_another(self, tmp_path: Path) -> None:
        failed = run(tmp_path, "models", JUPYTER_UML_URL="http://127.0.0.1:9/uml")
        assert failed.returncode == 1
        assert "No jupyter_uml server answered" in failed.stderr

    def test_mistakes_are_not_passed_over(self, tmp_path: Path) -> None:
        for arguments, says in (
            (("load",), "which model"),
            (("load", "a", "b"), "which model"),
            (("load", "demo", "--n-cxt", "5"), "--n-cxt"),
            (("load", "demo", "--n-ctx", "0"), "n_ctx"),
            (("models", "--url", "nonsense"), "http://127.0.0.1:8888/uml"),
        ):
            failed = run(tmp_path, *arguments)
            assert failed.returncode in (1, 2)
            assert says in failed.stderr
