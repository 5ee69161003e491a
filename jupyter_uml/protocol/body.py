"""Request bodies: JSON bytes in, a checked pydantic model out, or an error that names the field."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, TypeVar

import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema

from jupyter_uml.errors import InvalidRequest
from jupyter_uml.types import duration

MAX_ECHO = 120  # characters of a request that an error text repeats
MAX_FAULTS = 1000  # of a body that are looked at
MAX_VALUES = 1 << 18  # objects, their fields, and lists of a body; what stands in a list of tokens or texts is cheap
MAX_COMMAS = 1 << 21  # of a body's bytes, which has hardly more values: also tokens and texts take memory and time
_NESTED = frozenset((dict, list))

ModelId = Annotated[str, Field(min_length=1, max_length=256)]  # looked up among the catalog's, never a path
_DURATION = {"type": "string", "pattern": duration.PATTERN, "maxLength": duration.MAX_TEXT}
KeepAlive = Annotated[
    float,
    BeforeValidator(duration.keep_alive_seconds),
    WithJsonSchema(
        {"anyOf": [{"type": "number", "minimum": 0, "maximum": duration.MAX_SECONDS}, {"const": -1}, _DURATION]}
    ),
]
Body = TypeVar("Body", bound=BaseModel)


class StrictBody(BaseModel):
    """No field is passed over, none is of another type than it says.

    A field that is refused whatever it says is declared as `None`: then null, which asks for nothing, is accepted.
    """

    model_config = ConfigDict(extra="forbid", strict=True, protected_namespaces=())


class ModelBody(StrictBody):
    """What is asked of a model. `keep_alive`: how long it stays loaded afterwards; 0: not at all, -1: for ever."""

    model: ModelId
    keep_alive: KeepAlive | None = None


def parse(model: type[Body], content: bytes) -> Body:
    """The body as `model`.

    Raises:
        InvalidRequest: not JSON, nested too deeply, of too many values, or a field is wrong; `param` names it.
    """
    if content.count(b",") > MAX_COMMAS:
        raise InvalidRequest(f"The body has more than {MAX_COMMAS} values, or commas in its texts.")
    try:
        sent = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(f"The body is not valid JSON: {str(error).split(':')[0]}.") from error
    if (field := _too_deep(sent)) is not None:
        raise InvalidRequest(f"{field or 'The body'} is nested too deeply.", param=field or None)
    if len(content) > 2 * MAX_VALUES:  # a shorter one cannot have so many
        _count(sent)
    return validated(model, sent)


def _too_deep(sent: Any) -> str | None:
    """The field of the body that is nested too deeply. None: there is none; empty: the body is no object."""
    if _is_shallow(sent):
        return None
    fields = sent.items() if isinstance(sent, dict) else ()
    return next((name for name, value in fields if not _is_shallow({name: value})), "")[:MAX_ECHO]


def _is_shallow(value: Any) -> bool:
    """orjson gives up at a depth of 254, where Python's own walks might not come to an end."""
    try:
        orjson.dumps(value)
        return True
    except orjson.JSONEncodeError:
        return False


def _count(sent: Any) -> None:
    """
    Raises:
        InvalidRequest: there are more than `MAX_VALUES`: to make models of them all would stop the server for seconds.
    """
    left, waiting = MAX_VALUES, [sent]
    while waiting:
        value = waiting.pop()
        children = value.values() if isinstance(value, dict) else value
        left -= 1 + (len(value) if isinstance(value, dict) else 0)
        if left < 0:
            raise InvalidRequest(f"The body has more than {MAX_VALUES} objects, fields and lists.")
        if isinstance(value, dict | list) and not _NESTED.isdisjoint(map(type, children)):
            waiting += [child for child in children if type(child) in _NESTED]


def validated(model: type[Body], sent: Any) -> Body:
    """As `parse`, of JSON that is decoded already."""
    try:
        return model.model_validate(sent)
    except ValidationError as error:
        raise _named(error, sent) from error


def _named(error: ValidationError, sent: Any) -> InvalidRequest:
    """The first fault of a body, in words, with the field's name."""
    if error.error_count() > MAX_FAULTS:  # millions would take minutes to look at
        return InvalidRequest(f"The body has more than {MAX_FAULTS} faults.")
    faults = error.errors(include_url=False, include_input=False)
    paths = [_path(fault["loc"], fault["type"], sent) for fault in faults]
    # Of a union's branches the one that got furthest is the one that was meant.
    furthest = max(range(len(faults)), key=lambda place: len(paths[place]))
    fault, path = faults[furthest], ".".join(paths[furthest])[:MAX_ECHO]
    text = fault["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
    match fault["type"]:
        case "extra_forbidden" | "none_required":
            text = "this field is not supported. Leave it out."
        case "literal_error":
            text = f"this value is not supported: it {text}."
        case "union_tag_invalid":  # pydantic repeats the whole tag, which may be megabytes of anything
            context = fault["ctx"]
            text = f"this {context['discriminator']} is not supported: it must be one of {context['expected_tags']}."
        case "model_type" | "model_attributes_type":  # pydantic names the class of the model
            text = "must be a JSON object."
        case "union_tag_not_found":
            text = f"{fault['ctx']['discriminator']} is missing."
    return InvalidRequest(f"{path}: {text}" if path else text, param=path or None)


def _path(place: Sequence[str | int], kind: str, sent: Any) -> list[str]:
    """Where a fault is in what was sent. pydantic's places name branches of unions, too: these are nowhere in it."""
    for length in range(len(place), 0, -1):  # the last part may be a branch, too
        if (way := _way(place[:length], kind, sent)) is not None:
            return way
    return []


def _way(place: Sequence[str | int], kind: str, value: Any) -> list[str] | None:
    """The way to the last part of `place`. A branch that is called like a field leads nowhere, and is left out."""
    part, rest = place[0], place[1:]
    if not rest:
        there = _is_in(part, value) or (isinstance(value, dict) and _is_left_out(part, kind))
        return [str(part)] if there else None
    if _is_in(part, value) and (way := _way(rest, kind, value[part])) is not None:
        return [str(part), *way]
    return _way(rest, kind, value)


def _is_in(part: str | int, value: Any) -> bool:
    if isinstance(value, list):
        return isinstance(part, int) and part < len(value)
    return isinstance(value, dict) and part in value


def _is_left_out(part: str | int, kind: str) -> bool:
    """Whether the last part of a place is a field that was not sent; branches of unions are called like types."""
    return kind == "missing" or (kind == "value_error" and str(part).isidentifier() and str(part).islower())
