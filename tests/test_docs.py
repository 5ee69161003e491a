"""What README and the pages in notebooks/ say is so: links lead somewhere, and routes, settings, commands, methods and
code are those that there are."""

from __future__ import annotations

import ast
import configparser
import json
import os
import re
import shlex
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tornado.web import RequestHandler
from traitlets.config import Config
from traitlets.utils.importstring import import_item

import jupyter_uml
from jupyter_uml import errors
from jupyter_uml.client import AsyncUniversalClient, UniversalClient
from jupyter_uml.kernel.cell_options import parse_cell
from jupyter_uml.kernel.command_line import parse_line
from jupyter_uml.kernel.settings import Settings
from jupyter_uml.kernel.verbs import VERBS
from jupyter_uml.protocol.statuses import STATUS
from jupyter_uml.server.base import OPEN
from jupyter_uml.server.endpoint import EndpointHandler
from jupyter_uml.server.extension import UMLApp
from jupyter_uml.server.routes import ROUTES
from jupyter_uml.subcommands import SUBCOMMANDS
from jupyter_uml.types import LoadSettings, ModelProfile
from tests.conftest import Server
from tests.test_layers import LAYERS

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "notebooks"
README, API, ADMINISTRATION = ROOT / "README.md", FOLDER / "api.md", FOLDER / "administration.md"
NOTEBOOK, ARCHITECTURE = FOLDER / "notebook.md", FOLDER / "architecture.md"
COMMANDS = ROOT / "labextension" / "src" / "commands"
PAGES = [README, ROOT / "CHANGELOG.md", *sorted(FOLDER.glob("*.md"))]
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")

_LINK = re.compile(r"(!?)\[[^\]]*\]\(([^)\s]+)\)")
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`([^`\n]+)`")
_ROUTE = re.compile(r"((?:GET|POST|PUT|DELETE)(?:`, `(?:GET|POST|PUT|DELETE))*) ([\w{][\w/{}.-]*)")

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


class Snippet(NamedTuple):
    page: str
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}-{self.language}-{self.text.split(maxsplit=1)[0]}"


def read(page: Path) -> str:
    return page.read_text("utf-8")


def snippets(*languages: str) -> list[Snippet]:
    found = (Snippet(page.stem, *fence) for page in PAGES for fence in _FENCE.findall(read(page)))
    return [snippet for snippet in found if snippet.language in languages]


def prose(page: Path) -> str:
    """Without the code between fences."""
    return _FENCE.sub("", read(page))


def rows(page: Path, heading: str = "") -> Iterator[list[str]]:
    """Of the tables below a heading, or of all, by their cells."""
    text = read(page).partition(f"\n## {heading}\n")[2].partition("\n## ")[0] if heading else read(page)
    for line in text.splitlines():
        if line.startswith("| ") and not line.startswith("| ---"):
            yield [cell.strip() for cell in line.strip("|").split(" | ")]


def names(text: str) -> set[str]:
    return {code for code in _CODE.findall(text) if code.isidentifier()}


# --- links and pictures ---


def anchor(heading: str) -> str:
    """As GitHub makes them."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")


@each_page
def test_links_lead_to_something_that_is_there(page: Path) -> None:
    for _, target in _LINK.findall(prose(page)):
        if target.startswith("https://"):
            continue
        path, _, part = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.is_file(), target
        if part:
            assert part in map(anchor, re.findall(r"^#+ (.+)$", read(file), re.MULTILINE)), target


def test_every_picture_is_shown_and_says_what_it_shows() -> None:
    shown = {
        (page.parent / target).resolve() for page in PAGES for picture, target in _LINK.findall(prose(page)) if picture
    }
    assert shown == set((FOLDER / "images").iterdir())
    assert not [page.stem for page in PAGES if "![](" in read(page)]


def test_pictures_of_the_product_are_taken_by_the_browser_tests() -> None:
    taken = re.search(r"^PICTURES = (.*)$", MAKEFILE, re.MULTILINE)
    assert taken is not None
    drawn = {"bench"}  # by `make bench`
    assert {path.stem for path in (FOLDER / "images").glob("*.png")} == {*taken[1].split(), *drawn}


def test_the_readme_is_short() -> None:
    beside = re.sub(r"## Dependencies\n.*?(?=\n## )", "", read(README), flags=re.DOTALL)
    assert len(beside.splitlines()) <= 150


# --- the server ---


def test_every_setting_of_the_server_is_documented() -> None:
    own = {name for name in UMLApp.class_traits(config=True) if name in vars(UMLApp)}
    assert {name for setting, *_ in rows(ADMINISTRATION, "Settings") for name in names(setting)} == own


@each_page
def test_settings_that_are_named_exist(page: Path) -> None:
    for name in re.findall(r"UMLApp\.(\w+)", read(page)):
        assert UMLApp.class_traits().get(name) is not None, name


def route(path: str) -> str:
    return re.sub(r"\{\w*\}", "{}", path)


def documented_routes() -> dict[tuple[str, str], str]:
    """The scope, by method and path."""
    return {
        (method, route(path)): scope.strip("`")
        for cell, scope, *_ in rows(API, "Routes")
        for methods, path in _ROUTE.findall(cell)
        for method in methods.split("`, `")
    }


