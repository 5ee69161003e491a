"""Runs a sub-command in a process of its own, as a user whose folders lie below one folder."""

from __future__ import annotations

import os
import subprocess
import tempfile
from functools import partial
from importlib import import_module
from pathlib import Path

from tests.warm_start import Forked


def run(folder: Path, name: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`jupyter uml NAME ARGUMENTS`."""
    plain = {key: value for key, value in os.environ.items() if not key.startswith(("JUPYTER_", "JPY_"))}
    own = {f"JUPYTER_{kind.upper()}_DIR": str(folder / kind) for kind in ("config", "data", "runtime")}
    given = plain | own | {"HF_HOME": str(folder / "hf"), "HOME": str(folder)} | environment
    with tempfile.TemporaryDirectory() as written:
        output, errors = Path(written, "output"), Path(written, "errors")
        process = Forked(
            partial(_launch, name), [name, *arguments], given, folder=Path.cwd(), output=output, errors=errors
        )
        code = process.wait(60)
        return subprocess.CompletedProcess(arguments, code, output.read_text(), errors.read_text())


def _launch(name: str) -> None:
    """Without the server's imports, as `python -m jupyter_uml` does it."""
    getattr(import_module(f"jupyter_uml.commands.{name}"), f"{name.title()}App").launch_instance()
