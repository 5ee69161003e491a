"""What an HTTP answer says, as native values and errors."""

from __future__ import annotations

import json
from typing import Any

import httpx2

from jupyter_uml.client.wire import error_from
from jupyter_uml.errors import AuthenticationFailed, ConnectionFailed, PermissionDenied, RouteNotFound, UmlError


def parsed(content: bytes) -> dict[str, Any]:
    """The JSON object of a good answer."""
    try:
        body = json.loads(content)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise ConnectionFailed("What answered is no jupyter_uml server. Inside a Jupyter server its url ends in /uml.")
    return body


def error_of(response: httpx2.Response, content: bytes) -> UmlError:
    """The error of a bad one."""
    try:
        body = json.loads(content)
    except ValueError:
        body = None
    ours = isinstance(body, dict) and isinstance(body.get("error"), dict)
    error = error_from(body) if ours else _plain_error(response.status_code)
    wait = _seconds(response.headers.get("Retry-After"))
    if wait is not None and error.retry_after is None:
        error.details["retry_after"] = wait
    return error


def _plain_error(status: int) -> UmlError:
    """For an answer that is not jupyter_uml's own: a proxy's, or of a Jupyter server without the extension."""
    if status == 401:
        return AuthenticationFailed("The server wants a key or a token; the one that was sent is not accepted.")
    if status == 403:
        return PermissionDenied("The server refuses this with the key or token that was sent.")
    if status in (404, 405):
        return RouteNotFound("There is no jupyter_uml at this url. Inside a Jupyter server it ends in /uml.")
    return UmlError(f"The server answered with status {status}.", status=status)


def _seconds(value: str | None) -> float | None:
    """`Retry-After` in seconds; its other form, a date, is not sent by jupyter_uml and passed over."""
    try:
        seconds = float(value) if value is not None else None
    except ValueError:
        return None
    return seconds if seconds is not None and 0 <= seconds < float("inf") else None
