"""Errors that are not raised as our own, in our shape and with nothing of their inside."""

from __future__ import annotations

from jupyter_uml.errors import (
    AuthenticationFailed,
    InvalidRequest,
    MethodNotAllowed,
    PayloadTooLarge,
    PermissionDenied,
    RouteNotFound,
    UmlError,
)

MAX_BODY = 32 << 20  # bytes


def too_large() -> PayloadTooLarge:
    return PayloadTooLarge(f"The body is larger than {MAX_BODY >> 20} MiB.")


def from_status(status: int, request_id: str) -> UmlError:
    """What Tornado or Jupyter raised."""
    match status:
        case 401:
            return AuthenticationFailed("No valid credential.")
        case 403:
            return PermissionDenied("Not allowed.")
        case 404:
            return RouteNotFound("There is no such route.")
        case 405:
            return MethodNotAllowed("This route does not take this method.")
        case 413:
            return too_large()
        case _ if 400 <= status < 500:
            return InvalidRequest("The request is not valid.")
        case _:
            return unexpected(request_id)


def unexpected(request_id: str) -> UmlError:
    """An error that nobody foresaw: what it was stands in the log only."""
    return UmlError(f"Something went wrong in the server. Its log tells more under {request_id}.")
