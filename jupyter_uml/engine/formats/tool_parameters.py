"""What a tool's JSON schema says about each of its parameters, for formats that write them one by one as text."""

from __future__ import annotations

import ast
import json
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any

from jupyter_uml.types import Tool

TYPES = frozenset({"string", "integer", "number", "boolean", "null", "object", "array"})
_DEPTH = 8  # references and alternatives that are followed within each other
_MOST_PARTS = 256  # schemas of one object: those that refer to each other are as many as one likes
_LONGEST_LITERAL = 1 << 16  # characters of a value as Python prints it; parsing takes 100 times as many bytes
_WORDS = {"True": "true", "False": "false", "None": "null"}  # as Python prints them, and so do some templates


@dataclass(frozen=True)
class Parameter:
    """`schema` can stand alone. `types`: JSON types that a value may have."""

    name: str
    schema: Any
    types: frozenset[str]
    required: bool

    @property
    def is_text(self) -> bool:
        return self.types == {"string"}


@lru_cache(maxsize=64)
def parameters(tool: Tool) -> Mapping[str, Parameter]:
    """The parameters of a tool by name, in the order of its schema."""
    return members(json.loads(tool.parameters))


def members(root: Any) -> Mapping[str, Parameter]:
    """What an object of this schema may have, by name."""
    parts = list(islice(_parts(root, root, _DEPTH), _MOST_PARTS))
    required = {name for part in parts for name in _list(part.get("required"))}
    found: dict[str, Parameter] = {}
    for part in parts:
        for name, schema in _dict(part.get("properties")).items():
            found.setdefault(name, _parameter(name, schema, root, name in required))
    return found


def item(root: Any) -> Parameter:
    """What an array of this schema may have."""
    schema: Any = next(
        (part["items"] for part in islice(_parts(root, root, _DEPTH), _MOST_PARTS) if "items" in part), {}
    )
    return _parameter("item", schema, root, True)


def find_parameter(tool: Tool | None, name: str) -> Parameter:
    """The parameter of this name; one that may be anything where the tool does not declare it."""
    return (tool and parameters(tool).get(name)) or Parameter(name, {}, TYPES, False)


def as_json(text: str, types: frozenset[str]) -> str:
    """The JSON value that is meant by `text`, in which only what is no string is written as JSON."""
    stripped = text.strip()
    stripped = _WORDS.get(stripped, stripped)
    try:
        value = json.loads(stripped, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return _from_python(stripped, types) or json.dumps(text, ensure_ascii=False)
    if "string" in types and (isinstance(value, str) or not _has_type(value, types)):
        return json.dumps(text, ensure_ascii=False)
    return stripped


def _from_python(text: str, types: frozenset[str]) -> str:
    """A list or dictionary as Python prints it, as JSON; empty where it is none."""
    if not (text.startswith(("[", "{")) and types & {"array", "object"} and len(text) <= _LONGEST_LITERAL):
        return ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd escapes
            return json.dumps(ast.literal_eval(text), ensure_ascii=False, allow_nan=False)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return ""


def types_of(schema: Any, root: Any) -> frozenset[str]:
    """The JSON types that values of `schema` may have; all of them where it does not say."""
    return _types(schema, root, _DEPTH, {})


def _types(schema: Any, root: Any, depth: int, known: dict[tuple[int, int], frozenset[str]]) -> frozenset[str]:
    """`known`: what was found before, by schema and depth; else references to each other would multiply."""
    if not isinstance(schema, dict) or depth == 0:
        return TYPES
    key = (id(schema), depth)
    if key not in known:
        known[key] = _types_anew(schema, root, depth - 1, known)
    return known[key]


def _types_anew(
    schema: dict[str, Any], root: Any, depth: int, known: dict[tuple[int, int], frozenset[str]]
) -> frozenset[str]:
    types = TYPES
    if "type" in schema:
        types &= frozenset(_list(schema["type"])) or TYPES
    if "const" in schema or isinstance(schema.get("enum"), list):
        types &= frozenset(_type_name(value) for value in schema.get("enum", [schema.get("const")]))
    if "$ref" in schema:
        types &= _types(_resolved(schema["$ref"], root), root, depth, known)
    for word in ("anyOf", "oneOf"):
        if isinstance(schema.get(word), list):
            types &= frozenset().union(*(_types(part, root, depth, known) for part in schema[word]))
    for part in _list(schema.get("allOf")):
        types &= _types(part, root, depth, known)
    if "number" in types and "type" in schema:
        types |= {"integer"}
    return types


def _parts(schema: Any, root: Any, depth: int) -> Iterator[dict[str, Any]]:
    """The object schema and those that it is put together from."""
    if not isinstance(schema, dict) or depth == 0:
        return
    yield schema
    if "$ref" in schema:
        yield from _parts(_resolved(schema["$ref"], root), root, depth - 1)
    for part in _list(schema.get("allOf")):
        yield from _parts(part, root, depth - 1)
    for part in (*_list(schema.get("anyOf")), *_list(schema.get("oneOf"))):
        for inner in _parts(part, root, depth - 1):
            yield {**inner, "required": []}  # no alternative's parameters are always needed


def _parameter(name: str, schema: Any, root: Any, required: bool) -> Parameter:
    for _ in range(_DEPTH):
        if isinstance(schema, dict) and isinstance(found := _resolved(schema.get("$ref"), root), dict):
            schema = {**found, **{word: value for word, value in schema.items() if word != "$ref"}}
            schema |= {"$ref": found["$ref"]} if "$ref" in found else {}
    definitions = {word: root[word] for word in ("$defs", "definitions") if isinstance(root, dict) and word in root}
    alone = {**definitions, **schema} if isinstance(schema, dict) else schema
    return Parameter(name, alone, types_of(alone, root), required)


def _resolved(reference: Any, root: Any) -> Any:
    if not isinstance(reference, str) or not reference.startswith("#/"):
        return None
    for name in reference[2:].split("/"):
        root = root.get(name.replace("~1", "/").replace("~0", "~")) if isinstance(root, dict) else None
    return root


def _has_type(value: Any, types: frozenset[str]) -> bool:
    name = _type_name(value)
    return name in types or (name == "integer" and "number" in types)


def _type_name(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _refuse(constant: str) -> None:
    raise ValueError(constant)  # NaN and Infinity are no JSON
