"""Python functions as tools: what a model is told about them, and its calls made into calls of them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import orjson
from pydantic import PydanticUserError, TypeAdapter, ValidationError, validate_call
from pydantic.errors import PydanticInvalidForJsonSchema

from jupyter_uml.client.checked import checked
from jupyter_uml.client.schemas import is_enforceable, schema_of
from jupyter_uml.errors import InvalidRequest
from jupyter_uml.protocol.tools import FunctionTool
from jupyter_uml.types import Message, Tool, ToolCall

Offer = Tool | Mapping[str, Any] | Callable[..., Any]

_ANY: TypeAdapter[Any] = TypeAdapter(Any)
_SECTION = re.compile(r"^\s*(?:(?:args|arguments|parameters|returns|raises|example|examples):?\s*$|:\w+)", re.I | re.M)
_ARGUMENT = re.compile(r"^[ \t]*(?::param[ \t]+)?(\w+)(?:[ \t]*\([^)\n]*\))?:[ \t]+(\S.*)$", re.M)


def to_tools(offers: Iterable[Offer]) -> tuple[Tool, ...]:
    """`Tool`s, tools as OpenAI's API lists them, or functions.

    Raises:
        InvalidRequest: one is none of these, or a function whose arguments no JSON schema describes.
    """
    return tuple(_tool(offer, f"tools.{number}") for number, offer in enumerate(offers))


def _tool(offer: Offer, where: str) -> Tool:
    match offer:
        case Tool():
            return offer
        case Mapping():
            return checked(FunctionTool, offer, where).function.to_native()
        case _ if callable(offer):
            return function_tool(offer)
    raise InvalidRequest("A tool is a function, a Tool, or a dict as in OpenAI's API.", param=where)


def function_tool(function: Callable[..., Any]) -> Tool:
    """The tool that `function` is by its name, its type hints and its docstring.

    The docstring's first part describes it, lines such as `city: Where to look` its arguments. It is strict: a model
    can write no others than the type hints allow, unless these say what not every engine can enforce, such as a
    pattern or a set.

    Raises:
        InvalidRequest: no JSON schema describes its arguments.
    """
    name = name_of(function)
    try:
        schema = schema_of(_plain(function))
    except (PydanticUserError, PydanticInvalidForJsonSchema, NameError) as error:
        raise InvalidRequest(f"{name}: {str(error).splitlines()[0]}", param="tools") from error
    if schema.get("type") != "object":
        raise InvalidRequest(f"{name}: a tool's arguments are passed by name.", param="tools")
    text = inspect.getdoc(_plain(function)) or ""
    for argument, meaning in _ARGUMENT.findall(text):
        if argument in schema["properties"]:
            schema["properties"][argument].setdefault("description", meaning)
    description = " ".join(_SECTION.split(text)[0].split())
    return Tool(name, description, orjson.dumps(schema).decode(), strict=is_enforceable(schema))


def name_of(function: Callable[..., Any]) -> str:
    """Under which a model knows it."""
    plain = function.func if isinstance(function, partial) else function
    return str(getattr(plain, "__name__", type(plain).__name__))


def _plain(function: Any) -> Callable[..., Any]:
    """Of an object that can be called, its method."""
    is_function = hasattr(function, "__name__") or isinstance(function, partial)
    plain: Callable[..., Any] = function if is_function else function.__call__
    return plain


def call_tools(calls: Iterable[ToolCall], functions: Iterable[Callable[..., Any]]) -> tuple[Message, ...]:
    """Calls the functions that the model asked for, in order; the results as messages, to be sent back to it.

    Arguments are checked by the type hints. What is wrong with a call is its result, so that the model can mend it;
    what a function raises is raised. A result that is no JSON is told as Python prints it.

    Raises:
        InvalidRequest: a function that was asked for is asynchronous: nobody would await it.
    """
    known = {name_of(function): function for function in functions}
    return tuple(Message("tool", _result(call, known), call.name, tool_call_id=call.id) for call in calls)


def _result(call: ToolCall, functions: Mapping[str, Callable[..., Any]]) -> str:
    function = functions.get(call.name)
    if function is None:
        return _error(f"There is no tool {call.name!r}, but {', '.join(functions)}.")
    try:
        arguments = orjson.loads(call.arguments or "{}")
    except orjson.JSONDecodeError:
        return _error("The arguments are not valid JSON.")
    if not isinstance(arguments, dict):
        return _error("The arguments are not a JSON object.")
    try:
        result = validate_call(_plain(function))(**arguments)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        return _error(f"{'.'.join(map(str, first['loc']))}: {first['msg']}")
    if inspect.iscoroutine(result):
        result.close()
        raise InvalidRequest(f"{call.name} is asynchronous: only plain functions can be called here.", param="tools")
    return result if isinstance(result, str) else _as_json(result)


def _as_json(result: Any) -> str:
    try:
        return _ANY.dump_json(result, fallback=str).decode()
    except ValueError:  # bytes that are no text, an object that holds itself
        return str(result)


def _error(text: str) -> str:
    return _ANY.dump_json({"error": text}).decode()
