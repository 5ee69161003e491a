"""The AsyncAPI 3 document of the WebSocket, made from the models that its messages are checked by.

Format: https://www.asyncapi.com/docs/reference/specification/v3.0.0
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from jupyter_uml import __version__
from jupyter_uml.protocol.sockets.messages import CLIENT_MESSAGES, SERVER_MESSAGES

_REF = "#/components/schemas/{model}"
_DESCRIPTION = (
    "Many answers at once over one WebSocket. Messages are JSON objects in text frames. The key comes in the header "
    "`Authorization: Bearer …` or as the first message; a page of this server may use its sign-in. The server reads "
    "no further while a client does not read, and pings every 30 seconds: who does not answer is taken for dead."
)


def message_type(model: type[BaseModel]) -> str:
    """What a message of this kind has as its `type`."""
    return str(model.model_fields["type"].default)


def document() -> dict[str, Any]:
    """The document, as JSON values. Where the server is, whoever serves it adds."""
    models = (*CLIENT_MESSAGES, *SERVER_MESSAGES)
    _, definitions = models_json_schema([(model, "validation") for model in models], ref_template=_REF)
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "jupyter_uml's WebSocket", "version": __version__, "description": _DESCRIPTION},
        "defaultContentType": "application/json",
        "channels": {
            "ws": {
                "address": "ws",
                "messages": {message_type(model): {"$ref": _message_ref(model)} for model in models},
                "bindings": {"ws": {"method": "GET"}},
            }
        },
        "operations": {
            "fromClient": _operation("receive", "What a client may say.", CLIENT_MESSAGES),
            "toClient": _operation("send", "What the server says.", SERVER_MESSAGES),
        },
        "components": {
            "messages": {message_type(model): _message(model) for model in models},
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


def _operation(action: str, summary: str, models: tuple[type[BaseModel], ...]) -> dict[str, Any]:
    names = [{"$ref": f"#/channels/ws/messages/{message_type(model)}"} for model in models]
    return {"action": action, "channel": {"$ref": "#/channels/ws"}, "summary": summary, "messages": names}


def _message_ref(model: type[BaseModel]) -> str:
    return f"#/components/messages/{message_type(model)}"