def methods_of(handler: type[RequestHandler]) -> set[str]:
    if issubclass(handler, EndpointHandler):
        return {"POST"}
    return {
        name.upper()
        for name in ("get", "post", "put", "delete")
        if getattr(handler, name) is not getattr(RequestHandler, name)
    }


def test_every_route_is_documented_with_its_methods_and_its_scope() -> None:
    there = {
        (method, re.sub(r"\((?!\?).*?\)", "{}", re.sub(r"\(\?!.*?\)", "", path))): (
            "none" if getattr(handler, "scope", None) == OPEN else getattr(handler, "scope", None)
        )
        for path, handler, _ in ROUTES
        for method in methods_of(handler)
    }
    assert documented_routes() == there


@each_page
def test_routes_that_are_named_exist(page: Path) -> None:
    there = {path for _, path in documented_routes()}
    for _, path in _ROUTE.findall(prose(page)):
        assert route(path.partition("?")[0]) in there, path


def test_errors_have_the_statuses_that_are_documented() -> None:
    for statuses, _, kinds in list(rows(API, "Errors"))[1:]:
        for name in names(kinds):
            kind = getattr(errors, name)
            assert str(next(STATUS[each] for each in kind.__mro__ if each in STATUS)) in statuses, name


def test_every_method_of_the_client_is_documented() -> None:
    there = {
        name
        for name, value in vars_of(AsyncUniversalClient).items()
        if not name.startswith("_") and callable(value) and name not in ("aclose", "transport", "server")
    }
    told = {name for cell, *_ in rows(API, "Python clients") for name in names(cell)}
    assert there - told <= {"default_model"}
    assert told <= {*there, "methods"}


def vars_of(kind: type) -> dict[str, Any]:
    return {name: getattr(kind, name) for name in dir(kind)}


# --- commands ---


def shown_lines(start: str) -> list[str]:
    """Lines of examples that begin so, and what stands in prose as code, without comments."""
    fenced = [line for snippet in snippets("console", "") for line in snippet.text.replace("\\\n", "").splitlines()]
    inline = [code for page in PAGES for code in _CODE.findall(prose(page))]
    return [line.partition("  #")[0].strip() for line in (*fenced, *inline) if line.startswith(start)]


@pytest.mark.parametrize("line", sorted(set(shown_lines("jupyter uml"))))
def test_commands_and_their_options_exist(line: str) -> None:
    words = shlex.split(line.replace("…", "x"))[2:]
    app: Any = UMLApp
    while words and isinstance(app.subcommands, dict) and words[0] in app.subcommands:
        target = app.subcommands[words.pop(0)][0]
        app = import_item(target) if isinstance(target, str) else target
    assert app is not UMLApp or not words or words[0].startswith("-"), line
    for option in (word[2:].partition("=")[0] for word in words if word.startswith("--")):
        known = {*app.aliases, *app.flags, "help-all", "help"}
        assert option in known or option.partition(".")[0] in ("UMLApp", "ServerApp"), option


def test_every_command_is_documented() -> None:
    text = read(ADMINISTRATION)
    assert [name for name in SUBCOMMANDS if f"jupyter uml {name}" in text] == list(SUBCOMMANDS)
    assert [verb.name for verb in VERBS if f"%uml {verb.name}" in read(NOTEBOOK)] == [verb.name for verb in VERBS]


@pytest.mark.parametrize("line", sorted(set(shown_lines("%uml"))))
def test_commands_of_cells_are_understood(line: str) -> None:
    words = shlex.split(re.sub(r"\[.*?\]", "", line))[1:]
    if len(words) == 1:  # in prose a name alone does
        assert words[0] in {verb.name for verb in VERBS}
    else:
        parse_line(words)


@pytest.mark.parametrize("line", sorted(set(shown_lines("%%uml"))))
def test_questions_of_cells_are_understood(line: str) -> None:
    parse_cell(shlex.split(line)[1:])


