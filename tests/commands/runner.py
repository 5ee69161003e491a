"""Runs a sub-command in a process of its own, as a user whose folders lie below one folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_PROGRAM = "from jupyter_uml.commands.{0} import {1}App; {1}App.launch_instance()"  # quicker than by way of the server


def run(folder: Path, name: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`jupyter uml NAME ARGUMENTS`."""
    plain = {key: value for key, value in os.environ.items() if not key.startswith(("JUPYTER_", "JPY_"))}
    own = {f"JUPYTER_{kind.upper()}_DIR": str(folder / kind) for kind in ("config", "data", "runtime")}
    return subprocess.run(
        [sys.executable, "-c", _PROGRAM.format(name, name.title()), *arguments],
        env=plain | own | {"HF_HOME": str(folder / "hf"), "HOME": str(folder)} | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
