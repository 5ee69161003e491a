"""The layers of the package and who may import what: the tables are documentation, the tests hold the code to them.

Every import statement counts: those at the top of a file, those inside functions, and those for type checkers only.
"""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "jupyter_uml"

# A file imports from the layers above its own line, and from its own package. The parts of one line do not know each
# other. Left out of the order: `jupyter_uml/__init__.py`, which names the public things of all layers, `__main__.py`,
# which starts the server, and `demo`.
LAYERS = (
    ("cell_traceback",),
    ("errors", "subcommands", "defaults"),
    ("types",),
    ("access", "generations"),
    ("engine", "ipc", "limits"),
    ("worker",),
    ("loader",),
    ("service",),
    ("live",),
    ("protocol", "display"),
    ("server", "client"),
    ("kernel", "commands"),
)

# Parts that may use less than their layer would let them.
ONLY = {
    "kernel": {"client", "display", "types", "errors"},
    "display": {"types"},
    "commands": {"client", "service", "loader", "types", "defaults", "errors"},
}

# The demo model's path is for the loader and all above it; how it was trained is for nobody.
DEMO_READERS = {"loader", "service", "server", "client", "kernel"}

# Which files may import a third-party package; a name that ends in / is a folder.
THIRD_PARTY = {
    "llama_cpp": (
        "engine/model.py",
        "engine/context.py",
        "engine/sampler.py",
        "engine/chain.py",
        "engine/penalties.py",
        "engine/vocabulary.py",
        "engine/draft_model.py",
        "engine/side_context.py",
        "engine/lora.py",
        "engine/rank_prompt.py",
        "engine/spelling.py",
        "engine/llama_log.py",
        "engine/projector.py",
        "engine/devices.py",
        "engine/pulse.py",
        "engine/build.py",
        "demo/",
    ),
    "llguidance": ("engine/grammar.py", "engine/vocabulary.py"),
    "numpy": ("engine/", "demo/", "client/side_results.py"),
    "websockets": ("client/socket.py",),
    "jinja2": ("engine/sandbox.py", "demo/"),
    "msgspec": ("ipc.py", "engine/state_file.py", "loader/"),
    "psutil": ("loader/", "server/", "commands/"),
    "jupyter_core": ("defaults.py", "loader/", "server/", "client/", "commands/"),
    "tornado": ("server/",),
    "jupyter_server": ("server/", "commands/"),
    "pydantic": ("server/", "protocol/", "client/tools.py", "client/schemas.py"),
    "prometheus_client": ("server/metrics.py",),
    "orjson": ("server/", "client/", "protocol/"),
    "httpx2": ("client/", "loader/hub/"),
    "huggingface_hub": ("loader/hub/",),
    "openai": ("client/",),
    "traitlets": ("server/", "kernel/", "commands/", "__main__.py"),
    "IPython": ("kernel/", "__init__.py", "cell_traceback.py"),
    "ipywidgets": ("kernel/",),
    "anywidget": ("kernel/",),
    "markdown_it": ("display/",),
    "nh3": ("display/",),
    "pygments": ("display/highlight.py",),
    "torch": ("demo/",),
    "tokenizers": ("demo/",),
    "gguf": ("demo/",),
}

# What a file must do without, though it is in the standard library.
FORBIDDEN = {
    "engine/": {"asyncio", "concurrent", "http", "multiprocessing", "socket", "subprocess", "urllib"},
    "engine/scheduler.py": {"datetime", "random", "threading", "time"},  # pure: the same input, the same batch
    "types/": {"asyncio", "os", "pathlib", "subprocess"},
    "errors.py": {"asyncio", "http", "os", "pathlib", "subprocess"},
    "kernel/": {"http", "multiprocessing", "socket", "subprocess", "urllib"},  # the client talks, not the kernel
}


class Import(NamedTuple):
    """One imported module, or `module.name` for `from module import name`, and where the statement stands."""

    file: str  # inside jupyter_uml/
    line: int
    target: str

    def __str__(self) -> str:
        return f"jupyter_uml/{self.file}:{self.line} imports {self.target}"

    @property
    def importer(self) -> str:
        return part_of(Path(self.file).with_suffix("").as_posix().split("/"))

    @property
    def package(self) -> str:
        return self.target.split(".")[0]

    @property
    def imported(self) -> str:
        """The part of jupyter_uml that is imported; empty for jupyter_uml itself."""
        return part_of(self.target.split(".")[1:])


def part_of(names: list[str]) -> str:
    return names[0] if names and names[0] in ALL_PARTS else ""


ALL_PARTS = {part for layer in LAYERS for part in layer} | {"demo"}
LEVEL = {part: level for level, layer in enumerate(LAYERS) for part in layer}


