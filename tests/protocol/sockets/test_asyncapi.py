"""The description of the socket: whole, sound, and of the very messages that are sent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest

from jupyter_uml.errors import Overloaded
from jupyter_uml.protocol.sockets.asyncapi import document, message_type
from jupyter_uml.protocol.sockets.messages import CLIENT_MESSAGES, SERVER_MESSAGES, ClientMessage, Failed
from jupyter_uml.protocol.sockets.state import State

DOCUMENT = document()
SCHEMAS = DOCUMENT["components"]["schemas"]


def references(value: Any) -> Iterator[str]:
    match value:
        case dict():
            if isinstance(value.get("$ref"), str):
                yield value["$ref"]
            for inner in value.values():
                yield from references(inner)
        case list():
            for inner in value:
                yield from references(inner)


def followed(reference: str) -> Any:
    value: Any = DOCUMENT
    for part in reference.removeprefix("#/").split("/"):
        value = value[part]
    return value


def validator(name: str) -> Any:
    schema = {**SCHEMAS[name], "components": {"schemas": SCHEMAS}}
    return jsonschema.Draft202012Validator(schema)


def test_every_reference_leads_somewhere() -> None:
    found = list(references(DOCUMENT))
    assert found
    for reference in found:
        assert followed(reference)


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_schema_is_one(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMAS[name])


@pytest.mark.parametrize("model", [*CLIENT_MESSAGES, *SERVER_MESSAGES, State], ids=message_type)
def test_every_example_is_such_a_message(model: Any) -> None:
    message = DOCUMENT["components"]["messages"][message_type(model)]
    for example in message["examples"]:
        assert example["payload"].get("type", "state") == message["name"]
        validator(model.__name__).validate(example["payload"])
        model.model_validate(example["payload"])


def test_each_side_says_what_it_may() -> None:
    def said(operation: str) -> set[str]:
        return {each["$ref"].rpartition("/")[2] for each in DOCUMENT["operations"][operation]["messages"]}

    assert said("fromClient") == {"auth", "start", "cancel", "ping"}
    assert said("toClient") == {"ready", "started", "delta", "done", "error", "pong"}
    assert (said("fromWatcher"), said("toWatcher")) == ({"auth"}, {"state", "error"})
    assert DOCUMENT["operations"]["fromClient"]["action"] == "receive"
    assert set(ClientMessage.model_json_schema()["discriminator"]["mapping"]) == said("fromClient")


def test_an_error_fits_its_description() -> None:
    import json

    sent = json.loads(Failed.of(Overloaded("Full.", retry_after=1), "a", "req_1").encode())
    validator("Failed").validate(sent)
    assert sent["error"] == Overloaded("Full.", retry_after=1).to_dict()
