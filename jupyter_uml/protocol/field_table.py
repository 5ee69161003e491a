"""Which fields of a request do what, as a table in Markdown: read from the models that bodies are checked by."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import orjson
from pydantic import BaseModel

from jupyter_uml.errors import InvalidRequest
from jupyter_uml.protocol.body import parse

# They ask nothing of a model. Nor does a field that can have one value only: it says what is so anyway.
LABELS = frozenset("user metadata safety_identifier prompt_cache_key max_tool_calls cache_control speed".split())
_FAR = 1 << 20
_ONE_VALUE = re.compile(r"(up to 1 × )?`[^`]*`")


def table(body: type[BaseModel], minimal: dict[str, Any], known: Iterable[str]) -> str:
    """Of the fields that `known` names and those beside them that only we have. `minimal`: a body that is accepted."""
    properties = body.model_json_schema()["properties"]
    names = list(known)
    rows = [_row(body, minimal, name, properties.get(name), "") for name in names]
    rows += [_row(body, minimal, name, properties[name], " (ours)") for name in properties if name not in names]
    return "\n".join(["| field | | values, or the error |", "| --- | --- | --- |", *rows]) + "\n"


def _row(body: type[BaseModel], minimal: dict[str, Any], name: str, schema: dict[str, Any] | None, source: str) -> str:
    if schema is None or schema.get("type") == "null":
        return f"| `{name}`{source} | refused | {_refusal(body, minimal, name)} |"
    words = values(schema)
    verdict = "accepted" if name in LABELS or _ONE_VALUE.fullmatch(words) else "honoured"
    return f"| `{name}`{source} | {verdict} | {words} |"


def _refusal(body: type[BaseModel], minimal: dict[str, Any], name: str) -> str:
    """What a request with this field is answered."""
    try:
        parse(body, orjson.dumps({**minimal, name: "x"}))
    except InvalidRequest as error:
        return f"400 `{error.code}`: {error.message}"
    raise ValueError(f"{name} is passed over in silence")


def values(schema: dict[str, Any]) -> str:
    """A JSON schema in a few words."""
    match schema:
        case {"discriminator": {"mapping": mapping}}:
            return f"object of type {', '.join(map(_code, mapping))}"
        case {"anyOf": branches} | {"oneOf": branches}:
            words = [values(branch) for branch in branches if branch.get("type") != "null"]
            return " or ".join(dict.fromkeys(words))
        case {"const": value}:
            return _code(value)
        case {"enum": choices}:
            return ", ".join(map(_code, choices))
        case {"type": "array", "maxItems": 0}:
            return "`[]`"
        case {"type": "array", "items": items, "maxItems": most}:
            return f"up to {most} × {values(items)}"
        case {"type": "array", "items": items}:
            return f"list of {values(items)}"
        case {"type": "string", "maxLength": most}:
            return f"string of up to {most} characters"
        case {"type": "integer" | "number" as kind}:
            return f"{kind}{_range(schema)}"
    return str(schema.get("type", "object"))


def _range(schema: dict[str, Any]) -> str:
    """The bounds, without those that only keep numbers in the machine's range."""
    least, above = schema.get("minimum"), schema.get("exclusiveMinimum")
    most = schema.get("maximum", schema.get("exclusiveMaximum", _FAR))
    from_ = f" above {above}" if above is not None else f" from {least}" if (least or 0) > -_FAR else ""
    return f"{from_} to {most}" if most < _FAR else from_


def _code(value: Any) -> str:
    return f"`{orjson.dumps(value).decode()}`"
