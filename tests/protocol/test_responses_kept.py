"""Conversations that go on from what is kept."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from openai.types.responses import ResponseItem
from pydantic import TypeAdapter

from jupyter_uml.errors import InvalidRequest, PreviousResponseNotFound
from jupyter_uml.loader.catalog.catalog import Catalog
from jupyter_uml.loader.loader import UniversalLoader
from jupyter_uml.protocol.body import parse
from jupyter_uml.protocol.endpoint import Caller
from jupyter_uml.protocol.responses.body import ResponsesRequest
from jupyter_uml.protocol.responses.endpoint import ResponsesEndpoint, Turn
from jupyter_uml.protocol.responses.items import MAX_ITEMS
from jupyter_uml.protocol.responses.store import StoredResponse
from jupyter_uml.service import Service
from jupyter_uml.types import CallDelta, Chunk, Usage

LISTED: TypeAdapter[Any] = TypeAdapter(ResponseItem)
CALL = Chunk("r", calls=(CallDelta(0, '{"city":"Rome"}', "call_a", "get_time"),))
CALLED = Chunk("r", finish_reason="tool_calls", usage=Usage())


@pytest.fixture
def service() -> Service:
    """Without any model: nothing here generates."""
    return Service(UniversalLoader(Catalog([], demo=False)))


class Conversation:
    """One person's requests to one endpoint, with answers as they are written here."""

    def __init__(self, service: Service, principal: str = "ann") -> None:
        self.endpoint, self.service, self.principal = ResponsesEndpoint(), service, principal
        self._count = 0

    def ask(self, *, principal: str | None = None, **fields: Any) -> Turn:
        self._count += 1
        body = parse(ResponsesRequest, orjson.dumps({"model": "demo", **fields}))
        return self.endpoint.begin(self.service, body, Caller(principal or self.principal, f"{self._count:024x}"))

    def answered(self, turn: Turn, *chunks: Chunk) -> str:
        """The id under which the answer is kept."""
        for chunk in chunks:
            turn.writer.add(chunk)
        response = turn.writer.response
        items = [*turn.items, *response["output"]]
        stored = StoredResponse(orjson.dumps(response), orjson.dumps(items), len(response["output"]))
        self.endpoint.store(self.service).put(self.principal, response["id"], stored)
        return str(response["id"])

    def roles(self, turn: Turn) -> list[tuple[str, str]]:
        return [(message.role, message.content) for message in turn.request.messages]


def test_a_conversation_goes_on_without_the_old_instructions(service: Service) -> None:
    talk = Conversation(service)
    first = talk.answered(
        talk.ask(input="One.", instructions="Old."), Chunk("r", "1"), Chunk("r", finish_reason="stop")
    )
    turn = talk.ask(input="Two.", instructions="New.", previous_response_id=first)
    assert talk.roles(turn) == [("system", "New."), ("user", "One."), ("assistant", "1"), ("user", "Two.")]
    second = talk.answered(turn, Chunk("r", "2"), Chunk("r", finish_reason="stop"))
    third = talk.ask(input="Three.", previous_response_id=second)
    assert [text for _, text in talk.roles(third)] == ["One.", "1", "Two.", "2", "Three."]


def test_a_conversation_does_not_grow_for_ever(service: Service) -> None:
    """All of it is read again for each answer."""
    talk = Conversation(service)
    items = [{"role": "user", "content": "x"}] * (MAX_ITEMS - 2)
    first = talk.answered(talk.ask(input=items), Chunk("r", "1"), Chunk("r", finish_reason="stop"))
    second = talk.answered(
        talk.ask(input="Last.", previous_response_id=first), Chunk("r", "2"), Chunk("r", finish_reason="stop")
    )
    with pytest.raises(InvalidRequest, match=f"{MAX_ITEMS} items"):
        talk.ask(input="Too many.", previous_response_id=second)


def test_a_tool_is_answered_by_its_output_alone(service: Service) -> None:
    talk = Conversation(service)
    first = talk.answered(talk.ask(input="Time in Rome?"), Chunk("r", reasoning="Hm."), CALL, CALLED)
    output = {"type": "function_call_output", "call_id": "call_a", "output": "12:00"}
    _, assistant, tool = talk.ask(input=[output], previous_response_id=first).request.messages
    assert (assistant.reasoning, assistant.tool_calls[0].arguments) == ("Hm.", '{"city":"Rome"}')
    assert (tool.role, tool.content, tool.tool_call_id) == ("tool", "12:00", "call_a")
    with pytest.raises(InvalidRequest, match="call_a"):
        talk.ask(input="Well?", previous_response_id=first)


def test_an_item_may_be_named_instead_of_sent_again(service: Service) -> None:
    talk = Conversation(service)
    first = talk.answered(talk.ask(input="Time in Rome?"), CALL, CALLED)
    call = talk.endpoint.retrieve(service, "ann", first)["output"][0]["id"]
    output = {"type": "function_call_output", "call_id": "call_a", "output": "12:00"}
    turn = talk.ask(input=[{"role": "user", "content": "Time?"}, {"id": call}, output])
    assert turn.request.messages[1].tool_calls[0].name == "get_time"
    for principal, name in (("bob", call), ("ann", "fc_" + "0" * 28), ("ann", "x")):
        with pytest.raises(InvalidRequest, match="No item") as caught:
            talk.ask(principal=principal, input=[{"type": "item_reference", "id": name}])
        assert caught.value.param == "input.0.id"


def test_nobody_goes_on_with_anothers_conversation(service: Service) -> None:
    talk = Conversation(service)
    first = talk.answered(talk.ask(input="A secret."), Chunk("r", finish_reason="stop"))
    with pytest.raises(PreviousResponseNotFound) as caught:
        talk.ask(principal="bob", input="Tell me.", previous_response_id=first)
    assert caught.value.param == "previous_response_id"


def test_the_sdk_reads_the_items_that_are_listed(service: Service) -> None:
    talk = Conversation(service)
    items: list[dict[str, Any]] = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "input_text", "text": "Time?"}]},
        {"role": "assistant", "content": "I'll look."},
        {"type": "function_call", "call_id": "a", "name": "get_time", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "a", "output": "12:00"},
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}]},
        {"role": "assistant", "content": "Noon.", "phase": "final_answer"},
    ]
    kept = talk.answered(talk.ask(input=items), Chunk("r", "!"), Chunk("r", finish_reason="stop"))
    listed = talk.endpoint.input_items(service, "ann", kept)
    read = [LISTED.validate_python(item) for item in listed]
    assert [item.type for item in read] == [item.get("type", "message") for item in items]
    assert len({item.id for item in read}) == len(items)
    assert read[1].content[0].text == "Time?"


def test_services_keep_apart(service: Service) -> None:
    talk = Conversation(service)
    first = talk.answered(talk.ask(input="One."), Chunk("r", finish_reason="stop"))
    talk.service = Service(UniversalLoader(Catalog([], demo=False)))
    with pytest.raises(PreviousResponseNotFound):
        talk.ask(input="Two.", previous_response_id=first)
