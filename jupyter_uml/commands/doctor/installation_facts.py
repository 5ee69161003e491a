"""Reads what is installed: versions, Jupyter's configuration, the environment."""

from __future__ import annotations

import os
import platform
import re
import shutil
import struct
import time
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from pathlib import Path

from jupyter_core.paths import jupyter_config_path, jupyter_path
from jupyter_server.extension.config import ExtensionConfigManager

import jupyter_uml
from jupyter_uml.commands.doctor.facts import Installation
from jupyter_uml.commands.doctor.rebuilding import BACKENDS
from jupyter_uml.loader.catalog.profiles import default_profile_dir

_NAME, _LABEXTENSION, _LLAMA = "jupyter_uml", "jupyter-uml", "llama-cpp-python"
_VARIABLES = (
    *("OMP_NUM_THREADS", "OMP_THREAD_LIMIT", "GOMP_SPINCOUNT", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"),
    *("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES"),
)
_TOOLS = {"cmake", *(tool for _, tool, _ in BACKENDS.values())}


def installation() -> Installation:
    return Installation(
        version=jupyter_uml.__version__,
        python=platform.python_version(),
        bits=8 * struct.calcsize("P"),
        llama=_version(_LLAMA),
        tested=_tested(),
        extension=_extension(),
        labextension=_labextension() if find_spec("jupyterlab") else None,
        environment={name: os.environ[name] for name in _VARIABLES if name in os.environ},
        tools=frozenset(tool for tool in _TOOLS if shutil.which(tool)),
        profiles=str(default_profile_dir()),
        clock_behind=max(0.0, Path(str(jupyter_uml.__file__)).stat().st_mtime - time.time()),
    )


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _tested() -> str | None:
    """The version that our own package asks for; None where it was not installed as a package."""
    try:
        wanted = " ".join(requires(_NAME) or [])
    except PackageNotFoundError:
        return None
    found = re.search(rf"{_LLAMA}\s*==\s*([0-9][^\s;,]*)", wanted)
    return found[1] if found else None


def _extension() -> bool | None:
    """None: no file of Jupyter's configuration names it."""
    try:
        manager = ExtensionConfigManager(read_config_path=jupyter_config_path())
        known: dict[str, bool] = manager.get_jpserver_extensions()  # type: ignore[no-untyped-call]
    except (OSError, ValueError):  # a file that is no JSON
        return None
    return known.get(_NAME)


def _labextension() -> bool:
    """Whether one of the folders that JupyterLab looks into has it, with its program."""
    folders = [Path(path) / _LABEXTENSION for path in jupyter_path("labextensions")]
    return any((path / "package.json").is_file() and any(path.glob("static/remoteEntry*.js")) for path in folders)
