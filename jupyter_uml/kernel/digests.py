"""What was asked and answered, as hashes and plain values: the same ones in every process and in a notebook file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from hashlib import sha256
from typing import Any

from jupyter_uml.client import Answer
from jupyter_uml.types import GenerateRequest, Message, SamplingParams, ToolCall

_OWN_PLACE = {"grammar", "seed", "logprobs"}  # of `SamplingParams`
_HANDLING = {
    "truncate",
    "context_shift",
    "tool_choice",
    "tool_name",
    "parallel_tool_calls",
    "reasoning_effort",
    "reasoning_budget",
    "template_options",
    "variant",
}


def params_of(request: GenerateRequest) -> dict[str, Any]:
    """What was asked for beside the prompt and the seed; of a schema and of tools their digests."""
    given, params = request.given or (), request.params
    said = {
        f.name: value
        for f in fields(SamplingParams)
        if f.name not in _OWN_PLACE and ((value := getattr(params, f.name)) != f.default or f.name in given)
    }
    said |= {f.name: v for f in fields(request) if f.name in _HANDLING and (v := getattr(request, f.name)) != f.default}
    if params.grammar is not None:
        said["schema"] = digest([params.grammar.kind, params.grammar.source])
    if request.tools:
        said["tools"] = digest([asdict(tool) for tool in request.tools])
    return plain({name: value for name, value in said.items() if value is not None})


def with_params(request: GenerateRequest, said: Mapping[str, Any]) -> GenerateRequest:
    """The request with the parameters that `params_of` told of another one; with its own schema and tools.

    Raises:
        TypeError: no request has such parameters.
    """
    names = {f.name for f in fields(SamplingParams)} - _OWN_PLACE
    given = {name: _frozen(value) for name, value in said.items() if name in names}
    own = {name: getattr(request.params, name) for name in _OWN_PLACE}
    handling: dict[str, Any] = {f.name: f.default for f in fields(request) if f.name in _HANDLING}
    handling |= {name: _frozen(said[name]) for name in _HANDLING & said.keys()}
    return replace(request, params=SamplingParams(**given, **own), given=frozenset(given), **handling)


def prompt_sha256(request: GenerateRequest) -> str:
    if request.prompt is not None:
        return digest([request.prompt, request.suffix])
    names: dict[str, int] = {}  # ids of calls are drawn anew each time: only which is which counts
    return digest([_turn(message, names) for message in request.messages])


def answer_sha256(answer: Answer) -> str:
    """Of its text, reasoning and calls."""
    return digest([answer.text, answer.reasoning, [(call.name, call.arguments) for call in answer.tool_calls]])


def digest(value: Any) -> str:
    """The SHA-256 of a value that JSON has."""
    return sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def plain(value: dict[str, Any]) -> dict[str, Any]:
    """As it comes out of a notebook file: tuples are lists there."""
    read: dict[str, Any] = json.loads(json.dumps(value))
    return read


def _frozen(value: Any) -> Any:
    """JSON's lists are tuples in a request."""
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def _turn(message: Message, names: dict[str, int]) -> dict[str, Any]:
    def known(call_id: str | None) -> int | None:
        return None if call_id is None else names.setdefault(call_id, len(names))

    def told(call: ToolCall) -> tuple[int | None, str, str]:
        return known(call.id), call.name, call.arguments

    return {
        "role": message.role,
        "content": message.content,
        "name": message.name,
        "calls": [told(call) for call in message.tool_calls],
        "of": known(message.tool_call_id),
        "reasoning": message.reasoning,
        "images": [sha256(image).hexdigest() for image in message.images],
    }
