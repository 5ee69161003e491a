"""A key of ours opens nothing of Jupyter itself: tried on every route that a running server has."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import product
from typing import Any

import httpx2
import pytest

from jupyter_uml.access import ALL_SCOPES
from tests.conftest import Server, launch, wait_until
from tests.server.keys import new_key

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
SLOW = "/lab/api/licenses"  # open to everybody; it reads the licences of all that is installed
DUMP = """
import json, pathlib
from tornado.ioloop import IOLoop

def _jupyter_server_extension_points():
    return [{"module": "dump_routes"}]

def _load_jupyter_server_extension(app):
    def dump():
        found = [(rule.matcher.regex.pattern, rule.target.__module__)
                 for group in app.web_app.default_router.rules for rule in group.target.rules]
        pathlib.Path("routes.part").write_text(json.dumps(found))
        pathlib.Path("routes.part").rename("routes.json")
    IOLoop.current().call_later(0.5, dump)
"""


class Routes:
    """A server, and the patterns of all its routes with the modules that answer them."""

    def __init__(self, server: Server, rules: list[tuple[str, str]]) -> None:
        self.server, self.rules = server, rules


@pytest.fixture(scope="module")
def routes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Routes]:
    folder = tmp_path_factory.mktemp("routes")
    work = folder / "work"
    work.mkdir()
    (work / "dump_routes.py").write_text(DUMP)
    server = launch(folder, args=("--ServerApp.jpserver_extensions=dump_routes=True",), cold=True)
    try:
        listed = work / "routes.json"
        wait_until(listed.exists)
        yield Routes(server, [tuple(rule) for rule in json.loads(listed.read_text())])
    finally:
        server.stop()


def test_a_key_opens_nothing_of_jupyter(routes: Routes) -> None:
    """It is refused, or answered as somebody without any credential is."""
    key = new_key(routes.server, *ALL_SCOPES)
    jupyters = {pattern for pattern, module in routes.rules if not module.startswith("jupyter_uml.")}
    paths = sorted(path for path in filter(None, map(_path, jupyters)) if not path.startswith(SLOW))
    assert {"/api/contents/a", "/api/kernels", "/api/terminals"} <= set(paths)
    refused, wrong = 0, []
    with httpx2.Client(base_url=routes.server.root.rstrip("/")) as client:
        for path, method in product(paths, METHODS):
            answer = _ask(client, method, path, key.headers)
            refused += answer[0] in (401, 403)
            if answer[0] not in (401, 403) and answer != _ask(client, method, path, {}):
                wrong.append(f"{method} {path}: {answer}")
            elif answer[0] == 200 and path.startswith("/api/") and path != "/api/":
                wrong.append(f"{method} {path} is open")
    assert not wrong, "\n".join(wrong)
    assert refused > 150


def _ask(client: httpx2.Client, method: str, path: str, headers: dict[str, str]) -> tuple[int, str]:
    """The status, and where the answer leads to."""
    client.cookies.clear()
    answer = client.request(method, path, headers=headers, content=None if method == "GET" else b"{}")
    assert client.cookies.keys() <= {"_xsrf"}  # nobody has been signed in
    return answer.status_code, answer.headers.get("Location", "")


def _path(pattern: str) -> str | None:
    """A path that this route answers."""
    path = _example(re._parser.parse(pattern))  # type: ignore[attr-defined]
    return path if re.match(pattern, path) else None


def _example(parts: Any) -> str:
    return "".join(_of(str(kind), value) for kind, value in parts)


def _of(kind: str, value: Any) -> str:
    match kind:
        case "LITERAL":
            return chr(value)
        case "ANY" | "NOT_LITERAL":
            return "a"
        case "IN":
            first, what = value[0]
            return "a" if str(first) in ("CATEGORY", "NEGATE") else chr(what if str(first) == "LITERAL" else what[0])
        case "MAX_REPEAT" | "MIN_REPEAT":
            return _example(value[2]) * max(1, value[0])
        case "SUBPATTERN":
            return _example(value[3])
        case "BRANCH":
            return _example(value[1][0])
    return ""
