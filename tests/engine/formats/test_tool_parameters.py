"""What the schemas of tools say about single values."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from jupyter_uml.engine.formats.tool_parameters import TYPES, as_json, find_parameter, item, parameters
from jupyter_uml.types import Tool


def of(schema: Any, **root: Any) -> frozenset[str]:
    """The types of a parameter with this schema."""
    tool = Tool("f", parameters=json.dumps({"properties": {"x": schema}, **root}))
    return find_parameter(tool, "x").types


@pytest.mark.parametrize(
    ("schema", "types"),
    [
        ({"type": "string"}, {"string"}),
        ({"type": "number"}, {"integer", "number"}),
        ({"type": ["string", "null"]}, {"string", "null"}),
        ({"enum": ["a", "b"]}, {"string"}),
        ({"enum": [1, "b", None]}, {"integer", "string", "null"}),
        ({"const": True}, {"boolean"}),
        ({"anyOf": [{"type": "string"}, {"type": "array"}]}, {"string", "array"}),
        ({"allOf": [{"type": ["string", "null"]}, {"type": "string"}]}, {"string"}),
        ({"$ref": "#/$defs/Name"}, {"string"}),
        ({"$ref": "#/$defs/Loop"}, TYPES),
        ({"$ref": "#/$defs/missing"}, TYPES),
        ({}, TYPES),
        (True, TYPES),
    ],
)
def test_types(schema: Any, types: set[str]) -> None:
    assert of(schema, **{"$defs": {"Name": {"type": "string"}, "Loop": {"$ref": "#/$defs/Loop"}}}) == types


def test_the_parts_of_a_schema_are_put_together() -> None:
    schema = {
        "properties": {"a": {"type": "string"}},
        "required": ["a", "b"],
        "allOf": [{"properties": {"b": {"type": "integer"}}}],
        "anyOf": [{"properties": {"c": {"type": "null"}}, "required": ["c"]}],
    }
    found = parameters(Tool("f", parameters=json.dumps(schema)))
    assert {name: (each.required, set(each.types)) for name, each in found.items()} == {
        "a": (True, {"string"}),
        "b": (True, {"integer"}),
        "c": (False, {"null"}),
    }


def test_what_an_array_holds() -> None:
    assert item({"type": "array", "items": {"type": "string"}}).is_text
    assert item({"type": "array"}).types == TYPES


@pytest.mark.parametrize(
    ("text", "types", "meant"),
    [
        (" 3 ", {"integer"}, 3),
        ("3", {"string", "integer"}, 3),
        ("3.5", {"string", "integer"}, "3.5"),
        ('"a"', {"string", "null"}, '"a"'),
        ("null", {"string", "null"}, None),
        ("None", {"null"}, None),
        ("True", {"boolean"}, True),
        ("True", {"string", "integer"}, "True"),
        ("['it', \"is\", None]", {"array"}, ["it", "is", None]),
        ("{'a': {'b': (1, 2)}}", {"object"}, {"a": {"b": [1, 2]}}),
        ("{1, 2}", {"object"}, "{1, 2}"),
        ("[open('x')]", {"array"}, "[open('x')]"),
        ("-Infinity", {"number"}, "-Infinity"),
        ("[" * 100_000, {"array"}, "[" * 100_000),
        ("[" * 5_000, {"array"}, "[" * 5_000),
        ("9" * 10_000, {"integer"}, "9" * 10_000),
    ],
)
def test_text_becomes_json(text: str, types: set[str], meant: Any) -> None:
    assert json.loads(as_json(text, frozenset(types)), parse_constant=pytest.fail) == meant


@pytest.mark.parametrize("word", ["allOf", "anyOf", "oneOf"])
def test_a_schema_that_refers_to_itself_ever_so_often_takes_no_time(word: str) -> None:
    many = {word: [{"$ref": "#/$defs/X"}] * 100}
    schema = {"$ref": "#/$defs/X", "properties": {"a": many}, "$defs": {"X": many}}
    started = time.monotonic()
    assert find_parameter(Tool("f", parameters=json.dumps(schema)), "a").types == TYPES
    assert time.monotonic() - started < 2
