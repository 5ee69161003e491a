"""`import jupyter_uml` costs next to nothing, and what the package promises by name is there."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import jupyter_uml

ROOT = Path(__file__).parents[1]
LIMIT_SECONDS = 0.1
HEAVY = {
    "IPython",
    "anywidget",
    "asyncio",
    "httpx",
    "httpx2",
    "ipywidgets",
    "jinja2",
    "jupyter_server",
    "llama_cpp",
    "numpy",
    "openai",
    "psutil",
    "pydantic",
    "tornado",
}
# What a Jupyter server does without until it listens: half a second of each of its starts.
LATE = {
    "huggingface_hub",
    "httpx2",
    "msgspec",
    "numpy",
    "pydantic",
    "jupyter_uml.loader",
    "jupyter_uml.protocol",
    "jupyter_uml.server.base",
    "jupyter_uml.service",
    "jupyter_uml.types",
}
START = """
import json, sys
from jupyter_server.serverapp import ServerApp
others = dict.fromkeys(("jupyterlab", "notebook_shim", "notebook", "jupyter_lsp", "jupyter_server_terminals"), False)
server = ServerApp(jpserver_extensions={"jupyter_uml": True} | others)
server.initialize(["--port=0", "--no-browser", "--allow-root", "--ServerApp.log_level=ERROR"])
assert "uml" in server.extension_manager.extension_points
print(json.dumps(list(sys.modules)))
"""
MEASURE = """
import json, sys, time
started = time.perf_counter()
import jupyter_uml
print(json.dumps({"seconds": time.perf_counter() - started, "modules": list(sys.modules)}))
"""


def import_in_a_fresh_interpreter() -> tuple[float, set[str]]:
    """Seconds of the import alone, and the modules loaded after it."""
    child = subprocess.run([sys.executable, "-c", MEASURE], capture_output=True, text=True, check=True, timeout=60)
    measured = json.loads(child.stdout)
    return measured["seconds"], set(measured["modules"])


def test_import_loads_nothing_heavy() -> None:
    _, modules = import_in_a_fresh_interpreter()
    assert not HEAVY & modules


def test_import_is_fast() -> None:
    assert min(import_in_a_fresh_interpreter()[0] for _ in range(5)) < LIMIT_SECONDS


def test_a_jupyter_server_starts_without_what_answers_requests() -> None:
    child = subprocess.run([sys.executable, "-c", START], check=False, capture_output=True, text=True, timeout=60)
    assert child.returncode == 0, child.stderr
    modules = set(json.loads(child.stdout))
    assert "jupyter_uml.server.extension" in modules
    assert not LATE & modules


@pytest.mark.parametrize("name", jupyter_uml.__all__)
def test_public_names_resolve(name: str) -> None:
    assert getattr(jupyter_uml, name) is not None


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = jupyter_uml.no_such_name


def test_the_sidebar_has_the_package_version() -> None:
    sidebar = json.loads((ROOT / "labextension" / "package.json").read_text(encoding="utf-8"))
    assert sidebar["version"] == jupyter_uml.__version__


def test_jupyter_finds_the_extension() -> None:
    config = json.loads((ROOT / "jupyter_uml" / "etc" / "jupyter_uml.json").read_text(encoding="utf-8"))
    assert config == {"ServerApp": {"jpserver_extensions": {"jupyter_uml": True}}}
    (point,) = jupyter_uml._jupyter_server_extension_points()
    assert point["module"] == "jupyter_uml"
    script = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]["jupyter-uml"]
    assert script == "jupyter_uml.__main__:main"
