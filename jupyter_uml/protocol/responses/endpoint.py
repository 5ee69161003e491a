"""OpenAI's `v1/responses`: a conversation of items, which goes on from an answer that is kept here."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass
from itertools import count
from typing import Any
from weakref import WeakKeyDictionary

import orjson

from jupyter_uml.errors import InvalidRequest, PreviousResponseNotFound, ResponseNotFound, UmlError
from jupyter_uml.protocol.endpoint import Caller, Endpoint, Event, Verbs
from jupyter_uml.protocol.images import ImageReader
from jupyter_uml.protocol.responses.body import ResponsesRequest
from jupyter_uml.protocol.responses.echo import echo
from jupyter_uml.protocol.responses.errors import error_event, error_fields
from jupyter_uml.protocol.responses.items import MAX_ITEMS, ItemReference, KeptItem, read_kept
from jupyter_uml.protocol.responses.output import Body
from jupyter_uml.protocol.responses.store import ResponseStore, StoredResponse
from jupyter_uml.protocol.responses.writer import ResponseWriter
from jupyter_uml.service import Service
from jupyter_uml.types import GenerateRequest

_ID = "resp_"
_REQUEST_DIGITS = 24  # of a request's id: what the ids of an answer and its items begin with
_PREFIXES = {"message": "msg", "function_call": "fc", "function_call_output": "fco", "reasoning": "rs"}


@dataclass(frozen=True, slots=True)
class Turn:
    """A request that was understood. `items`: the whole conversation, as it is kept."""

    request: GenerateRequest
    writer: ResponseWriter
    items: list[Body]


class ResponsesEndpoint(Endpoint[ResponsesRequest]):
    """Keeps answers for each service as long as the service lives."""

    path = "v1/responses"
    summary = "OpenAI's responses: text, tools, structured output, and conversations that go on from a kept answer."
    body = ResponsesRequest

    def __init__(self) -> None:
        self._stores: WeakKeyDictionary[Service, ResponseStore] = WeakKeyDictionary()

    def store(self, service: Verbs) -> ResponseStore:
        return self._stores.setdefault(service.origin, ResponseStore())

    def streams(self, body: ResponsesRequest) -> bool:
        return bool(body.stream)

    async def whole(self, service: Verbs, body: ResponsesRequest, caller: Caller) -> dict[str, Any]:
        turn = self.begin(service, body, caller)
        async with aclosing(service.generate(turn.request)) as chunks:
            async for chunk in chunks:
                turn.writer.add(chunk)
        self._keep(service, body, caller, turn)
        return turn.writer.response

    async def events(self, service: Verbs, body: ResponsesRequest, caller: Caller) -> AsyncGenerator[Event, None]:
        turn, numbers = self.begin(service, body, caller), count()
        writer, started = turn.writer, False

        def numbered(events: Iterable[Body]) -> list[Event]:
            return [Event({**event, "sequence_number": next(numbers)}, event["type"]) for event in events]

        try:
            async with aclosing(service.generate(turn.request)) as chunks:
                async for chunk in chunks:
                    news = [] if started else writer.start()
                    started = True
                    news += writer.add(chunk)
                    if chunk.finish_reason:  # whoever reads the last event may go on from this answer
                        self._keep(service, body, caller, turn)
                    for event in numbered(news):
                        yield event
        except UmlError as error:
            if not started:
                raise
            for event in numbered(writer.fail(error)):
                yield event

    def error_body(self, error: UmlError, request_id: str) -> dict[str, Any]:
        return {"error": error_fields(error)}

    def error_event(self, error: UmlError, request_id: str) -> Event:
        return Event({**error_event(error), "sequence_number": 0}, "error")

    # --- what is kept ---

    def retrieve(self, service: Verbs, principal: str, response_id: str) -> Body:
        """A kept answer.

        Raises:
            ResponseNotFound: there is none.
        """
        body: Body = orjson.loads(self.store(service).get(principal, response_id).body)
        return body

    def delete(self, service: Verbs, principal: str, response_id: str) -> dict[str, Any]:
        """
        Raises:
            ResponseNotFound: there is none.
        """
        self.store(service).delete(principal, response_id)
        return {"id": response_id, "object": "response", "deleted": True}

    def input_items(self, service: Verbs, principal: str, response_id: str) -> list[Body]:
        """What the model was given, from the beginning of the conversation; without the instructions.

        Raises:
            ResponseNotFound: there is no such answer.
        """
        stored = self.store(service).get(principal, response_id)
        items: list[Body] = orjson.loads(stored.items)
        return items[: len(items) - stored.output_items]

    # --- a turn ---

    def begin(self, service: Verbs, body: ResponsesRequest, caller: Caller) -> Turn:
        """What the request asks for, together with what it refers to.

        Raises:
            InvalidRequest: it does not fit together, or refers to what is not kept.
        """
        store, new_id = self.store(service), _ids(caller.request_id)
        earlier = self._earlier(store, body, caller)
        if len(earlier) + len(body.given()) > MAX_ITEMS:
            raise InvalidRequest(f"A conversation may have {MAX_ITEMS} items.", param="previous_response_id")
        given = [self._found(store, item, caller, place) for place, item in enumerate(body.given())]
        request = body.to_native(caller, read_kept(earlier), given, ImageReader(caller.images))
        kept = [item.kept(new_id(_PREFIXES[item.type])) for item in given]
        writer = ResponseWriter(
            _ID + caller.request_id,
            echo(body),
            new_id,
            summarize=body.wants_summary,
            seal=body.wants_sealed_reasoning,
        )
        return Turn(request, writer, [*earlier, *kept])

    @staticmethod
    def _earlier(store: ResponseStore, body: ResponsesRequest, caller: Caller) -> list[Body]:
        if body.previous_response_id is None:
            return []
        try:
            items: list[Body] = orjson.loads(store.get(caller.principal, body.previous_response_id).items)
        except ResponseNotFound as error:
            raise PreviousResponseNotFound(error.message, param="previous_response_id") from error
        return items

    @staticmethod
    def _found(store: ResponseStore, item: KeptItem | ItemReference, caller: Caller, place: int) -> KeptItem:
        """The item itself, where only its id was sent. Which answer it belongs to, the id says."""
        if not isinstance(item, ItemReference):
            return item
        try:
            owner = _ID + item.id.partition("_")[2][:_REQUEST_DIGITS]
            rows: list[Body] = orjson.loads(store.get(caller.principal, owner).items)
        except ResponseNotFound:
            rows = []
        for row in rows:
            if row["id"] == item.id:
                return read_kept([row])[0]
        raise InvalidRequest(f"No item {item.id!r} is kept. Send the item itself.", param=f"input.{place}.id")

    def _keep(self, service: Verbs, body: ResponsesRequest, caller: Caller, turn: Turn) -> None:
        if body.store is False:
            return
        response = turn.writer.response
        stored = StoredResponse(
            orjson.dumps(response), orjson.dumps([*turn.items, *response["output"]]), len(response["output"])
        )
        self.store(service).put(caller.principal, response["id"], stored)


def _ids(request_id: str) -> Callable[[str], str]:
    """Ids of the items of one request: a prefix, the request's id and a number."""
    numbers = count()
    return lambda prefix: f"{prefix}_{request_id[:_REQUEST_DIGITS]}{next(numbers):04x}"


RESPONSES = ResponsesEndpoint()
