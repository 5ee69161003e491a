"""The one handler of all endpoints: parse, then answer whole or stream. What an endpoint does stands in `protocol/`."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from jupyter_uml.errors import UmlError
from jupyter_uml.protocol.endpoint import Caller, Endpoint, Event
from jupyter_uml.server.base import UmlHandler
from jupyter_uml.server.doorway import Doorway
from jupyter_uml.server.faults import unexpected
from jupyter_uml.server.image_fetcher import ImageFetcher
from jupyter_uml.server.passage import Passage
from jupyter_uml.server.stream import ClientGoneError, EventStream


class EndpointHandler(UmlHandler):
    scope = "infer"

    def initialize(  # type: ignore[override]
        self, endpoint: Endpoint[Any], fetcher: ImageFetcher, doorway: Doorway, **shared: Any
    ) -> None:
        super().initialize(**shared)
        self.endpoint, self.fetcher, self.doorway = endpoint, fetcher, doorway

    async def prepare(self) -> None:  # type: ignore[override]
        await self.doorway.come_in()
        await super().prepare()

    async def post(self) -> None:
        await self.while_connected(self._answer())

    async def _answer(self) -> None:
        """What is recorded is on the disk before whoever asked knows that the answer is over."""
        async with self.gate.enter(self.principal, self.request_id, self.route) as passage:
            body = self.parse(self.endpoint.body)
            await passage.admit(body.model)
            images = await self.fetcher.fetch_for(body)
            caller = Caller(self.principal.id, self.request_id.removeprefix("req_"), images, self.hold())
            if self.endpoint.streams(body):
                await self._stream(passage, body, caller)
                return
            answer = await self.endpoint.whole(passage, body, caller)
        self.write_json(answer)

    async def _stream(self, passage: Passage, body: Any, caller: Caller) -> None:
        """Errors before the first event have a status of their own; later ones are an event."""
        stream = EventStream(self, headers=passage.headers)
        try:
            await stream.send_all(_recorded(passage, self.endpoint.events(passage, body, caller)))
        except Exception as error:
            if isinstance(error, ClientGoneError) or not stream.open:
                raise
            if not isinstance(error, UmlError):
                self.log.exception("request %s failed in its stream", self.request_id)
            await passage.end(error)
            known = error if isinstance(error, UmlError) else unexpected(self.request_id)
            await stream.send([self.endpoint.error_event(known, self.request_id)])

    def error_body(self, error: UmlError) -> dict[str, Any]:
        return self.endpoint.error_body(error, self.request_id)


async def _recorded(passage: Passage, events: AsyncGenerator[Event, None]) -> AsyncGenerator[Event, None]:
    """The events; the record is written before the last one."""
    async with aclosing(events):
        async for event in events:
            if event.is_last:
                await passage.end()
            yield event
