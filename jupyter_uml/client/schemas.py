"""JSON schemas of Python types, as models like to read them and answers can satisfy them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import PydanticUserError, TypeAdapter
from pydantic.errors import PydanticInvalidForJsonSchema
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue

from jupyter_uml.errors import InvalidRequest

# Left out: what is not implemented everywhere, and what may make a grammar too large, as some patterns do.
_ENFORCED = {
    *("type", "enum", "const", "anyOf", "$ref", "$defs", "format"),
    *("properties", "required", "additionalProperties", "items", "prefixItems"),
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
    *(_LENGTHS := ("minItems", "maxItems", "minLength", "maxLength")),
}
_LONGEST = 256
_REMARKS = {"title", "description", "default", "examples"}
_FORMATS = {"date-time", "date", "time", "duration", "email", "hostname", "ipv4", "ipv6", "uuid", "uri"}


def schema_of(python_type: Any) -> JsonSchemaValue:
    """Of a type, a pydantic model, or the arguments of a function.

    Raises:
        PydanticUserError, PydanticInvalidForJsonSchema, NameError: none describes it.
    """
    return TypeAdapter(python_type).json_schema(schema_generator=_PlainSchema)


def is_enforceable(schema: Any, definitions: Mapping[str, Any] | None = None, within: tuple[str, ...] = ()) -> bool:
    """Whether every engine can hold a model to all that this schema says. In doubt it cannot: it would refuse the
    request. `definitions`: the schema's own; `within`: those that it is part of, which may not refer to themselves."""
    if not isinstance(schema, Mapping):
        return isinstance(schema, bool)
    definitions = schema.get("$defs", {}) if definitions is None else definitions
    if schema.keys() - _ENFORCED - _REMARKS or schema.get("format", "date") not in _FORMATS:
        return False
    if any(schema.get(name, 0) > _LONGEST for name in _LENGTHS):
        return False
    parts = [*schema.get("properties", {}).values(), *schema.get("anyOf", ()), *schema.get("prefixItems", ())]
    parts += [schema[name] for name in ("items", "additionalProperties") if name in schema]
    if "$ref" in schema:
        name = schema["$ref"].removeprefix("#/$defs/")
        if name in within or not is_enforceable(definitions.get(name), definitions, (*within, name)):
            return False
    return all(is_enforceable(part, definitions, within) for part in parts)


class TypedJSON:
    """JSON text as values of a Python type.

    Raises:
        InvalidRequest: no JSON schema describes the type.
    """

    def __init__(self, python_type: Any, schema: JsonSchemaValue | None = None) -> None:
        """`schema`: where it is not the type's own."""
        if isinstance(python_type, str):
            raise InvalidRequest(
                "`schema` is a JSON schema as a dict, a pydantic model or another type.", param="schema"
            )
        try:
            self.schema = schema_of(python_type) if schema is None else schema
            self._adapter = TypeAdapter(python_type)
        except (PydanticUserError, PydanticInvalidForJsonSchema, NameError) as error:
            raise InvalidRequest(f"schema: {str(error).splitlines()[0]}", param="schema") from error

    def read(self, text: str) -> Any:
        """Raises ValueError where the text is no such value."""
        return self._adapter.validate_json(text)

    def plain(self, value: Any) -> Any:
        """The value as dicts, lists and what is in them, named as in the schema."""
        return self._adapter.dump_python(value, by_alias=True)


class _PlainSchema(GenerateJsonSchema):
    """Without titles that repeat the names, in the order in which people write it, and without room for further fields:
    a model would fill it."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def sort(self, value: JsonSchemaValue, parent_key: str | None = None) -> JsonSchemaValue:
        return value

    def model_schema(self, schema: Any) -> JsonSchemaValue:
        return {"additionalProperties": False, **super().model_schema(schema)}
