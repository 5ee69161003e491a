"""The AsyncAPI 3 document of the WebSockets, made from the models that its messages are checked by.

Format: https://www.asyncapi.com/docs/reference/specification/v3.0.0
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from jupyter_uml import __version__
from jupyter_uml.protocol.sockets.messages import CLIENT_MESSAGES, SERVER_MESSAGES, Auth, Failed
from jupyter_uml.protocol.sockets.state import State

_REF = "#/components/schemas/{model}"
_DESCRIPTION = (
    "Many answers at once over the WebSocket `ws`; what the server says of itself over `events`. Messages are JSON "
    "objects in text frames. The key comes in the header `Authorization: Bearer …` or as the first message; a page of "
    "this server may use its sign-in. The server reads no further while a client does not read, and pings every 30 "
    "seconds or more often: who does not answer is taken for dead."
)


def message_type(model: type[BaseModel]) -> str:
    """What a message of this kind has as its `type`; what the server says of itself is all of one kind."""
    return str(model.model_fields["type"].default) if "type" in model.model_fields else model.__name__.lower()


def document() -> dict[str, Any]:
    """The document, as JSON values. Where the server is, whoever serves it adds."""
    models = (*CLIENT_MESSAGES, *SERVER_MESSAGES)
    all_models: tuple[type[BaseModel], ...] = (*models, State)
    _, definitions = models_json_schema([(model, "validation") for model in all_models], ref_template=_REF)
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "jupyter_uml's WebSocket", "version": __version__, "description": _DESCRIPTION},
        "defaultContentType": "application/json",
        "channels": {"ws": _channel("ws", models), "events": _channel("events", (Auth, State, Failed))},
        "operations": {
            "fromClient": _operation("ws", "receive", "What a client may say.", CLIENT_MESSAGES),
            "toClient": _operation("ws", "send", "What the server says.", SERVER_MESSAGES),
            "fromWatcher": _operation("events", "receive", "Who watches, where no header has told it.", (Auth,)),
            "toWatcher": _operation("events", "send", "What the server says of itself.", (State, Failed)),
        },
        "components": {
            "messages": {message_type(model): _message(model) for model in all_models},
            "schemas": definitions["$defs"],
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def _message(model: type[BaseModel]) -> dict[str, Any]:
    config = model.model_config["json_schema_extra"]
    assert isinstance(config, dict)
    examples = config["examples"]
    assert isinstance(examples, list)
    return {
        "name": message_type(model),
        "title": message_type(model),
        "summary": " ".join((model.__doc__ or "").split()),
        "payload": {"$ref": _REF.format(model=model.__name__)},
        "examples": [{"payload": example} for example in examples],
    }


def _channel(address: str, models: tuple[type[BaseModel], ...]) -> dict[str, Any]:
    messages = {message_type(model): {"$ref": _message_ref(model)} for model in models}
    return {"address": address, "messages": messages, "bindings": {"ws": {"method": "GET"}}}


def _operation(channel: str, action: str, summary: str, models: tuple[type[BaseModel], ...]) -> dict[str, Any]:
    names = [{"$ref": f"#/channels/{channel}/messages/{message_type(model)}"} for model in models]
    return {"action": action, "channel": {"$ref": f"#/channels/{channel}"}, "summary": summary, "messages": names}


def _message_ref(model: type[BaseModel]) -> str:
    return f"#/components/messages/{message_type(model)}"
