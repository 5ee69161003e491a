"""What an answer must look like: told to the engine, read from the text, and named as columns."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from inspect import isroutine
from typing import Any, Literal, get_args, get_origin

from jupyter_uml.errors import InvalidRequest
from jupyter_uml.kernel.mapping.columns import Kind, kind_of
from jupyter_uml.types import Grammar


@dataclass(frozen=True, slots=True)
class Form:
    """`grammar`: None where any text will do. `kind`: of a value. `fields`: the kinds of its columns by name; None: it
    is one value. `read` makes the value of a text, or raises ValueError; `plain` is the value without types of its own,
    a dict with `fields`."""

    grammar: Grammar | None
    kind: Kind
    read: Callable[[str], Any]
    plain: Callable[[Any], Any] = lambda value: value
    fields: dict[str, Kind] | None = None


def form_of(schema: Any) -> Form:
    """`schema`: None or `str` for text, a JSON schema as a dict, a pydantic model or any type that pydantic knows.

    Raises:
        InvalidRequest: it is none of these, or no JSON schema describes the type.
    """
    if isinstance(schema, str | int | float | list | tuple) or isroutine(schema):
        raise InvalidRequest(
            "`schema` is a pydantic model, a type, a Literal, or a JSON schema as a dict.", param="schema"
        )
    if schema is None or schema is str:
        return Form(None, "string", str.strip)
    if isinstance(schema, Mapping):
        return _json_form(schema, json.loads)
    from jupyter_uml.client.schemas import TypedJSON

    typed = TypedJSON(schema)
    labels = _labels(schema)
    return _choice(labels, typed.read) if labels else _json_form(typed.schema, typed.read, typed.plain)


def _choice(labels: list[str], read: Callable[[str], Any]) -> Form:
    """One of some words, which the model writes as they are: it says `good` rather than `"good"`, in fewer tokens."""
    grammar = Grammar("regex", "|".join(map(re.escape, labels)))
    return Form(grammar, tuple(labels), lambda text: read(json.dumps(text)))


def _json_form(
    schema: Mapping[str, Any], read: Callable[[str], Any], plain: Callable[[Any], Any] = lambda value: value
) -> Form:
    properties = schema.get("properties")
    fields = None
    if isinstance(properties, Mapping) and properties:
        fields = {str(name): kind_of(each, schema) for name, each in properties.items()}
    return Form(Grammar("json_schema", json.dumps(schema)), kind_of(schema), read, plain, fields)


def _labels(schema: Any) -> list[str]:
    """Of a `Literal` of texts or an enumeration of them; none where it is something else."""
    if get_origin(schema) is Literal:
        labels = list(get_args(schema))
    elif isinstance(schema, type) and issubclass(schema, Enum):
        labels = [member.value for member in schema]
    else:
        return []
    good = all(isinstance(label, str) and label and label == label.strip() for label in labels)
    return labels if good else []
