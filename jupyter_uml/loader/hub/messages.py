"""What is said between us and the process that talks with the hub: a job to it, messages back, each a line of JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from jupyter_uml.errors import UmlError
from jupyter_uml.loader.hub.listing import HubFile, Listing

Doing = Literal["downloading", "waiting", "retrying", "verifying"]


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds, and how often a request is repeated that brought nothing new."""

    attempts: int = 8
    first_wait: float = 1.0  # doubled each time
    longest_wait: float = 120.0  # a hub that wants more is not waited for
    silence: float = 30.0  # without a byte: the connection is dead
    lock_poll: float = 0.5


@dataclass(frozen=True, slots=True)
class ListJob:
    """Say what is in a repository."""

    repo: str
    revision: str
    endpoint: str | None = None  # None: as huggingface_hub's own settings say
    token: str | None = None  # None: the one that this user has stored; empty: none at all
    patience: Patience = field(default_factory=Patience)


@dataclass(frozen=True, slots=True)
class FetchJob:
    """Have these files in the cache and give them their names; the first one is the model's."""

    repo: str
    revision: str
    commit: str
    files: tuple[HubFile, ...]
    endpoint: str | None = None
    token: str | None = None
    cache: str | None = None  # None: the one that Hugging Face's tools use
    patience: Patience = field(default_factory=Patience)


@dataclass(frozen=True, slots=True)
class Came:
    """How many bytes of all files are there now. `doing` "waiting": another process downloads this file."""

    doing: Doing
    file: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Published:
    """All is there; `path` of the model's first file."""

    path: str


@dataclass(frozen=True, slots=True)
class Failed:
    error: dict[str, Any]

    def raised(self) -> UmlError:
        return UmlError.from_dict(self.error)


Job = ListJob | FetchJob
Message = Listing | Came | Published | Failed
_JOBS: dict[str, type[Any]] = {cls.__name__: cls for cls in (ListJob, FetchJob)}
_MESSAGES: dict[str, type[Any]] = {cls.__name__: cls for cls in (Listing, Came, Published, Failed)}


def encode(message: Job | Message) -> bytes:
    return json.dumps([type(message).__name__, asdict(message)]).encode() + b"\n"


def decode_job(line: bytes) -> Job:
    job: Job = _decode(line, _JOBS)
    return job


def decode_message(line: bytes) -> Message:
    message: Message = _decode(line, _MESSAGES)
    return message


def _decode(line: bytes, known: dict[str, type[Any]]) -> Any:
    name, fields = json.loads(line)
    if "files" in fields:
        fields["files"] = tuple(HubFile(**file) for file in fields["files"])
    if "other_formats" in fields:
        fields["other_formats"] = tuple(fields["other_formats"])
    if "patience" in fields:
        fields["patience"] = Patience(**fields["patience"])
    return known[name](**fields)
