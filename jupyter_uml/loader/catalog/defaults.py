"""What a model's profile, or its store, says about requests, put in where they say nothing themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, TypeVar

from jupyter_uml.loader.catalog.catalog import Catalog
from jupyter_uml.loader.catalog.entry import resolve
from jupyter_uml.types import IMAGE_MARK, GenerateRequest, Message, PromptRequest, SamplingParams, SideRequest

R = TypeVar("R", bound=GenerateRequest | SideRequest[Any])

_DEFAULTS = SamplingParams()


def with_defaults(catalog: Catalog, request: R) -> R:
    """The request with the defaults of the model that it names; a request to which they make no difference as it is.

    A conversation without instructions begins with the system prompt.
    """
    if isinstance(request, PromptRequest):
        return replace(request, request=with_defaults(catalog, request.request))
    entry = resolve(catalog.entries(), request.model)
    if not isinstance(request, GenerateRequest) or entry is None or entry.defaults is None:
        return request
    params = _completed(request.params, entry.defaults.sampling, given_in(request))
    return replace(request, params=params, messages=_instructed(request.messages, entry.defaults.system_prompt))


def given_in(request: GenerateRequest) -> frozenset[str]:
    """The sampling parameters that the caller has given."""
    if request.given is not None:
        return request.given
    names = (field.name for field in fields(SamplingParams))
    return frozenset(name for name in names if getattr(request.params, name) != getattr(_DEFAULTS, name))


def _completed(params: SamplingParams, defaults: Mapping[str, Any], given: frozenset[str]) -> SamplingParams:
    return replace(params, **{name: value for name, value in defaults.items() if name not in given})


def _instructed(messages: tuple[Message, ...], system_prompt: str | None) -> tuple[Message, ...]:
    if not messages or system_prompt is None or any(message.role in ("system", "developer") for message in messages):
        return messages
    return (Message("system", system_prompt.replace(IMAGE_MARK, "")), *messages)