def imports_of(path: Path) -> Iterator[Import]:
    file = path.relative_to(PACKAGE).as_posix()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), path.name)):
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            targets = [f"{absolute_name(path, node)}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (Import(file, node.lineno, target) for target in targets)


def absolute_name(path: Path, node: ast.ImportFrom) -> str:
    """The module that a `from … import` names, dots at its start resolved."""
    if not node.level:
        return node.module or ""
    home = path.relative_to(ROOT).parent.parts
    return ".".join([*home[: len(home) - node.level + 1], *([node.module] if node.module else [])])


def is_allowed(file: str, places: tuple[str, ...]) -> bool:
    return any(file == place or (place.endswith("/") and file.startswith(place)) for place in places)


FILES = sorted(PACKAGE.rglob("*.py"))
IMPORTS = [found for path in FILES for found in imports_of(path)]
OURS = [found for found in IMPORTS if found.package == "jupyter_uml"]
THEIRS = [found for found in IMPORTS if found.package not in {"jupyter_uml", *sys.stdlib_module_names}]


def report(wrong: list[Import], rule: str) -> str:
    return "\n".join([f"{rule}:", *(f"  {found}" for found in wrong)])


def test_every_file_has_a_layer() -> None:
    known = {f"{part}.py" for part in ALL_PARTS} | ALL_PARTS | {"__init__.py", "__main__.py", "labextension", "etc"}
    homeless = {path.relative_to(PACKAGE).parts[0] for path in FILES} - known
    assert not homeless, f"Add to LAYERS in {Path(__file__).name}: {sorted(homeless)}"


@pytest.mark.parametrize("part", LEVEL)
def test_imports_come_from_lower_layers(part: str) -> None:
    lower = ONLY.get(part, {other for other, level in LEVEL.items() if level < LEVEL[part]})
    wrong = [
        found
        for found in OURS
        if found.importer == part and found.imported in LEVEL and found.imported not in lower | {part}
    ]
    assert not wrong, report(wrong, f"{part} may import only {sorted(lower)}")


def test_nothing_below_imports_the_package_itself_but_its_version() -> None:
    wrong = [
        found
        for found in OURS
        if found.importer and not found.imported and found.target not in {"jupyter_uml", "jupyter_uml.__version__"}
    ]
    assert not wrong, report(wrong, "jupyter_uml/__init__.py names what stands above")


def test_the_demo_stands_beside_the_layers() -> None:
    outward = [found for found in OURS if found.importer == "demo" and found.imported != "demo"]
    assert not outward, report(outward, "demo imports nothing else of jupyter_uml")
    inward = [
        found
        for found in OURS
        if found.imported == "demo"
        and found.importer != "demo"
        and not (found.importer in DEMO_READERS and found.target == "jupyter_uml.demo.demo_model_path")
    ]
    assert not inward, report(inward, f"only demo_model_path, and only for {sorted(DEMO_READERS)}")


@pytest.mark.parametrize("package", sorted({found.package for found in THEIRS} | set(THIRD_PARTY)))
def test_third_party_packages_stay_where_they_belong(package: str) -> None:
    places = THIRD_PARTY.get(package, ())
    wrong = [found for found in THEIRS if found.package == package and not is_allowed(found.file, places)]
    assert not wrong, report(wrong, f"{package} may be imported only in {', '.join(places) or 'no file yet'}")


@pytest.mark.parametrize("place", FORBIDDEN)
def test_what_a_part_does_without(place: str) -> None:
    # urllib.parse only takes texts apart.
    here = [found for found in IMPORTS if is_allowed(found.file, (place,)) and "urllib.parse." not in found.target]
    wrong = [found for found in here if found.package in FORBIDDEN[place]]
    assert not wrong, report(wrong, f"{place} does without {', '.join(sorted(FORBIDDEN[place]))}")


def test_every_imported_package_is_a_declared_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    declared = {normal_name(spec) for spec in project["dependencies"] + extras["openai"]}
    trained = declared | {normal_name(spec) for spec in extras["train"]}
    wrong = [
        found for found in THEIRS if found.package.lower() not in (trained if found.importer == "demo" else declared)
    ]
    assert not wrong, report(wrong, "pyproject.toml does not declare these packages")


def normal_name(spec: str) -> str:
    """`llama-cpp-python==0.3.36` → `llama_cpp`: the name under which a requirement is imported."""
    name = re.split(r"[^A-Za-z0-9._-]", spec)[0].lower().replace("-", "_")
    return {"llama_cpp_python": "llama_cpp", "markdown_it_py": "markdown_it"}.get(name, name)


def test_only_one_file_of_the_sidebar_fetches() -> None:
    # A method of that name is declared, not called: JupyterLab asks it for suggestions.
    pattern = re.compile(r"(?<![\w.])(?<!async )fetch\(|makeRequest|XMLHttpRequest|EventSource|new WebSocket")
    sources = [
        path for path in (ROOT / "labextension" / "src").rglob("*.ts*") if pattern.search(path.read_text("utf-8"))
    ]
    assert [path.name for path in sources] == ["request.ts"]
