"""The one table error → HTTP status. No HTTP server in it: requests that are answered in process give them, too."""

from __future__ import annotations

import math

from jupyter_uml.errors import (
    AuthenticationFailed,
    ContextLengthExceeded,
    DownloadFailed,
    EventsForgotten,
    GenerationAborted,
    GenerationConflict,
    GenerationNotFound,
    GenerationStopped,
    HubAccessDenied,
    HubUnavailable,
    InsufficientDisk,
    InsufficientMemory,
    InvalidRequest,
    KeyNotFound,
    MethodNotAllowed,
    ModelBusy,
    ModelLoadFailed,
    ModelNotFound,
    ModelRestarting,
    NoModelLoaded,
    NothingToPull,
    Overloaded,
    PayloadTooLarge,
    PermissionDenied,
    ProfileNotFound,
    PullCancelled,
    PullNotFound,
    RateLimited,
    RecordsUnavailable,
    RepositoryNotFound,
    ResponseNotFound,
    RouteNotFound,
    UmlError,
    WorkerDied,
)

STATUS: dict[type[UmlError], int] = {
    UmlError: 500,
    InvalidRequest: 400,
    ContextLengthExceeded: 400,
    AuthenticationFailed: 401,
    PermissionDenied: 403,
    HubAccessDenied: 403,
    ModelNotFound: 404,
    RepositoryNotFound: 404,
    PullNotFound: 404,
    RouteNotFound: 404,
    KeyNotFound: 404,
    ProfileNotFound: 404,
    ResponseNotFound: 404,
    GenerationNotFound: 404,
    MethodNotAllowed: 405,
    ModelBusy: 409,
    NoModelLoaded: 409,
    GenerationConflict: 409,
    PullCancelled: 409,
    EventsForgotten: 410,
    GenerationStopped: 410,  # which no client repeats by itself
    PayloadTooLarge: 413,
    ModelLoadFailed: 422,
    NothingToPull: 422,
    RateLimited: 429,
    DownloadFailed: 502,
    GenerationAborted: 503,
    HubUnavailable: 503,
    InsufficientMemory: 503,
    ModelRestarting: 503,
    Overloaded: 503,
    RecordsUnavailable: 503,
    WorkerDied: 503,
    InsufficientDisk: 507,
}


def status_of(error: UmlError) -> int:
    """The HTTP status of an error: its own class's, or its nearest parent's."""
    return next(STATUS[cls] for cls in type(error).__mro__ if cls in STATUS)


def headers_of(error: UmlError) -> dict[str, str]:
    """When to ask again, in whole seconds, where that is known."""
    return {} if error.retry_after is None else {"Retry-After": str(math.ceil(error.retry_after))}
