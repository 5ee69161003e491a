"""What goes wrong between us and the hub, as errors of ours, and whether asking again may help."""

from __future__ import annotations

import errno
from dataclasses import dataclass

import httpx2
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    OfflineModeIsEnabled,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from jupyter_uml.errors import (
    DownloadFailed,
    HubAccessDenied,
    HubUnavailable,
    InsufficientDisk,
    RepositoryNotFound,
    UmlError,
)

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_LOG_IN = "Log in with `hf auth login`, or set HF_TOKEN for the server, and accept the conditions on its page."


class UnexpectedAnswerError(Exception):
    """The server sent something else than was asked for."""


@dataclass(frozen=True, slots=True)
class Fault:
    """`wait`: seconds that the server wants us to wait, None: it did not say."""

    error: UmlError
    again: bool = False
    wait: float | None = None


def fault_of(error: Exception) -> Fault:
    match error:
        case UmlError():
            return Fault(error)
        case GatedRepoError():
            return Fault(HubAccessDenied(f"This repository is open to those only who asked for access. {_LOG_IN}"))
        case RepositoryNotFoundError():
            return Fault(
                RepositoryNotFound(f"The hub shows no such repository. Check its name; if it is private: {_LOG_IN}")
            )
        case RevisionNotFoundError():
            return Fault(RepositoryNotFound("The repository has no such revision: no branch, tag or commit."))
        case RemoteEntryNotFoundError():
            return Fault(RepositoryNotFound("The repository no longer has this file at this revision."))
        case HfHubHTTPError():
            return _of_status(error)
        case OfflineModeIsEnabled():
            return Fault(HubUnavailable("Offline mode is on: HF_HUB_OFFLINE is set."))
        case httpx2.TransportError():
            return Fault(HubUnavailable("The hub cannot be reached. Check the network and the proxy."), again=True)
        case UnexpectedAnswerError() | httpx2.HTTPError() | httpx2.InvalidURL():
            return Fault(DownloadFailed("The hub answered with something else than was asked for."), again=True)
        case OSError():
            return Fault(_of_system(error))
    return Fault(DownloadFailed("The hub's answer cannot be understood: is it a hub at all?"))


def _of_status(error: HfHubHTTPError) -> Fault:
    status = error.response.status_code
    if status == 429 or status >= 500 or status == 408:
        wait = _seconds(error.response.headers.get("Retry-After"))
        said = "wants fewer requests" if status == 429 else f"has a fault of its own (status {status})"
        return Fault(HubUnavailable(f"The hub {said}. Try again later.", retry_after=wait), again=True, wait=wait)
    if status in (401, 403):
        return Fault(HubAccessDenied(f"The hub does not let us read this (status {status}). {_LOG_IN}"))
    if status == 404:
        return Fault(RepositoryNotFound("The hub does not have this."))
    if status == 416:  # the partial file is longer than what the server has
        return Fault(DownloadFailed("The hub has another file than it announced."))
    return Fault(HubUnavailable(f"The hub refuses the request (status {status})."))


def _of_system(error: OSError) -> UmlError:
    if error.errno in _NO_ROOM:
        return InsufficientDisk("The disk is full, or this user's share of it. Make room and pull again to go on.")
    return DownloadFailed(f"The cache of models cannot be written to: {error.strerror or 'unknown reason'}.")


def _seconds(text: str | None) -> float | None:
    return float(text) if text and text.isdecimal() else None
