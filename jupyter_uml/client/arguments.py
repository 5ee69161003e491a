"""What callers pass, made into native types; every mistake is an InvalidRequest that names the argument."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, TypeVar, cast, get_args

from jupyter_uml.errors import InvalidRequest
from jupyter_uml.types import LoadSettings, Message, Role, SamplingParams

Conversation = str | Sequence[Message | Mapping[str, Any]]

T = TypeVar("T")


def to_messages(conversation: Conversation, system: str | None = None) -> tuple[Message, ...]:
    """A string is one question; a list holds `Message`s or `{"role", "content"}`."""
    if isinstance(conversation, str):
        messages: tuple[Message, ...] = (Message("user", conversation),)
    else:
        messages = tuple(_message(item, f"messages[{i}]") for i, item in enumerate(conversation))
    if not messages or not any(message.content.strip() for message in messages):
        raise InvalidRequest("There is nothing to answer: the messages are empty.", param="messages")
    if system is None:
        return messages
    if messages[0].role == "system":
        raise InvalidRequest("`system` is given, and the messages begin with a system message.", param="system")
    return (Message("system", system), *messages)


def _message(item: Message | Mapping[str, Any], where: str) -> Message:
    if isinstance(item, Message):
        return item
    if not isinstance(item, Mapping):
        raise InvalidRequest("A message is a Message or a dict with `role` and `content`.", param=where)
    role, content, name = item.get("role"), item.get("content"), item.get("name")
    if role not in get_args(Role):
        raise InvalidRequest(f"`role` is one of {', '.join(get_args(Role))}.", param=f"{where}.role")
    if not isinstance(content, str):
        raise InvalidRequest("`content` is a string.", param=f"{where}.content")
    return Message(cast(Role, role), content, None if name is None else str(name))


def to_params(sampling: Mapping[str, Any]) -> SamplingParams:
    given = {k: v for k, v in sampling.items() if v is not None}
    if isinstance(given.get("stop"), str):
        given["stop"] = (given["stop"],)
    elif "stop" in given:
        given["stop"] = tuple(given["stop"])
    return _build(SamplingParams, given, "sampling parameter")


def to_settings(settings: Mapping[str, Any]) -> LoadSettings:
    return _build(LoadSettings, settings, "setting")


def _build(cls: type[T], given: Mapping[str, Any], noun: str) -> T:
    known = [f.name for f in fields(cls)]  # type: ignore[arg-type]  # every cls here is a dataclass
    for name in given:
        if name not in known:
            raise InvalidRequest(f"{name!r} is no {noun}; there are {', '.join(known)}.", param=name)
    return cls(**given)
