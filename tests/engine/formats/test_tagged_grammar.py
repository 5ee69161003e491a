"""What grammars ask of single values, by the schemas of tools."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jupyter_uml.engine.formats.chat_format import ChatFormat
from jupyter_uml.engine.formats.gemma import GEMMA_4
from jupyter_uml.engine.formats.minimax import MINIMAX_M3
from jupyter_uml.engine.formats.qwen_coder import SEED
from jupyter_uml.errors import InvalidRequest
from jupyter_uml.types import Tool
from tests.engine.formats.answers import follows


def allowed(schema: Any, text: str, strict: bool = False) -> bool:
    """Whether `text` may be written for a parameter of this schema."""
    definitions = {"Word": {"type": "string", "maxLength": 2}}
    parameters = {"type": "object", "properties": {"x": schema}, "required": ["x"], "$defs": definitions}
    tool = Tool("f", parameters=json.dumps(parameters), strict=strict)
    source = SEED.calls([tool], "</seed:think>", json.dumps, many=False, free=False)
    answer = f"<seed:tool_call>\n<function=f>\n<parameter=x>{text}</parameter>\n</function>\n</seed:tool_call>"
    return follows(source, answer, ())


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ({"type": "string", "enum": ["a b", 'c"']}, ["a b", 'c"'], ["a", "", "d"]),
        ({"const": "a"}, ["a"], ["b"]),
        ({"type": "string", "minLength": 2, "maxLength": 3}, ["ab", "äöü", "a\nb"], ["a", "abcd"]),
        ({"type": "string", "pattern": "^[0-9]+/x$"}, ["12/x"], ["12/xy", "a12/x", "12"]),
        ({"type": "string", "pattern": "b+"}, ["abc"], ["ac"]),
        ({"type": "integer", "minimum": 3, "maximum": 12}, ["3", "12"], ["2", "13", "x", "3.5"]),
        ({"type": ["integer", "null"]}, ["3", "null"], ["x"]),
        ({"type": ["string", "null"]}, ["x", "null", ""], []),
        ({"enum": [1, "b", None]}, ["1", "b", "null"], ["2", "c"]),
        ({"type": "array", "items": {"type": "string"}}, ['["a", "b"]', '["a","b"]', "[]"], ["[1]", "['a']"]),
        ({"$ref": "#/$defs/Word"}, ["ab"], ["abc"]),
        ({}, ["anything", "", "3"], []),
    ],
)
def test_values(schema: Any, good: list[str], bad: list[str]) -> None:
    assert all(allowed(schema, text) for text in good)
    assert not any(allowed(schema, text) for text in bad)


def call(*names: str) -> str:
    given = "".join(f"<parameter={name}>{name}</parameter>\n" for name in names)
    return f"<seed:tool_call>\n<function=f>\n{given}</function>\n</seed:tool_call>"


@pytest.mark.parametrize("count", [3, 70])
def test_parameters_come_once_and_those_that_are_required_always(count: int) -> None:
    properties = {f"p{n}": {"type": "string"} for n in range(count)}
    tool = Tool("f", parameters=json.dumps({"properties": properties, "required": ["p1"]}))
    source = SEED.calls([tool], "</seed:think>", json.dumps, many=False, free=False)
    assert follows(source, call("p1"), ())
    assert follows(source, call("p0", "p1", "p2"), ())
    assert follows(source, call("p2", "p1", "p0"), ()) == (count == 3), "any order, unless there are very many"
    assert not follows(source, call("p0"), ())
    assert not follows(source, call("p1", "p1"), ())
    assert not follows(source, call("p1", "other"), ())


def test_a_strict_tool_is_taken_at_its_word() -> None:
    odd = {"type": "array", "uniqueItems": True}
    with pytest.raises(InvalidRequest):
        allowed(odd, "[]", strict=True)
    assert allowed(odd, "[]")


@pytest.mark.parametrize("format", [GEMMA_4, MINIMAX_M3])
def test_a_schema_that_refers_to_itself_cannot_grow_for_ever(format: ChatFormat) -> None:
    inner = {"type": "object", "properties": {name: {"$ref": "#/$defs/X"} for name in "abc"}}
    tool = Tool("f", parameters=json.dumps({**inner, "$defs": {"X": inner}}))
    with pytest.raises(InvalidRequest, match="too deep"):
        format.calls([tool], "", json.dumps, many=False, free=False)
