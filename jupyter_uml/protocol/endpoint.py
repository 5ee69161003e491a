"""What an endpoint is: a body, and its answer, whole or as events. Whoever carries them over decides about the rest."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import orjson

from jupyter_uml.errors import UmlError
from jupyter_uml.protocol.body import StrictBody
from jupyter_uml.service import Service
from jupyter_uml.types import Chunk, GenerateRequest, Hold, ModelStatus, SideRequest

B = TypeVar("B", bound=StrictBody)
R = TypeVar("R")
_LAST = frozenset({"message_stop", "response.completed", "response.incomplete", "response.failed", "error"})


class Verbs(Protocol):
    """What an endpoint needs of the service: of this process's own, or of one that counts what somebody uses of it."""

    @property
    def origin(self) -> Service:
        """The service itself: what is kept for its callers is found by it."""

    def generate(self, request: GenerateRequest) -> AsyncGenerator[Chunk, None]: ...
    async def compute(self, request: SideRequest[R]) -> R: ...
    async def model(self, model_id: str) -> ModelStatus: ...


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. `request_id`: 24 hexadecimal digits; ids of answers are made from it.

    `images`: files of remote URLs in the body that were fetched for this request. `hold`: how long models that it uses
    stay loaded, where the body does not say.
    """

    principal: str
    request_id: str
    images: Mapping[str, bytes] = field(default_factory=dict)
    hold: Hold = field(default_factory=Hold)

    def holding(self, keep_alive: float | None) -> Hold:
        """`keep_alive`: as the body says, in seconds."""
        return self.hold if keep_alive is None else replace(self.hold, keep_alive=keep_alive)


@dataclass(frozen=True, slots=True)
class Event:
    """A server-sent event: `data` as JSON, or `[DONE]` where it is None."""

    data: Any
    name: str | None = None

    @property
    def is_last(self) -> bool:
        """Whether its reader knows by it that the answer is over."""
        return self.data is None or self.name in _LAST

    def encode(self) -> bytes:
        head = f"event: {self.name}\n".encode() if self.name else b""
        return head + b"data: " + (b"[DONE]" if self.data is None else orjson.dumps(self.data)) + b"\n\n"


DONE = Event(None)  # the end that tells a whole answer from a cut one


def plain_error(error: UmlError) -> dict[str, Any]:
    """The body of an error, wherever a protocol has no form of its own."""
    return {"error": error.to_dict()}


class Endpoint(ABC, Generic[B]):
    """One route of a protocol. Stateless: one object serves all requests.

    Before the first event of a stream an error is raised and becomes a status; later it is `error_event`.
    """

    path: ClassVar[str]  # below the server's root, `v1/chat/completions`
    summary: ClassVar[str]  # one line for the documentation
    body: type[B]

    def streams(self, body: B) -> bool:
        """Whether the answer is to be sent as events."""
        return False

    @abstractmethod
    async def whole(self, service: Verbs, body: B, caller: Caller) -> dict[str, Any]:
        """The answer's body. Cancelling the task aborts what was begun.

        Raises:
            UmlError: the request failed.
        """

    def events(self, service: Verbs, body: B, caller: Caller) -> AsyncGenerator[Event, None]:
        """The answer's events, the last one included. Closing the generator aborts what was begun. An endpoint that
        never `streams` has none.

        Raises:
            UmlError: the request failed.
        """
        raise TypeError(f"{self.path} does not stream")

    def error_body(self, error: UmlError, request_id: str) -> dict[str, Any]:
        """`request_id`: as the answer's header says it."""
        return plain_error(error)

    def error_event(self, error: UmlError, request_id: str) -> Event:
        return Event(self.error_body(error, request_id), "error")
