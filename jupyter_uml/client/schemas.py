"""JSON schemas of Python types, as models like to read them and answers can satisfy them."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue


def schema_of(python_type: Any) -> JsonSchemaValue:
    """Of a type, a pydantic model, or the arguments of a function.

    Raises:
        PydanticUserError, PydanticInvalidForJsonSchema, NameError: none describes it.
    """
    return TypeAdapter(python_type).json_schema(schema_generator=_PlainSchema)


class _PlainSchema(GenerateJsonSchema):
    """Without titles that repeat the names, in the order in which people write it, and without room for further fields:
    a model would fill it."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def sort(self, value: JsonSchemaValue, parent_key: str | None = None) -> JsonSchemaValue:
        return value

    def model_schema(self, schema: Any) -> JsonSchemaValue:
        return {"additionalProperties": False, **super().model_schema(schema)}
