"""Values as columns of a frame, with the type that the schema promises also where rows are missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

Labels = tuple[str, ...]
Kind = str | Labels | None  # "integer", "number", "boolean", "string", the labels of a choice; None: anything

_PANDAS = {"integer": "Int64", "number": "Float64", "boolean": "boolean", "string": "string"}
_POLARS = {"integer": "Int64", "number": "Float64", "boolean": "Boolean", "string": "String"}


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    kind: Kind
    values: Sequence[Any]  # None: missing


def kind_of(schema: Mapping[str, Any], root: Mapping[str, Any] | None = None) -> Kind:
    """Of what a JSON schema describes. `root`: the schema that its references look into."""
    root = schema if root is None else root
    if isinstance(reference := schema.get("$ref"), str):
        target = root.get("$defs", {}).get(reference.rpartition("/")[2])
        return kind_of(target, root) if target is not None and target is not schema else None
    if isinstance(choices := schema.get("anyOf"), list):
        kinds = {kind_of(choice, root) for choice in choices if choice.get("type") != "null"}
        return kinds.pop() if len(kinds) == 1 else None
    labels = schema.get("enum", [schema["const"]] if "const" in schema else [])
    if labels:
        return tuple(labels) if all(isinstance(label, str) for label in labels) else None
    kind = schema.get("type")
    if isinstance(kind, list) and len(kind) == 2 and "null" in kind:
        kind = next((each for each in kind if each != "null"), None)
    return kind if isinstance(kind, str) and kind in _PANDAS and not (kind == "string" and "format" in schema) else None


def pandas_column(pandas: Any, column: Column, rows: int) -> Any:
    values = _filled(column, rows)
    match _fitting_kind(column):
        case tuple(labels):
            return pandas.Categorical(values, categories=list(dict.fromkeys(labels)))
        case str(kind):
            return pandas.array(values, dtype=_PANDAS[kind])
    return pandas.Series(values, dtype=object).infer_objects().array


def polars_column(polars: Any, column: Column, rows: int) -> Any:
    match _fitting_kind(column):
        case tuple(labels):
            dtype = polars.Enum(list(dict.fromkeys(labels)))
        case str(kind):
            dtype = getattr(polars, _POLARS[kind])
        case _:
            dtype = polars.Object if column.kind == "integer" else None
    return polars.Series(column.name, _filled(column, rows), dtype=dtype, strict=False)


def _fitting_kind(column: Column) -> Kind:
    """JSON has integers of any length, columns have not."""
    wide = column.kind == "integer" and any(abs(value) >> 63 for value in column.values if value is not None)
    return None if wide else column.kind


def _filled(column: Column, rows: int) -> list[Any]:
    """As long as the frame; an interrupted run has fewer values."""
    values = [value.value if isinstance(value, Enum) else value for value in column.values]
    return values + [None] * (rows - len(values))
