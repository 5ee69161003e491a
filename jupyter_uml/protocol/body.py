"""Request bodies: JSON bytes in, a checked pydantic model out, or an error that names the field."""

from __future__ import annotations

import re
from typing import Annotated, TypeVar

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from jupyter_uml.errors import InvalidRequest

MAX_ECHO = 120  # characters of a request that an error text repeats
_UNION_BRANCH = re.compile(r"^(str|int|float|constrained-str|(list|tuple|function-\w+|literal)\[.*)$")

ModelId = Annotated[str, Field(min_length=1, max_length=256)]  # looked up among the catalog's, never a path
Body = TypeVar("Body", bound=BaseModel)


class StrictBody(BaseModel):
    """No field is passed over, none is of another type than it says."""

    model_config = ConfigDict(extra="forbid", strict=True, protected_namespaces=())


def parse(model: type[Body], content: bytes) -> Body:
    """The body as `model`.

    Raises:
        InvalidRequest: not JSON, or a field is wrong; `param` names it.
    """
    try:
        return model.model_validate(orjson.loads(content))
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(f"The body is not valid JSON: {str(error).split(':')[0]}.") from error
    except ValidationError as error:
        raise _named(error) from error


def _named(error: ValidationError) -> InvalidRequest:
    """The first fault of a body, in words, with the field's name."""
    faults = error.errors(include_url=False, include_input=False, include_context=False)
    # Of a union's branches the one that got furthest is the one that was meant.
    fault = max(faults, key=lambda fault: len(fault["loc"]))
    path = ".".join(str(part) for part in fault["loc"] if not _UNION_BRANCH.match(str(part)))
    path = path[:MAX_ECHO]
    if fault["type"] == "extra_forbidden":
        return InvalidRequest(f"{path}: this field is not supported. Leave it out.", param=path)
    if fault["type"] == "literal_error":
        return InvalidRequest(f"{path}: this value is not supported. Leave the field out.", param=path)
    text = fault["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
    return InvalidRequest(f"{path}: {text}" if path else text, param=path or None)
