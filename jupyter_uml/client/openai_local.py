"""OpenAI's protocol without a server: the `openai` client's HTTP requests, answered in this process.

It is an httpx transport under the SDK, so that code written against the server also runs where there is none (a
script, VS Code). The endpoints are the server's own, over the service of this process.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator, Awaitable, Generator, Iterator
from contextlib import aclosing
from typing import Any, TypeVar

import httpx2
import orjson

from jupyter_uml.client.client import UniversalClient
from jupyter_uml.client.local_transport import LocalTransport
from jupyter_uml.errors import RouteNotFound, UmlError
from jupyter_uml.protocol.body import StrictBody, parse
from jupyter_uml.protocol.endpoint import Caller, Endpoint, plain_error
from jupyter_uml.protocol.endpoints import ENDPOINTS
from jupyter_uml.protocol.openai.model_list import model_card, models_body
from jupyter_uml.protocol.responses.endpoint import RESPONSES
from jupyter_uml.protocol.responses.queries import KeptQuery, ListQuery, ReadQuery, page, read_query
from jupyter_uml.protocol.statuses import headers_of, status_of
from jupyter_uml.service import Service

BASE_URL = "http://in-process.invalid/v1"  # never resolved: `.invalid` is reserved for that

PRINCIPAL = "local"

T = TypeVar("T")

_ENDPOINTS = {endpoint.path: endpoint for endpoint in ENDPOINTS}
_STARTED = int(time.time())


def local_http_client(client: UniversalClient) -> httpx2.Client:
    return httpx2.Client(transport=LocalOpenAI(client))


class LocalOpenAI(httpx2.BaseTransport):
    """Closing it closes the client."""

    def __init__(self, client: UniversalClient) -> None:
        self._client = client

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        path = request.url.path.strip("/")
        endpoint = _ENDPOINTS.get(path) if request.method == "POST" else None
        caller = Caller(PRINCIPAL, secrets.token_hex(12))
        patience = request.extensions.get("timeout", {}).get("read")
        id_ = f"req_{caller.request_id}"
        try:
            if endpoint is None:
                response = _json(self._client.background.run(self._looked_up(request)))
            else:
                response = self._answer(endpoint, parse(endpoint.body, request.read()), caller, patience)
        except _ImpatientError as error:
            raise httpx2.ReadTimeout("The answer took too long.", request=request) from error
        except UmlError as error:
            response = _json(
                endpoint.error_body(error, id_) if endpoint else plain_error(error), status_of(error), headers_of(error)
            )
        response.headers["X-Request-Id"] = id_
        return response

    def close(self) -> None:
        self._client.close()

    def _answer(
        self, endpoint: Endpoint[Any], body: StrictBody, caller: Caller, patience: float | None
    ) -> httpx2.Response:
        """`patience`: seconds that the caller waits for an answer, or for its next event; None: for ever."""
        thread = self._client.background
        if not endpoint.streams(body):
            return _json(thread.run(_within(patience, self._whole(endpoint, body, caller))))
        events = thread.iterate(_paced(patience, self._events(endpoint, body, caller)))
        opening = next(events)  # before it an error has a status of its own
        return httpx2.Response(200, headers={"Content-Type": "text/event-stream"}, stream=_Stream(opening, events))

    # --- on the loop's thread, where the service lives ---

    async def _service(self) -> Service:
        transport = await self._client.aio.transport()
        assert isinstance(transport, LocalTransport)
        return transport.service()

    async def _whole(self, endpoint: Endpoint[Any], body: StrictBody, caller: Caller) -> dict[str, Any]:
        return await endpoint.whole(await self._service(), body, caller)

    async def _events(self, endpoint: Endpoint[Any], body: StrictBody, caller: Caller) -> AsyncGenerator[bytes, None]:
        opened = False
        try:
            async with aclosing(endpoint.events(await self._service(), body, caller)) as events:
                async for event in events:
                    yield event.encode()
                    opened = True
        except UmlError as error:
            if not opened:
                raise
            yield endpoint.error_event(error, f"req_{caller.request_id}").encode()

    async def _looked_up(self, request: httpx2.Request) -> dict[str, Any]:
        """What is asked for without a body."""
        service, url = await self._service(), request.url
        query = {name: url.params.get_list(name) for name in url.params}
        match [request.method, *url.path.strip("/").split("/")]:
            case ["GET", "v1", "models"]:
                return models_body(await service.models(), _STARTED)
            case ["GET", "v1", "models", *name]:
                return model_card(await service.model("/".join(name)), _STARTED)
            case ["GET", "v1", "responses", id_]:
                read_query(ReadQuery, query)
                return RESPONSES.retrieve(service, PRINCIPAL, id_)
            case ["GET", "v1", "responses", id_, "input_items"]:
                return page(RESPONSES.input_items(service, PRINCIPAL, id_), read_query(ListQuery, query))
            case ["DELETE", "v1", "responses", id_]:
                read_query(KeptQuery, query)
                return RESPONSES.delete(service, PRINCIPAL, id_)
        raise RouteNotFound("There is no such route. Check the spelling: chat is `POST v1/chat/completions`.")


class _ImpatientError(Exception):
    """The caller's time-out."""


async def _within(patience: float | None, work: Awaitable[T]) -> T:
    """
    Raises:
        _ImpatientError: it took too long, and was cancelled.
    """
    try:
        async with asyncio.timeout(patience) as limit:
            return await work
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise _ImpatientError from error


async def _paced(patience: float | None, events: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    async with aclosing(events):
        while (event := await _within(patience, anext(events, None))) is not None:
            yield event


class _Stream(httpx2.SyncByteStream):
    """Server-sent events; closing them stops the engine."""

    def __init__(self, opening: bytes, events: Generator[bytes, None, None]) -> None:
        self._opening, self._events = opening, events

    def __iter__(self) -> Iterator[bytes]:
        yield self._opening
        try:
            yield from self._events
        except _ImpatientError as error:
            raise httpx2.ReadTimeout("The answer took too long to go on.") from error

    def close(self) -> None:
        self._events.close()


def _json(body: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None) -> httpx2.Response:
    return httpx2.Response(
        status, content=orjson.dumps(body), headers={"Content-Type": "application/json", **(headers or {})}
    )
