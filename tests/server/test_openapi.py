"""`openapi.json` as the server gives it: nothing that it answers is missing, nothing in it is not answered."""

from __future__ import annotations

import re

import jsonschema
import pytest

from jupyter_uml.protocol.examples import EXAMPLES
from jupyter_uml.protocol.openapi import document
from jupyter_uml.server.openapi import OPERATIONS
from jupyter_uml.server.routes import ROUTES
from tests.conftest import Server

DOCUMENT = document(OPERATIONS)

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


@pytest.mark.parametrize("path", EXAMPLES)
def test_examples_are_what_their_schemas_say(path: str) -> None:
    operations = DOCUMENT["paths"][f"/{path}"]
    content = operations.get("post", operations.get("put"))["requestBody"]["content"]["application/json"]
    schema = {**content["schema"], "components": DOCUMENT["components"]}
    for name, example in content["examples"].items():
        jsonschema.validate(example["value"], schema)
        assert name


def test_what_may_stand_in_an_address_is_described() -> None:
    parameters = {row["name"]: row for row in DOCUMENT["paths"]["/usage"]["get"]["parameters"]}
    assert set(parameters) == {"by", "key", "model", "since", "until"}
    assert parameters["by"]["schema"]["items"]["enum"] == ["key", "model", "day"]
    assert (parameters["by"]["style"], parameters["by"]["explode"]) == ("form", False)
    assert parameters["since"]["schema"]["format"] == "date"
    rows = DOCUMENT["paths"]["/usage/records"]["get"]["parameters"]
    [limit] = [row["schema"] for row in rows if row["name"] == "limit"]
    assert (limit["minimum"], limit["maximum"]) == (1, 1000)
    assert {row["in"] for row in parameters.values()} == {"query"}
