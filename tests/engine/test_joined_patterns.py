"""How many patterns one text has to match by a JSON schema."""

from __future__ import annotations

from typing import Any

import pytest

from jupyter_uml.engine.joined_patterns import most_joined

A, B, C = ({"type": "string", "pattern": letter} for letter in "abc")


@pytest.mark.parametrize(
    ("schema", "joined"),
    [
        (True, 0),
        ({"type": "object", "properties": {"pattern": {"type": "string"}}}, 0),
        (A, 1),
        ({**A, "format": "email"}, 2),
        ({"type": "object", "properties": {"a": A, "b": B, "c": C}}, 1),
        ({"anyOf": [A, B, C]}, 1),
        ({"allOf": [A, B, C]}, 3),
        ({**A, "allOf": [B, {"anyOf": [C, {"allOf": [B, C]}]}]}, 4),
        ({"items": {"allOf": [A, {"$ref": "#/$defs/two"}]}, "$defs": {"two": {"allOf": [B, C]}}}, 3),
        ({"$ref": "#/$defs/a~1b%25", "pattern": "x", "$defs": {"a/b%": A}}, 2),
        ({"allOf": [A, {"$ref": "#/allOf/0"}]}, 2),
        ({"$ref": "#", "pattern": "x"}, 1),
        ({"$ref": "#/nowhere/0", "allOf": 5, "anyOf": [7]}, 0),
        ({"$ref": "#here", "pattern": "x", "$defs": {"a": {"$anchor": "here", **A}}}, 3),  # 2, and the other one
        ({"$ref": "https://example.com/a#/$defs/a", "$defs": {"a": A, "b": B}}, 2),
    ],
)
def test_patterns_that_are_joined_are_counted(schema: Any, joined: int) -> None:
    assert most_joined(schema) == joined


def test_a_schema_that_doubles_itself_is_counted_at_once() -> None:
    steps = {f"a{n}": {"allOf": [{"$ref": f"#/$defs/a{n + 1}"}] * 2} for n in range(60)}
    assert most_joined({"$ref": "#/$defs/a0", "$defs": {**steps, "a60": A}}) == 2**60
