"""The one handler of all endpoints: parse, then answer whole or stream. What an endpoint does stands in `protocol/`."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from jupyter_uml.errors import InvalidRequest, UmlError
from jupyter_uml.generations import Asked, Generations
from jupyter_uml.protocol.endpoint import Caller, Endpoint, Event
from jupyter_uml.server.base import UmlHandler
from jupyter_uml.server.doorway import Doorway
from jupyter_uml.server.faults import unexpected
from jupyter_uml.server.image_fetcher import ImageFetcher
from jupyter_uml.server.kept import (
    GENERATION_HEADER,
    LABEL_HEADER,
    EndpointWork,
    generation_id,
    label_of,
    recorded,
    tell,
)
from jupyter_uml.server.passage import Passage
from jupyter_uml.server.stream import ClientGoneError, EventStream


class EndpointHandler(UmlHandler):
    scope = "infer"

    def initialize(  # type: ignore[override]
        self,
        endpoint: Endpoint[Any],
        fetcher: ImageFetcher,
        doorway: Doorway,
        generations: Generations[bytes],
        **shared: Any,
    ) -> None:
        super().initialize(**shared)
        self.endpoint, self.fetcher, self.doorway, self.generations = endpoint, fetcher, doorway, generations

    async def prepare(self) -> None:  # type: ignore[override]
        await self.doorway.come_in()
        await super().prepare()

    async def post(self) -> None:
        is_kept = GENERATION_HEADER in self.request.headers
        await self.while_connected(self._answer_kept() if is_kept else self._answer())

    async def _answer(self) -> None:
        """What is recorded is on the disk before whoever asked knows that the answer is over."""
        label = label_of(self.request.headers) if LABEL_HEADER in self.request.headers else None
        async with self.gate.enter(self.principal, self.request_id, self.route, label) as passage:
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
            await stream.send_all(recorded(passage, self.endpoint.events(passage, body, caller)))
        except Exception as error:
            if isinstance(error, ClientGoneError) or not stream.open:
                raise
            if not isinstance(error, UmlError):
                self.log.exception("request %s failed in its stream", self.request_id)
            await passage.end(error)
            known = error if isinstance(error, UmlError) else unexpected(self.request_id)
            await stream.send([self.endpoint.error_event(known, self.request_id)])

    async def _answer_kept(self) -> None:
        """The answer is a generation's, with a passage of its own; this request only reads it."""
        try:
            asked, work = self._asked()
            generation = self.generations.begin(asked, work)
        except UmlError:
            async with self.gate.enter(self.principal, self.request_id, self.route):  # which records it
                raise
        del work  # what was asked need not be in memory as long as the slowest reader
        await tell(self, self.generations, generation, self._error_event)

    def _asked(self) -> tuple[Asked, EndpointWork]:
        """
        Raises:
            UmlError: the body or a header is wrong.
        """
        headers = self.request.headers
        own_id, label = generation_id(headers), label_of(headers)
        digest = sha256(self.endpoint.path.encode())
        digest.update(self._body)
        body, hold = self.parse(self.endpoint.body), self.hold()
        if not self.endpoint.streams(body):
            raise InvalidRequest(f"{GENERATION_HEADER} is for answers that are streamed.", param="stream")
        asked = Asked(self.principal.id, own_id, digest.digest(), label, hold.kernel)
        work = EndpointWork(
            self.gate, self.fetcher, self.endpoint, body, self.principal, self.request_id, self.route, hold
        )
        return asked, work

    def _error_event(self, error: UmlError) -> Event:
        return self.endpoint.error_event(error, self.request_id)

    def error_body(self, error: UmlError) -> dict[str, Any]:
        return self.endpoint.error_body(error, self.request_id)
