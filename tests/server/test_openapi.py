"""`openapi.json` as the server gives it: nothing that it answers is missing, nothing in it is not answered."""

from __future__ import annotations

import re

from jupyter_uml.server.extension import ROUTES
from jupyter_uml.server.openapi import OPERATIONS
from tests.conftest import Server

METHODS = ("get", "post", "put", "patch", "delete")


def test_every_route_is_described_and_every_description_is_a_route() -> None:
    described = {(operation.method, operation.path) for operation in OPERATIONS}
    answered = set()
    for pattern, handler, _ in ROUTES:
        own = [name for name in METHODS if any(name in vars(cls) for cls in handler.__mro__[:-2] if _is_ours(cls))]
        matching = {path for _, path in described if re.fullmatch(pattern, re.sub(r"{\w+}", "x1", path))}
        assert matching, f"{pattern} is not described"
        answered |= {(method, path) for method in own for path in matching}
    assert described <= answered
    assert {path for _, path in answered} == {path for _, path in described}


def _is_ours(cls: type) -> bool:
    return cls.__module__.startswith("jupyter_uml.")


def test_it_is_served(server: Server) -> None:
    document = server.get("openapi.json").json()
    assert document["openapi"] == "3.1.0"
    assert "/v1/chat/completions" in document["paths"]
    assert server.get("openapi.json", headers={"Authorization": "Bearer uml_wrong"}).status_code == 401
