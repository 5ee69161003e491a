"""OpenAI's protocol without a server: the `openai` clients' HTTP requests, answered in this process.

These are httpx transports under the SDK, so that code written against the server also runs where there is none (a
script, VS Code). The endpoints are the server's own, over the service of this process.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Generator, Iterator
from contextlib import AbstractContextManager, aclosing
from typing import Any, TypeVar

import httpx2
import orjson

from jupyter_uml.client.client import UniversalClient
from jupyter_uml.client.local_endpoints import BY_PATH, PRINCIPAL
from jupyter_uml.client.local_live import Shown, shown
from jupyter_uml.client.local_transport import LocalTransport
from jupyter_uml.errors import RouteNotFound, UmlError
from jupyter_uml.protocol.body import StrictBody, parse
from jupyter_uml.protocol.endpoint import Caller, Endpoint, plain_error
from jupyter_uml.protocol.openai.model_list import model_card, models_body
from jupyter_uml.protocol.responses.endpoint import RESPONSES
from jupyter_uml.protocol.responses.queries import KeptQuery, ListQuery, ReadQuery, page, read_query
from jupyter_uml.protocol.statuses import headers_of, status_of
from jupyter_uml.service import Service

BASE_URL = "http://in-process.invalid/v1"  # never resolved: `.invalid` is reserved for that

T = TypeVar("T")

_STARTED = int(time.time())


def local_http_client(client: UniversalClient) -> httpx2.Client:
    return httpx2.Client(transport=LocalOpenAI(client))


def local_async_http_client(client: UniversalClient) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=AsyncLocalOpenAI(client))


class LocalOpenAI(httpx2.BaseTransport):
    """Closing it closes the client."""

    def __init__(self, client: UniversalClient) -> None:
        self._client, self._desk = client, _Desk(client)

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        thread, content = self._client.background, request.read()
        status, headers, answer = thread.run(self._desk.answer(request, content))
        if isinstance(answer, bytes):
            return httpx2.Response(status, headers=headers, content=answer)
        return httpx2.Response(status, headers=headers, stream=_Stream(thread.iterate(answer)))

    def close(self) -> None:
        self._client.close()


class AsyncLocalOpenAI(httpx2.AsyncBaseTransport):
    """The same for any event loop."""

    def __init__(self, client: UniversalClient) -> None:
        self._client, self._desk = client, _Desk(client)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        thread, content = self._client.background, await request.aread()
        status, headers, answer = await thread.there(self._desk.answer(request, content))
        if isinstance(answer, bytes):
            return httpx2.Response(status, headers=headers, content=answer)
        return httpx2.Response(status, headers=headers, stream=_AsyncStream(thread.follow(answer)))

    async def aclose(self) -> None:
        await asyncio.to_thread(self._client.close)


class _Desk:
    """Takes requests, on the loop that the service lives on."""

    def __init__(self, client: UniversalClient) -> None:
        self._client = client

    async def answer(
        self, request: httpx2.Request, content: bytes
    ) -> tuple[int, dict[str, str], bytes | AsyncGenerator[bytes, None]]:
        """Status, headers, and the body or its events.

        Raises:
            httpx2.ReadTimeout: it took longer than the caller waits.
        """
        endpoint = BY_PATH.get(request.url.path.strip("/")) if request.method == "POST" else None
        caller = Caller(PRINCIPAL, secrets.token_hex(12))
        patience = request.extensions.get("timeout", {}).get("read")  # seconds until an answer, or its next event
        headers = {"Content-Type": "application/json", "X-Request-Id": f"req_{caller.request_id}"}
        try:
            if endpoint is None:
                return 200, headers, orjson.dumps(await self._looked_up(request))
            body = parse(endpoint.body, content)
            if not endpoint.streams(body):
                return 200, headers, orjson.dumps(await _within(patience, self._whole(endpoint, body, caller)))
            events = await _opened(_paced(patience, self._events(endpoint, body, caller)))
            return 200, headers | {"Content-Type": "text/event-stream"}, events
        except UmlError as error:
            told = endpoint.error_body(error, headers["X-Request-Id"]) if endpoint else plain_error(error)
            return status_of(error), headers | headers_of(error), orjson.dumps(told)

    async def _transport(self) -> LocalTransport:
        transport = await self._client.aio.transport()
        assert isinstance(transport, LocalTransport)
        return transport

    async def _service(self) -> Service:
        return (await self._transport()).service()

    async def _whole(self, endpoint: Endpoint[Any], body: StrictBody, caller: Caller) -> dict[str, Any]:
        with self._shown(await self._transport(), endpoint, body, caller) as verbs:
            return await endpoint.whole(verbs, body, caller)

    @staticmethod
    def _shown(
        transport: LocalTransport, endpoint: Endpoint[Any], body: StrictBody, caller: Caller
    ) -> AbstractContextManager[Shown]:
        model, request_id = getattr(body, "model", ""), f"req_{caller.request_id}"
        return shown(transport.live(), transport.service(), request_id, model, endpoint.path)

    async def _events(self, endpoint: Endpoint[Any], body: StrictBody, caller: Caller) -> AsyncGenerator[bytes, None]:
        opened = False
        try:
            with self._shown(await self._transport(), endpoint, body, caller) as verbs:
                async with aclosing(endpoint.events(verbs, body, caller)) as events:
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


async def _within(patience: float | None, work: Awaitable[T]) -> T:
    """
    Raises:
        httpx2.ReadTimeout: it took too long, and was cancelled.
    """
    try:
        async with asyncio.timeout(patience) as limit:
            return await work
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise httpx2.ReadTimeout("The answer took too long.") from error


async def _paced(patience: float | None, events: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    async with aclosing(events):
        while (event := await _within(patience, anext(events, None))) is not None:
            yield event


async def _opened(events: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """The same events, the first of which has come: before it an error has a status of its own."""
    opening = await anext(events)

    async def all_of_them() -> AsyncGenerator[bytes, None]:
        async with aclosing(events):
            yield opening
            async for event in events:
                yield event

    return all_of_them()


class _Stream(httpx2.SyncByteStream):
    """Server-sent events; closing them stops the engine."""

    def __init__(self, events: Generator[bytes, None, None]) -> None:
        self._events = events

    def __iter__(self) -> Iterator[bytes]:
        yield from self._events

    def close(self) -> None:
        self._events.close()


class _AsyncStream(httpx2.AsyncByteStream):
    def __init__(self, events: AsyncGenerator[bytes, None]) -> None:
        self._events = events

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for event in self._events:
            yield event

    async def aclose(self) -> None:
        await self._events.aclose()
