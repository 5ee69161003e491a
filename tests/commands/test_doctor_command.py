"""`jupyter uml doctor` itself, on this machine and with a configuration that has faults."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from traitlets import import_item

from jupyter_uml import __version__
from jupyter_uml.demo import demo_model_path
from jupyter_uml.subcommands import SUBCOMMANDS
from tests.commands.runner import run


def configured(folder: Path) -> None:
    """A folder with a good and a broken model, one that is not there, and a profile with a mistake."""
    models = folder / "models"
    models.mkdir()
    content = demo_model_path().read_bytes()
    (models / "good.gguf").write_bytes(content)
    (models / "cut.gguf").write_bytes(content[:200_000])
    profiles = folder / "config" / "uml" / "profiles"
    profiles.mkdir(parents=True)
    (profiles / "french.toml").write_text('model = "demo"\nn_ctx = "many"\n')
    settings = f"c.UMLApp.model_dirs = [{str(models)!r}, {str(folder / 'nowhere')!r}]\n"
    (folder / "config" / "jupyter_server_config.py").write_text(settings)


def test_on_this_machine_models_run(tmp_path: Path) -> None:
    before = time.monotonic()
    done = run(tmp_path, "doctor", COLUMNS="80")
    assert done.returncode == 0, done.stdout + done.stderr
    assert time.monotonic() - before < 20  # a few seconds, but others may compute beside it
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "\x1b" not in done.stdout
    assert "What this machine can run" in done.stdout
    assert "demo " in done.stdout
    assert done.stdout.splitlines()[-1].startswith("Models run here")
    assert done.stderr == ""


def test_what_is_wrong_with_models_folders_and_profiles_is_found(tmp_path: Path) -> None:
    configured(tmp_path)
    done = run(tmp_path, "doctor", "--json", JUPYTER_UML_URL="http://127.0.0.1:9/uml")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["ok"] is True
    said = "\n".join(finding["message"] for finding in told["findings"] if finding["level"] == "warning")
    assert "cut is broken." in said
    assert f"{tmp_path / 'nowhere'} does not exist" in said
    assert "french.toml, line 2" in said
    assert "http://127.0.0.1:9/uml, where no jupyter_uml answers" in said
    models = {model["id"]: model for model in told["models"]}
    assert models["good"]["estimate"]["fits"] is True
    assert models["cut"]["estimate"] is None
    assert told["sizes"][0]["quantisation"] == "Q4_K_M"


def test_when_something_keeps_models_from_running_the_status_says_so(tmp_path: Path) -> None:
    """A limit on address space as a shell would set it; Python itself still starts."""
    command = f"ulimit -v {1900 << 10}; exec {sys.executable} -m jupyter_uml doctor"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "✗ Limits" in done.stdout
    assert "ulimit -v unlimited" in done.stdout


def test_the_commands_are_found_by_their_names_and_do_without_the_server() -> None:
    command = [sys.executable, "-X", "importtime", "-m", "jupyter_uml"]
    done = subprocess.run([*command, "doctor", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == __version__
    assert "jupyter_server.serverapp" not in done.stderr
    paths = [path for path, _ in SUBCOMMANDS.values()]
    program = f"import sys, traitlets; print(len([*map(traitlets.import_item, {paths})]), *sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"{len(SUBCOMMANDS)} ")
    assert "jupyter_server.serverapp" not in done.stdout
    done = subprocess.run([*command, "--help"], capture_output=True, text=True, check=True)
    told = " ".join(done.stdout.split())
    assert all(f"{name} {what}" in told for name, (_, what) in SUBCOMMANDS.items())


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path: Path) -> None:
    command = f"{sys.executable} -m jupyter_uml models --json | true"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False, cwd=tmp_path, timeout=60)
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr


def test_help_has_examples_and_the_exit_status(tmp_path: Path) -> None:
    assert run(tmp_path, "models", "--help").returncode == 0
    for name, (path, _) in SUBCOMMANDS.items():
        told = "\n".join(import_item(path)().emit_help())
        assert f"    jupyter uml {name}" in told
        assert "Exit status: 0" in " ".join(told.split())
        assert "--json" in told
