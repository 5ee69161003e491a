"""What an endpoint is: a body, and its answer, whole or as events. Whoever carries them over decides about the rest."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from jupyter_uml.errors import UmlError
from jupyter_uml.protocol.body import StrictBody
from jupyter_uml.service import Service

B = TypeVar("B", bound=StrictBody)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. `request_id`: 24 hexadecimal digits; ids of answers are made from it."""

    principal: str
    request_id: str


@dataclass(frozen=True, slots=True)
class Event:
    """A server-sent event: `data` as JSON, or `[DONE]` where it is None."""

    data: Any
    name: str | None = None


DONE = Event(None)  # the end that tells a whole answer from a cut one


class Endpoint(Generic[B]):
    """One route of a protocol. Stateless: one object serves all requests.

    Before the first event of a stream an error is raised and becomes a status; later it is `error_event`.
    """

    path: ClassVar[str]  # below the server's root, `v1/chat/completions`
    summary: ClassVar[str]  # one line for the documentation
    body: type[B]

    def streams(self, body: B) -> bool:
        """Whether the answer is to be sent as events."""
        return False

    async def whole(self, service: Service, body: B, caller: Caller) -> dict[str, Any]:
        """The answer's body. Cancelling the task aborts what was begun.

        Raises:
            UmlError: the request failed.
        """
        raise NotImplementedError

    def events(self, service: Service, body: B, caller: Caller) -> AsyncGenerator[Event, None]:
        """The answer's events, the last one included. Closing the generator aborts what was begun.

        Raises:
            UmlError: the request failed.
        """
        raise NotImplementedError

    def error_body(self, error: UmlError) -> dict[str, Any]:
        return {"error": error.to_dict()}

    def error_event(self, error: UmlError) -> Event:
        return Event(self.error_body(error), "error")
