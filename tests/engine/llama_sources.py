"""llama.cpp's chat templates and vocabularies, out of the source distribution of llama-cpp-python.

They are read where the environment variable UML_LLAMA_SOURCES says (an unpacked source distribution), else downloaded
once into a cache folder.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
from functools import cache
from importlib.metadata import version
from pathlib import Path

import pytest

_MODELS = Path("vendor/llama.cpp/models")


@cache
def models_folder() -> Path:
    """The folder that holds `templates/*.jinja` and `ggml-vocab-*.gguf`.

    Skips the test where there is none, and fails it where CI is set: there the files can be had.
    """
    if given := os.environ.get("UML_LLAMA_SOURCES"):
        return Path(given) / _MODELS
    kept = Path.home() / ".cache" / "jupyter_uml" / "sources" / version("llama-cpp-python")
    if not (kept / "templates").is_dir():
        try:
            _download(kept)
        except (subprocess.SubprocessError, OSError) as error:
            if os.environ.get("CI"):
                raise
            pytest.skip(f"the sources of llama-cpp-python cannot be had: {error}", allow_module_level=True)
    return kept


def template(name: str) -> str:
    """The source of a template, by its file's name without the ending."""
    return (models_folder() / "templates" / f"{name}.jinja").read_text(encoding="utf-8")


def template_names() -> list[str]:
    return sorted(path.stem for path in (models_folder() / "templates").glob("*.jinja"))


def vocabulary_path(name: str) -> Path:
    """A model file without weights: `qwen2`, `llama-bpe`, …"""
    return models_folder() / f"ggml-vocab-{name}.gguf"


def _download(kept: Path) -> None:
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept.parent) as folder:
        package = f"llama-cpp-python=={kept.name}"
        pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet"]
        subprocess.run(
            [*pip, "--no-binary", "llama-cpp-python", "--dest", folder, package],
            check=True,
            timeout=300,
            capture_output=True,
        )
        archive = next(Path(folder).glob("*.tar.gz"))
        unpacked = Path(folder) / "models"
        _extract(archive, unpacked)
        unpacked.rename(kept)


def _extract(archive: Path, target: Path) -> None:
    with tarfile.open(archive) as sources:
        for member in sources:
            _, found, inside = member.name.partition(f"{_MODELS.as_posix()}/")
            if found and member.isfile() and inside.endswith((".jinja", ".gguf")):
                member.name = inside
                sources.extract(member, target, filter="data")
