"""The list of endpoints: all that there are, and none lets a field pass in silence."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

import pytest

from jupyter_uml import protocol
from jupyter_uml.protocol.endpoint import Endpoint
from jupyter_uml.protocol.endpoints import ENDPOINTS


def test_every_endpoint_is_in_the_list() -> None:
    for module in pkgutil.walk_packages(protocol.__path__, f"{protocol.__name__}."):
        importlib.import_module(module.name)
    found: set[type[Endpoint[Any]]] = set()
    todo: list[type[Endpoint[Any]]] = [Endpoint]
    while todo:
        subclasses = todo.pop().__subclasses__()
        todo += subclasses
        found |= {cls for cls in subclasses if "path" in vars(cls)}
    assert found == {type(endpoint) for endpoint in ENDPOINTS}


def test_each_has_a_path_of_its_own_and_says_what_it_does() -> None:
    paths = [endpoint.path for endpoint in ENDPOINTS]
    assert len(set(paths)) == len(paths)
    assert all(endpoint.summary for endpoint in ENDPOINTS)


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.path)
def test_no_object_of_a_body_has_room_for_unknown_fields(endpoint: Endpoint[Any]) -> None:
    schema = endpoint.body.model_json_schema()
    for name, part in {endpoint.path: schema, **schema.get("$defs", {})}.items():
        if part.get("type") == "object":
            assert part.get("additionalProperties") is False, f"{name} passes over what it does not know"