def test_every_setting_of_cells_is_documented() -> None:
    own = {name for name in Settings.class_traits(config=True) if name in vars(Settings)}
    assert own <= names(read(NOTEBOOK).partition("\n## Settings\n")[2].partition("\n## ")[0])


def test_every_command_and_setting_of_the_sidebar_is_documented() -> None:
    told = {" ".join(words.split()) for words in re.findall(r"\*([^*]+)\*", prose(NOTEBOOK))}
    schemas = [json.loads(read(path)) for path in (ROOT / "labextension" / "schema").glob("*.json")]
    settings = {setting["title"] for schema in schemas for setting in schema["properties"].values()}
    sources = "".join(map(read, COMMANDS.glob("*.ts")))
    commands = set(re.findall(r"\bid: 'uml:[\w-]+',\s+label: '(.+?)',", sources))
    assert {schema["title"] for schema in schemas} | settings <= told
    assert commands
    assert commands <= told


def test_targets_of_make_exist() -> None:
    for target in {code.split()[1] for page in PAGES for code in _CODE.findall(read(page)) if code.startswith("make ")}:
        assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE), target


# --- code and configuration ---


@pytest.mark.parametrize("snippet", snippets("python"), ids=str)
def test_python_compiles_and_imports_what_is_there(snippet: Snippet) -> None:
    tree = ast.parse(snippet.text)
    compile(tree, snippet.page, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("jupyter_uml"):
            module = __import__(str(node.module), fromlist=["x"])
            assert all(hasattr(module, alias.name) for alias in node.names), node.module
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "uml":
            assert hasattr(jupyter_uml, node.attr), node.attr


# Not: what is not installed here, widgets, which nobody closes, and what goes on for ever.
RUNNABLE = [
    each
    for each in snippets("python")
    if each.page in ("api", "notebook") and not re.search("langchain|Panel|async", each.text)
]


@pytest.mark.parametrize("snippet", RUNNABLE, ids=str)
def test_python_of_the_pages_runs(
    snippet: Snippet, standalone_server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    root, token = standalone_server.root, standalone_server.token
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JUPYTER_UML_URL", root)
    monkeypatch.setenv("JUPYTER_UML_KEY", token)
    text = snippet.text.replace("http://127.0.0.1:8888/uml/", root).replace("uml_…", token)
    with UniversalClient(root, token) as client:
        monkeypatch.setattr("jupyter_uml.kernel.map.shared_client", lambda: client)
        exec(compile(text, snippet.page, "exec", dont_inherit=True), {"__name__": "__main__"})


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
@pytest.mark.parametrize("snippet", [each for each in snippets("console") if each.page == "api"], ids=str)
def test_curl_of_the_pages_is_answered(snippet: Snippet, standalone_server: Server) -> None:
    text = snippet.text.replace("http://127.0.0.1:8000/", standalone_server.root).replace(
        "curl", "curl -sS --max-time 20"
    )
    done = subprocess.run(
        ["sh", "-ec", text],
        env={**os.environ, "KEY": standalone_server.token},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout
    assert '"error":{' not in done.stdout


def test_the_servers_configuration_is_accepted() -> None:
    config = Config()
    text = next(each.text for each in snippets("python") if each.text.startswith("c.UMLApp."))
    exec(compile(text, "jupyter_server_config.py", "exec"), {"c": config})
    app = UMLApp(config=config)
    assert app.keep_alive == 600
    assert app.key_limits == config.UMLApp.key_limits


def test_data_of_examples_is_well_formed() -> None:
    for snippet in snippets("json"):
        assert all(json.loads(line) for line in snippet.text.splitlines())
    for snippet in snippets("ini"):
        configparser.ConfigParser(strict=False).read_string(snippet.text)
    (profile,) = snippets("toml")
    fields = {*ModelProfile.__dataclass_fields__, *LoadSettings.__dataclass_fields__}
    assert tomllib.loads(profile.text).keys() <= fields


def test_the_layers_are_those_of_the_code() -> None:
    told = next(each.text for each in snippets("") if each.page == "architecture")
    assert tuple(tuple(line.split()) for line in told.splitlines()) == LAYERS


def test_every_dependency_has_a_reason() -> None:
    project = tomllib.loads(read(ROOT / "pyproject.toml"))["project"]
    needed = [
        *project["dependencies"],
        *(name for extra in project["optional-dependencies"].values() for name in extra),
    ]
    table = "\n".join(" ".join(row) for row in rows(README, "Dependencies"))
    bare = {re.split(r"[\[<>=~! ]", name)[0] for name in needed} - {"jupyter_uml"}
    assert not [name for name in bare if not re.search(rf"(?<![\w-]){name}(?![\w-])", table)]
