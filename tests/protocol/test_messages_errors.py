"""Errors in Anthropic's form."""

from __future__ import annotations

import pytest

from jupyter_uml import errors
from jupyter_uml.protocol.anthropic.errors import error_body


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (errors.InvalidRequest("no", param="top_p"), "invalid_request_error"),
        (errors.ContextLengthExceeded(9, 8), "invalid_request_error"),
        (errors.ModelLoadFailed("no"), "invalid_request_error"),
        (errors.ModelBusy("no"), "invalid_request_error"),
        (errors.AuthenticationFailed("no"), "authentication_error"),
        (errors.PermissionDenied("no"), "permission_error"),
        (errors.ModelNotFound("nope"), "not_found_error"),
        (errors.RouteNotFound("no"), "not_found_error"),
        (errors.PayloadTooLarge("no"), "request_too_large"),
        (errors.Overloaded("no"), "overloaded_error"),
        (errors.ModelRestarting("no"), "overloaded_error"),
        (errors.InsufficientMemory("m", 2, 1), "overloaded_error"),
        (errors.WorkerDied("no"), "overloaded_error"),
        (errors.EngineError("no"), "api_error"),
        (errors.UmlError("no"), "api_error"),
    ],
)
def test_an_error_has_anthropics_type_and_all_that_ours_have(error: errors.UmlError, kind: str) -> None:
    body = error_body(error, "req_1")
    assert (body["type"], body["request_id"]) == ("error", "req_1")
    assert body["error"] == {**error.to_dict(), "type": kind}


def test_a_field_is_called_as_anthropic_calls_it() -> None:
    for ours, theirs in (("reasoning_effort", "thinking"), ("response_format", "output_config.format")):
        assert error_body(errors.InvalidRequest("no", param=ours), "req_1")["error"]["param"] == theirs


def test_the_sdk_is_told_that_conversations_are_not_kept() -> None:
    body = error_body(errors.InvalidRequest("no", param="thread"), "req_1")
    assert body["error"]["details"]["error_code"] == "thread_unsupported_request"
