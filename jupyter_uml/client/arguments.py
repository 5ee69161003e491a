"""What callers pass, made into native types; every mistake is an InvalidRequest that names the argument."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import fields
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, TypeVar, cast, get_args

from jupyter_uml.errors import InvalidRequest
from jupyter_uml.types import GenerateRequest, Grammar, Hold, LoadSettings, Message, SamplingParams, ToolChoice
from jupyter_uml.types.duration import keep_alive_seconds

if TYPE_CHECKING:
    from jupyter_uml.client.tools import Offer

Conversation = str | Sequence[Message | Mapping[str, Any]]
Choice = str | Callable[..., Any] | Mapping[str, Any]
Schema = Mapping[str, Any] | type[Any]
KeepAlive = float | str  # seconds, -1: for ever, or a text such as "10m"

T = TypeVar("T")

_HANDLING = {
    "priority",
    "truncate",
    "context_shift",
    "deterministic",
    "parallel_tool_calls",
    "reasoning_effort",
    "reasoning_budget",
    "label",
}
_ARGUMENTS = _HANDLING | {"keep_alive", "template_options", "system", "tools", "tool_choice", "schema", "timeout"}


def to_request(
    request_id: str,
    model: str,
    options: Mapping[str, Any],
    *,
    schema: Schema | None = None,
    **content: Any,
) -> GenerateRequest:
    """`options`: fields of `SamplingParams` and those of `GenerateRequest` that say how it is treated, and
    `keep_alive`; None: not given. `content`: the request's other fields."""
    given = {name: value for name, value in options.items() if value is not None}
    handling = {name: given.pop(name) for name in _HANDLING & given.keys()}
    template = given.pop("template_options", {})
    hold = to_hold(given.pop("keep_alive", None))
    if schema is not None:
        given["grammar"] = to_grammar(schema)
    return GenerateRequest(
        request_id,
        model,
        params=to_params(given),
        template_options=tuple(template.items()),
        hold=hold,
        given=frozenset(given),
        **handling,
        **content,
    )


def to_messages(conversation: Conversation, system: str | None = None) -> tuple[Message, ...]:
    """A string is one question; a list holds `Message`s, or dicts as in OpenAI's API."""
    if isinstance(conversation, str):
        messages: tuple[Message, ...] = (Message("user", conversation),)
    else:
        messages = _messages(conversation)
    if not messages or not any(message.content.strip() for message in messages):
        raise InvalidRequest("There is nothing to answer: the messages are empty.", param="messages")
    if system is None:
        return messages
    if messages[0].role == "system":
        raise InvalidRequest("`system` is given, and the messages begin with a system message.", param="system")
    return (Message("system", system), *messages)


def _messages(conversation: Sequence[Message | Mapping[str, Any]]) -> tuple[Message, ...]:
    """Dicts are checked as the server checks them, and messages of tools named as it names them."""
    from jupyter_uml.client.checked import checked
    from jupyter_uml.protocol.images import ImageReader
    from jupyter_uml.protocol.openai.messages import ChatMessage, named

    images, messages = ImageReader(), []
    for place, item in enumerate(conversation):
        where = f"messages.{place}"
        if isinstance(item, Message):
            messages.append(item)
        elif isinstance(item, Mapping):
            messages.append(checked(ChatMessage, item, where).to_native(images, where))
        else:
            raise InvalidRequest("A message is a Message or a dict with `role` and `content`.", param=where)
    return named(messages)


def to_params(sampling: Mapping[str, Any]) -> SamplingParams:
    given = {k: v for k, v in sampling.items() if v is not None}
    if isinstance(given.get("stop"), str):
        given["stop"] = (given["stop"],)
    for name in {"stop", "dry_sequence_breakers"} & given.keys():
        given[name] = tuple(given[name])
    if isinstance(given.get("logit_bias"), Mapping):
        given["logit_bias"] = tuple((int(token), bias) for token, bias in given["logit_bias"].items())
    return _build(SamplingParams, given, "sampling parameter", _ARGUMENTS)


def to_grammar(schema: Schema) -> Grammar:
    """A JSON schema, or a type such as a pydantic model, as what an answer must look like."""
    if isinstance(schema, Mapping):
        return Grammar("json_schema", json.dumps(schema))
    from jupyter_uml.client.schemas import TypedJSON

    return Grammar("json_schema", json.dumps(TypedJSON(schema).schema))


def to_tool_fields(tools: Sequence[Offer], choice: Choice) -> dict[str, Any]:
    """The request's fields about tools. `choice`: "auto", "none", "required", or the one that must be called: its name,
    the function, or a dict as in OpenAI's API."""
    if not tools and choice == "auto":
        return {}
    from jupyter_uml.client.tools import to_tools
    from jupyter_uml.protocol.tools import checked_tools, choose

    native = checked_tools(to_tools(tools))
    if choice in get_args(ToolChoice):
        return choose(native, cast(ToolChoice, choice)).fields()
    return choose(native, "required", _tool_name(choice)).fields()


def _tool_name(choice: Choice) -> str:
    match choice:
        case str():
            return choice
        case {"type": "function", "function": {"name": str(name)}}:
            return name
        case _ if callable(choice):
            from jupyter_uml.client.tools import name_of

            return name_of(choice)
    raise InvalidRequest("`tool_choice` is a mode, a tool's name, or a function.", param="tool_choice")


def to_settings(settings: Mapping[str, Any]) -> LoadSettings:
    return _build(LoadSettings, settings, "setting", ("keep_alive", "pin", "wait"))


def to_hold(keep_alive: KeepAlive | None) -> Hold:
    """How long a model stays loaded. The kernel is left out: the transport knows it."""
    try:
        return Hold(None if keep_alive is None else keep_alive_seconds(keep_alive))
    except ValueError as error:
        raise InvalidRequest(f"keep_alive {error}, not {keep_alive!r}.", param="keep_alive") from error


def _build(cls: type[T], given: Mapping[str, Any], noun: str, more: Collection[str] = ()) -> T:
    """`more`: names that may have been meant, too."""
    known = [f.name for f in fields(cls)]  # type: ignore[arg-type]  # every cls here is a dataclass
    for name in given:
        if name not in known:
            near = get_close_matches(name, [*known, *more], 1)
            there = f"Did you mean {near[0]}?" if near else f"There are {', '.join(known)}."
            raise InvalidRequest(f"{name!r} is no {noun}. {there}", param=name)
    return cls(**given)
