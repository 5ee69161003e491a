"""Errors in Anthropic's form. They also have what ours have: `param`, `code` and the figures."""

from __future__ import annotations

from typing import Any

from jupyter_uml.errors import InsufficientMemory, ModelNotFound, PayloadTooLarge, RouteNotFound, UmlError, WorkerDied

# The first class that fits decides; what is in no row goes by its kind.
_TYPES: tuple[tuple[type[UmlError], str], ...] = (
    (ModelNotFound, "not_found_error"),
    (RouteNotFound, "not_found_error"),
    (PayloadTooLarge, "request_too_large"),
    (InsufficientMemory, "overloaded_error"),
    (WorkerDied, "overloaded_error"),
)
_KINDS = frozenset(
    "invalid_request_error authentication_error permission_error rate_limit_error overloaded_error".split()
)
# Conversations are not kept here. Anthropic's SDK, told so by this, sends all of them again and again.
_NO_THREADS = {"error_code": "thread_unsupported_request", "unsupported": []}
# Fields that Anthropic's bodies call otherwise than ours.
_PARAMS = {
    "reasoning_effort": "thinking",
    "reasoning_budget": "thinking.budget_tokens",
    "response_format": "output_config.format",
}
_OTHERS = {"conflict_error": "invalid_request_error"}  # a model that is being unloaded


def error_body(error: UmlError, request_id: str) -> dict[str, Any]:
    """`request_id`: as the answer's header says it."""
    param = _PARAMS.get(error.param or "", error.param)
    told: dict[str, Any] = {**error.to_dict(), "type": error_type(error), "param": param}
    if error.param == "thread":
        told["details"] = _NO_THREADS
    return {"type": "error", "error": told, "request_id": request_id}


def error_type(error: UmlError) -> str:
    for cls, name in _TYPES:
        if isinstance(error, cls):
            return name
    return error.kind if error.kind in _KINDS else _OTHERS.get(error.kind, "api_error")
