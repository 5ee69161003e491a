"""What goes over the socket: JSON objects in text frames, each with its `type`. The AsyncAPI document is made of these.

A generation is what one `start` begins: `started`, any number of `delta`, then exactly one `done` or `error` of its id.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, RootModel

from jupyter_uml import __version__
from jupyter_uml.errors import UmlError
from jupyter_uml.protocol.body import StrictBody

# Printable ASCII: what a program writes to its log without a second thought.
GenerationId = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[ -~]+$")]
_EXAMPLE_BODY = {"model": "demo", "messages": [{"role": "user", "content": "Hello!"}], "stream": True}
_EXAMPLE_ERROR = {
    "message": "No model is called 'dmeo'. Did you mean demo?",
    "type": "invalid_request_error",
    "param": "model",
    "code": "model_not_found",
}


def _example(**fields: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [fields]})


# --- from the client --------------------------------------------------------------------------------------------------


class Auth(StrictBody):
    """Who asks, where no header and no cookie has told it. It must be the first message then, and come in time."""

    model_config = _example(type="auth", key="uml_...")

    type: Literal["auth"] = "auth"
    key: Annotated[str, Field(min_length=1, max_length=4096, pattern=r"^[!-~]+$")] = Field(
        description="An API key, or Jupyter's token."
    )


class Start(StrictBody):
    """Begin a generation. `body` is the very body that the endpoint takes over HTTP; with `stream` it comes in parts.

    The id is the client's own, and free again when its `done` or `error` has come.
    """

    model_config = _example(type="start", id="1", endpoint="v1/chat/completions", body=_EXAMPLE_BODY)

    type: Literal["start"] = "start"
    id: GenerationId
    endpoint: str = Field(description="An endpoint's path below the server's root.")
    body: dict[str, Any] = Field(description="As the endpoint's body in openapi.json.")


class Cancel(StrictBody):
    """End a generation. An id that is not running is passed over: its end may be on the way."""

    model_config = _example(type="cancel", id="1")

    type: Literal["cancel"] = "cancel"
    id: GenerationId


class Ping(StrictBody):
    """Answered by `pong`, for clients that see no ping frames."""

    model_config = _example(type="ping")

    type: Literal["ping"] = "ping"


class ClientMessage(RootModel[Annotated[Auth | Start | Cancel | Ping, Field(discriminator="type")]]):
    """Any of them."""


# --- from the server --------------------------------------------------------------------------------------------------


class ServerMessage(BaseModel):
    """Fields without a value are left out."""

    def encode(self) -> bytes:
        return orjson.dumps({name: value for name, value in self if value is not None})


class Ready(ServerMessage):
    """Who asks is known: now generations can be started. Always the first message."""

    model_config = _example(type="ready", version=__version__, max_generations=64, max_message_bytes=33_554_432)

    type: Literal["ready"] = "ready"
    version: str = __version__
    max_generations: int = Field(ge=1, description="At once, on this socket.")
    max_message_bytes: int = Field(ge=1)


class Started(ServerMessage):
    """The generation was let in; its request id is what the server's log and records call it."""

    model_config = _example(type="started", id="1", request_id="req_0f3a5c7e9b1d2f4a6c8e0b1d")

    type: Literal["started"] = "started"
    id: str
    request_id: str


class Delta(ServerMessage):
    """A part of the answer: what a server-sent event of the endpoint carries, under the event's name if it has one."""

    model_config = _example(
        type="delta",
        id="1",
        data={
            "id": "chatcmpl-0f3a5c7e9b1d2f4a6c8e0b1d",
            "object": "chat.completion.chunk",
            "created": 1_790_000_000,
            "model": "demo",
            "choices": [{"index": 0, "delta": {"content": "Hello"}, "finish_reason": None}],
        },
    )

    type: Literal["delta"] = "delta"
    id: str
    event: str | None = None
    data: Any


class Done(ServerMessage):
    """The generation is over: nothing else comes of it. `data`: the whole answer, where it did not come in parts."""

    model_config = _example(type="done", id="1", cancelled=False)

    type: Literal["done"] = "done"
    id: str
    cancelled: bool = Field(default=False, description="The client ended it by `cancel`.")
    data: Any = None


class ErrorFields(BaseModel):
    """The one shape of errors; some have figures besides, `retry_after` in seconds for one."""

    model_config = ConfigDict(extra="allow")

    message: str
    type: str
    param: str | None
    code: str


class Failed(ServerMessage):
    """With an id: the end of this generation, or of the attempt to start it. Without: a message that asked for nothing
    that has an id; the socket goes on, unless it is closed right after."""

    model_config = _example(type="error", id="1", error=_EXAMPLE_ERROR)

    type: Literal["error"] = "error"
    id: str | None = None
    request_id: str | None = None
    error: ErrorFields

    @classmethod
    def of(cls, error: UmlError, generation: str | None = None, request_id: str | None = None) -> Failed:
        return cls(id=generation, request_id=request_id, error=ErrorFields.model_validate(error.to_dict()))

    def encode(self) -> bytes:
        return orjson.dumps(self.model_dump(exclude_none=True) | {"error": self.error.model_dump()})


class Pong(ServerMessage):
    """The answer to `ping`."""

    model_config = _example(type="pong")

    type: Literal["pong"] = "pong"


CLIENT_MESSAGES: tuple[type[BaseModel], ...] = (Auth, Start, Cancel, Ping)
SERVER_MESSAGES: tuple[type[BaseModel], ...] = (Ready, Started, Delta, Done, Failed, Pong)
