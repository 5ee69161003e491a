"""The OpenAPI document: whole, sound, and about the very bodies that are accepted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest

from jupyter_uml.protocol.endpoints import ENDPOINTS
from jupyter_uml.protocol.openapi import Operation, document

DOCUMENT = document([*map(Operation.of, ENDPOINTS), Operation("get", "models/{model}", "One.")])
SCHEMAS = DOCUMENT["components"]["schemas"]


def references(value: Any) -> Iterator[str]:
    match value:
        case dict():
            if isinstance(value.get("$ref"), str):
                yield value["$ref"]
            for inner in value.values():
                yield from references(inner)
        case list():
            for inner in value:
                yield from references(inner)


def test_every_endpoint_is_there_with_its_body() -> None:
    for endpoint in ENDPOINTS:
        operation = DOCUMENT["paths"][f"/{endpoint.path}"]["post"]
        assert operation["summary"] == endpoint.summary
        name = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        assert set(SCHEMAS[name]["properties"]) == set(endpoint.body.model_json_schema()["properties"])


def test_every_reference_leads_somewhere() -> None:
    assert {reference.rpartition("/")[2] for reference in references(DOCUMENT)} <= set(SCHEMAS)
    assert all(reference.startswith("#/components/schemas/") for reference in references(DOCUMENT))


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_schema_is_one(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMAS[name])


def test_variables_of_a_path_are_parameters() -> None:
    (parameter,) = DOCUMENT["paths"]["/models/{model}"]["get"]["parameters"]
    assert (parameter["name"], parameter["in"], parameter["required"]) == ("model", "path", True)


def test_operations_have_names_of_their_own() -> None:
    names = [operation["operationId"] for path in DOCUMENT["paths"].values() for operation in path.values()]
    assert len(names) == len(set(names))


def test_the_schema_says_what_the_parser_says() -> None:
    body = SCHEMAS["ChatCompletionBody"]
    validator = jsonschema.Draft202012Validator({**body, "components": {"schemas": SCHEMAS}})
    good = {"model": "demo", "messages": [{"role": "user", "content": "hi"}], "temperature": 0.5}
    assert validator.is_valid(good)
    assert not validator.is_valid(good | {"temperature": 99})
    assert not validator.is_valid(good | {"cost": 1})
    assert not validator.is_valid({"model": "demo"})
