"""The one handler of all endpoints: parse, then answer whole or stream. What an endpoint does stands in `protocol/`."""

from __future__ import annotations

from typing import Any

from jupyter_uml.errors import UmlError
from jupyter_uml.protocol.endpoint import Caller, Endpoint
from jupyter_uml.server.base import UmlHandler, unexpected
from jupyter_uml.server.image_fetcher import ImageFetcher
from jupyter_uml.server.kernels import KernelWatch
from jupyter_uml.server.keys import KeyRing
from jupyter_uml.server.stream import ClientGoneError, EventStream
from jupyter_uml.service import Service


class EndpointHandler(UmlHandler):
    scope = "infer"

    def initialize(  # type: ignore[override]
        self, service: Service, keys: KeyRing, kernels: KernelWatch, endpoint: Endpoint[Any], fetcher: ImageFetcher
    ) -> None:
        super().initialize(service, keys, kernels)
        self.endpoint, self.fetcher = endpoint, fetcher

    async def post(self) -> None:
        body = self.parse(self.endpoint.body)
        await self.while_connected(self._answer(body))

    async def _answer(self, body: Any) -> None:
        images = await self.fetcher.fetch_for(body)
        caller = Caller(self.principal.name, self.request_id.removeprefix("req_"), images, self.hold())
        if self.endpoint.streams(body):
            await self._stream(body, caller)
        else:
            self.write_json(await self.endpoint.whole(self.service, body, caller))

    async def _stream(self, body: Any, caller: Caller) -> None:
        """Errors before the first event have a status of their own; later ones are an event."""
        stream = EventStream(self)
        try:
            await stream.send_all(self.endpoint.events(self.service, body, caller))
        except Exception as error:
            if isinstance(error, ClientGoneError) or not stream.open:
                raise
            if not isinstance(error, UmlError):
                self.log.exception("request %s failed in its stream", self.request_id)
                error = unexpected(self.request_id)
            await stream.send([self.endpoint.error_event(error, self.request_id)])

    def error_body(self, error: UmlError) -> dict[str, Any]:
        return self.endpoint.error_body(error, self.request_id)
