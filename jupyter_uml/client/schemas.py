"""JSON schemas of Python types, as models like to read them and answers can satisfy them."""

from __future__ import annotations

from typing import Any

from pydantic import PydanticUserError, TypeAdapter
from pydantic.errors import PydanticInvalidForJsonSchema
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue

from jupyter_uml.errors import InvalidRequest


def schema_of(python_type: Any) -> JsonSchemaValue:
    """Of a type, a pydantic model, or the arguments of a function.

    Raises:
        PydanticUserError, PydanticInvalidForJsonSchema, NameError: none describes it.
    """
    return TypeAdapter(python_type).json_schema(schema_generator=_PlainSchema)


class TypedJSON:
    """JSON text as values of a Python type.

    Raises:
        InvalidRequest: no JSON schema describes the type.
    """

    def __init__(self, python_type: Any) -> None:
        try:
            self.schema = schema_of(python_type)
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
