"""The transport to a jupyter_uml server, over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any
from urllib.parse import quote, urlencode

import httpx2

from jupyter_uml.client.http_errors import error_of, parsed
from jupyter_uml.client.keys import ApiKey, NewKey, UsageTotal
from jupyter_uml.client.pulls import PullProgress, PullReader
from jupyter_uml.client.request_body import request_body, request_path
from jupyter_uml.client.retry import RetryPolicy, with_retries
from jupyter_uml.client.sse import ServerEvent, SSEDecoder
from jupyter_uml.client.transport import HOLD, KERNEL_HEADER
from jupyter_uml.client.wire import ChunkAssembler
from jupyter_uml.errors import AuthenticationFailed, ConnectionFailed, InvalidRequest, StreamInterrupted
from jupyter_uml.types import (
    Chunk,
    GenerateRequest,
    Hold,
    LoadSettings,
    MemoryEstimate,
    ModelProfile,
    ModelStatus,
    Sample,
    Speed,
)

CONNECT_SECONDS = 5.0
READ_SECONDS = 30.0  # of calls that the server answers at once
SILENCE_SECONDS = 60.0  # the server sends a heartbeat every 10 s

_NO_SERVER = (
    "No jupyter_uml server answered. Is it running? Start JupyterLab with jupyter_uml installed, or `jupyter uml`, "
    "and check the client's url."
)
_CUT = "The connection to the server was lost before the answer was whole."
_CUT_PULL = "The connection to the server was lost. What has come is kept: pull again to go on."


class HTTPTransport:
    """`url` is the base of jupyter_uml's routes, such as `http://127.0.0.1:8888/uml`.

    `silence` bounds the wait between two signs of life of a stream that has begun, in seconds. Before that there is
    no limit: the server may be loading the model. `kernel` is the id of the kernel that this process is.
    """

    def __init__(
        self,
        url: str,
        api_key: str | None = None,
        *,
        kernel: str | None = None,
        retry: RetryPolicy | None = None,
        silence: float = SILENCE_SECONDS,
    ) -> None:
        if api_key is not None and not (api_key.isascii() and api_key.isprintable()):
            raise AuthenticationFailed("The key or token has characters that no key has.")
        self.url = base_url(url)
        self.api_key = api_key
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._headers |= {KERNEL_HEADER: kernel} if kernel else {}
        self._retry = retry or RetryPolicy()
        self._silence = silence
        self._http: httpx2.AsyncClient | None = None

    async def health(self) -> dict[str, Any]:
        return await self._json("GET", "health")

    async def models(self) -> list[ModelStatus]:
        return [ModelStatus.from_dict(row) for row in (await self._json("GET", "models"))["models"]]

    async def model(self, model: str) -> ModelStatus:
        return ModelStatus.from_dict(await self._json("GET", f"models/{quote(model, safe='/:')}"))

    async def estimate(self, model: str, settings: LoadSettings) -> MemoryEstimate:
        return MemoryEstimate.from_dict(await self._json("POST", "estimate", {"model": model, **settings.asked()}))

    async def load(
        self, model: str, settings: LoadSettings, wait: bool = True, hold: Hold = HOLD, pin: bool | None = None
    ) -> ModelStatus:
        more = {"keep_alive": hold.keep_alive, "pin": pin}
        given = {name: value for name, value in more.items() if value is not None}
        body = {"model": model, **settings.asked(), "wait": wait, **given}
        return ModelStatus.from_dict(await self._json("POST", "load_model", body))

    async def unload(self, model: str, force: bool = False) -> ModelStatus:
        return ModelStatus.from_dict(await self._json("POST", "unload_model", {"model": model, "force": force}))

    async def history(self, model: str) -> list[Sample]:
        body = await self._json("GET", f"models/{quote(model, safe='/:')}/history")
        return [Sample(**row) for row in body["samples"]]

    async def measure(self, model: str) -> Speed:
        return Speed.from_dict(await self._json("POST", "bench_model", {"model": model}))

    async def pull(self, name: str) -> AsyncGenerator[PullProgress, None]:
        reader = PullReader(name)
        async with aclosing(self._events("pull", {"model": name})) as events:
            async for event in events:
                row = reader.add(event.event, event.data)
                yield row
                if row.state == "done":
                    return
        raise StreamInterrupted(_CUT_PULL)

    async def pulls(self) -> list[PullProgress]:
        return [PullProgress.from_row(row) for row in (await self._json("GET", "pull"))["pulls"]]

    async def cancel_pull(self, pull_id: str) -> PullProgress:
        return PullProgress.from_row(await self._json("DELETE", f"pull/{quote(pull_id, safe='')}"))

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Chunk, None]:
        assembler = ChunkAssembler(request.id)
        async with aclosing(self._events(request_path(request), request_body(request))) as events:
            async for event in events:
                chunk = assembler.add(event.event, event.data)
                if chunk is not None:
                    yield chunk
                if assembler.done:
                    return
        raise StreamInterrupted(_CUT)

    async def profiles(self) -> list[ModelProfile]:
        return [ModelProfile.from_row(row) for row in (await self._json("GET", "profiles"))["profiles"]]

    async def save_profile(self, name: str, table: dict[str, Any]) -> ModelProfile:
        return ModelProfile.from_row(await self._json("PUT", f"profiles/{quote(name, safe='')}", table))

    async def delete_profile(self, name: str) -> ModelProfile:
        return ModelProfile.from_row(await self._json("DELETE", f"profiles/{quote(name, safe='')}", idempotent=False))

    async def keys(self) -> list[ApiKey]:
        return [ApiKey.from_row(row) for row in (await self._json("GET", "keys"))["keys"]]

    async def create_key(self, asked: dict[str, Any]) -> NewKey:
        return NewKey.from_row(await self._json("POST", "keys", asked, idempotent=False))

    async def expire_key(self, key_id: str, expires_in: float | str | None) -> ApiKey:
        return ApiKey.from_row(await self._json("POST", f"keys/{quote(key_id, safe='')}", {"expires_in": expires_in}))

    async def revoke_key(self, key_id: str) -> ApiKey:
        return ApiKey.from_row(await self._json("DELETE", f"keys/{quote(key_id, safe='')}"))

    async def usage(self, query: dict[str, str]) -> list[UsageTotal]:
        return [UsageTotal.from_row(row) for row in (await self._json("GET", f"usage?{urlencode(query)}"))["usage"]]

    async def aclose(self) -> None:
        if self._http is not None:
            await self._http.aclose()
            self._http = None

    # --- HTTP -----------------------------------------------------------------------------------

    def _client(self) -> httpx2.AsyncClient:
        if self._http is None:
            self._http = httpx2.AsyncClient(
                headers=self._headers,
                timeout=httpx2.Timeout(None, connect=CONNECT_SECONDS),
                trust_env=not is_loopback(self.url),
                limits=httpx2.Limits(max_connections=None, max_keepalive_connections=20),
            )
        return self._http

    async def _json(
        self, method: str, path: str, body: dict[str, Any] | None = None, *, idempotent: bool = True
    ) -> dict[str, Any]:
        read = READ_SECONDS if method == "GET" else None

        async def call() -> dict[str, Any]:
            response = await self._send(method, path, body, read=read)
            try:
                return parsed(await response.aread())
            except httpx2.TransportError as error:
                raise ConnectionFailed(_CUT) from error
            finally:
                await response.aclose()

        return await with_retries(call, idempotent=idempotent, policy=self._retry)

    async def _send(
        self, method: str, path: str, body: dict[str, Any] | None, read: float | None = None
    ) -> httpx2.Response:
        """A response with a good status, its body not read yet."""
        client = self._client()
        timeout = httpx2.Timeout(read, connect=CONNECT_SECONDS, pool=None)
        try:
            request = client.build_request(method, f"{self.url}/{path}", json=body, timeout=timeout)
            response = await client.send(request, stream=True)
        except httpx2.TransportError as error:
            raise ConnectionFailed(_NO_SERVER) from error
        if response.is_success:
            return response
        try:
            raise error_of(response, await response.aread())
        except httpx2.TransportError as error:
            raise ConnectionFailed(_CUT) from error
        finally:
            await response.aclose()

    async def _events(self, path: str, body: dict[str, Any]) -> AsyncGenerator[ServerEvent, None]:
        decoder = SSEDecoder()
        response = await with_retries(lambda: self._send("POST", path, body), idempotent=False, policy=self._retry)
        try:
            async with aclosing(self._pieces(response)) as pieces:
                async for piece in pieces:
                    for event in _decoded(decoder, piece):
                        yield event
        finally:
            await response.aclose()

    async def _pieces(self, response: httpx2.Response) -> AsyncGenerator[bytes, None]:
        try:
            async with aclosing(response.aiter_bytes()) as pieces:
                while True:
                    async with asyncio.timeout(self._silence):
                        piece = await anext(pieces, None)
                    if piece is None:
                        return
                    yield piece
        except (httpx2.TransportError, httpx2.DecodingError) as error:
            raise StreamInterrupted(_CUT) from error
        except TimeoutError as error:
            raise StreamInterrupted(f"The server has been silent for {self._silence:.0f} s.") from error


def base_url(url: str) -> str:
    """Without the slash at the end, and without the `/v1` that OpenAI clients want.

    Raises:
        InvalidRequest: that is no URL that HTTP can reach.
    """
    try:
        good = httpx2.URL(url.strip()).scheme in ("http", "https") and bool(httpx2.URL(url.strip()).host)
    except httpx2.InvalidURL:
        good = False
    if not good:
        raise InvalidRequest("The url must look like http://127.0.0.1:8888/uml.", param="url")
    return url.strip().rstrip("/").removesuffix("/v1").rstrip("/")


def is_loopback(url: str) -> bool:
    """Then no proxy of the environment can be the way there."""
    host = httpx2.URL(url).host
    return host in ("localhost", "::1") or host.startswith("127.")


def _decoded(decoder: SSEDecoder, piece: bytes) -> list[ServerEvent]:
    try:
        return decoder.feed(piece)
    except ValueError as error:
        raise StreamInterrupted("The server sent an event that is too large.") from error
