"""Errors of the Responses API: the engine's words for fields are not this API's."""

from __future__ import annotations

from typing import Any

from jupyter_uml.errors import UmlError

_PARAMS = {
    "messages": "input",
    "prompt": "input",
    "reasoning_effort": "reasoning.effort",
    "truncate": "truncation",
}


def error_fields(error: UmlError) -> dict[str, Any]:
    body = error.to_dict()
    return {**body, "param": _PARAMS.get(error.param or "", error.param)}


def error_event(error: UmlError) -> dict[str, Any]:
    """In both forms in which programs look for it: flat, as documented, and under `error`, as the SDK does."""
    fields = error_fields(error)
    flat = {name: fields[name] for name in ("code", "message", "param")}
    return {"type": "error", **flat, "error": fields}
