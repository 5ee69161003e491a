"""What every error looks like."""

from __future__ import annotations

from typing import Any

import httpx2


def assert_error(response: httpx2.Response, status: int, code: str | None = None) -> dict[str, Any]:
    """An error in OpenAI's shape; on Anthropic's routes in theirs, which does not tell the code."""
    assert response.status_code == status, response.text
    assert response.headers["Content-Type"] == "application/json"
    body = response.json()
    if "/v1/messages" in response.url.path:
        assert body["type"] == "error"
        assert {"message", "type"} <= set(body["error"])
        assert body["request_id"] == response.headers["request-id"]
        return dict(body["error"])
    assert list(body) == ["error"]
    error: dict[str, Any] = body["error"]
    assert {"message", "type", "param", "code"} <= set(error)
    if code:
        assert error["code"] == code
    return error
