"""What an HTTP answer says, as native values and errors."""

from __future__ import annotations

import json
import math
import time
from email.utils import parsedate_to_datetime
from typing import Any

import httpx2

from jupyter_uml.client.wire import error_from
from jupyter_uml.errors import AuthenticationFailed, ConnectionFailed, PermissionDenied, RouteNotFound, UmlError

# All that may go wrong between two programs; ValueError and ImportError by a proxy of the environment.
HTTP_ERRORS = (
    httpx2.HTTPError,
    httpx2.InvalidURL,
    httpx2.StreamError,
    OSError,
    ValueError,
    ImportError,
    ExceptionGroup,
)


def parsed(content: bytes) -> dict[str, Any]:
    """The JSON object of a good answer."""
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise ConnectionFailed("What answered is no jupyter_uml server. Inside a Jupyter server its url ends in /uml.")
    return body


def error_of(response: httpx2.Response, content: bytes) -> UmlError:
    """The error of a bad one."""
    return error_of_status(response.status_code, content, response.headers.get("Retry-After"))


def error_of_status(status: int, content: bytes, retry_after: str | None) -> UmlError:
    """The same, whatever it was received by."""
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        body = None
    ours = isinstance(body, dict) and isinstance(body.get("error"), dict)
    error = error_from(body) if ours else _plain_error(status)
    wait = _seconds(retry_after)
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
    if status in (502, 503, 504):
        return ConnectionFailed(
            f"The way to the server ends with status {status}: a proxy cannot reach it, or it cannot work yet. "
            "Try again in a moment; if it stays so, the log of the Jupyter server tells more.",
            status=status,
        )
    return UmlError(f"The server answered with status {status}.", status=status)


def _seconds(value: str | None) -> float | None:
    """`Retry-After` in seconds from now: it has a number of them, or a date (RFC 9110, section 10.2.3)."""
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        seconds = _until(value)
    return seconds if 0 <= seconds < math.inf else None


def _until(date: str) -> float:
    """Seconds, 0 if it is past; not a number: it is no date."""
    try:
        return max(0.0, parsedate_to_datetime(date).timestamp() - time.time())
    except (TypeError, ValueError, OverflowError):
        return math.nan
