"""The transport to a jupyter_uml server, over HTTP."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any
from urllib.parse import quote, urlencode

import httpx2

from jupyter_uml.client.health import Health
from jupyter_uml.client.http_errors import HTTP_ERRORS, error_of, parsed
from jupyter_uml.client.keys import ApiKey, NewKey, UsageTotal
from jupyter_uml.client.per_loop import PerLoop
from jupyter_uml.client.pulls import PullProgress, PullReader
from jupyter_uml.client.reattach import label_header, reattached
from jupyter_uml.client.request_body import encoded, request_body, request_path
from jupyter_uml.client.retry import RetryPolicy, with_retries
from jupyter_uml.client.sse import ServerEvent, SSEDecoder
from jupyter_uml.client.transport import GENERATION_HEADER, HOLD, KERNEL_HEADER, LABEL_HEADER, LAST_EVENT_HEADER
from jupyter_uml.client.wire import ChunkAssembler, error_from, parse_event
from jupyter_uml.errors import (
    AuthenticationFailed,
    ConnectionFailed,
    GenerationNotFound,
    InvalidRequest,
    StreamInterrupted,
)
from jupyter_uml.types import (
    Chunk,
    GenerateRequest,
    GenerationLabel,
    GenerationStatus,
    Hold,
    LoadSettings,
    MemoryEstimate,
    ModelProfile,
    ModelStatus,
    RunningAnswer,
    Sample,
    Speed,
)

CONNECT_SECONDS = 5.0
READ_SECONDS = 30.0  # of calls that the server answers at once
SILENCE_SECONDS = 60.0  # the server sends a heartbeat every 10 s
STOP_SECONDS = 2.0  # a stop that takes longer is given up; the interpreter may be waiting for its end
JSON = {"Content-Type": "application/json"}
_NO_LABEL = GenerationLabel()

_NO_SERVER = (
    "No jupyter_uml server answered. Is it running? Start JupyterLab with jupyter_uml installed, or `jupyter uml`, "
    "and check the client's url, and the proxies of the environment."
)
_CUT = "The connection to the server was lost before the answer was whole."
_CUT_EVENTS = "The connection to the server was lost."
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
        self._http = PerLoop(self._new_http)

    async def health(self) -> Health:
        return Health.from_row(await self._json("GET", "health"))

    async def models(self, refresh: bool = False) -> list[ModelStatus]:
        body = await self._json("GET", "models?refresh=1" if refresh else "models")
        return [ModelStatus.from_dict(row) for row in body["models"]]

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
        return [Sample.from_dict(row) for row in body["samples"]]

    async def measure(self, model: str) -> Speed:
        return Speed.from_dict(await self._json("POST", "bench_model", {"model": model}))

    async def pull(self, name: str) -> AsyncGenerator[PullProgress, None]:
        reader = PullReader(name)
        async with aclosing(self._events("POST", "pull", {"model": name})) as events:
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

    def generate(self, request: GenerateRequest) -> AsyncGenerator[Chunk, None]:
        if request.label is None:
            return _chunks(request.id, self._events("POST", request_path(request), request_body(request)))
        return _chunks(request.id, self._kept_events(request.id, request))

    async def generations(self, kernel: str | None = None) -> list[GenerationStatus]:
        query = f"?{urlencode({'kernel': kernel})}" if kernel else ""
        body = await self._json("GET", f"generations{query}")
        return [GenerationStatus.from_dict(row) for row in body["generations"]]

    async def generation(self, generation_id: str) -> GenerationStatus:
        return GenerationStatus.from_dict(await self._json("GET", _generation_path(generation_id)))

    def follow(self, generation_id: str, after: int = 0) -> AsyncGenerator[Chunk, None]:
        return _chunks(generation_id, self._kept_events(generation_id, after=after))

    async def stop(self, generation_id: str) -> GenerationStatus:
        try:
            async with asyncio.timeout(STOP_SECONDS):
                return await self._stop(generation_id)
        except TimeoutError as error:
            raise ConnectionFailed("The server did not answer in time.") from error

    async def _stop(self, generation_id: str) -> GenerationStatus:
        """To repeat it blindly might forget what the first time has stopped."""
        path = _generation_path(generation_id)
        try:
            return GenerationStatus.from_dict(await self._json("DELETE", path, idempotent=False))
        except ConnectionFailed:
            status = await self.generation(generation_id)
            if status.state != "running":
                return status
            return GenerationStatus.from_dict(await self._json("DELETE", path, idempotent=False))

    async def events(self) -> AsyncGenerator[Mapping[str, Any], None]:
        async with aclosing(self._events("GET", "events", repeatable=True)) as events:
            async for event in events:
                if event.event == "error":
                    raise error_from(parse_event(event.data))
                if event.event == "state":
                    yield parse_event(event.data)
        raise StreamInterrupted(_CUT_EVENTS)

    async def running(self) -> list[RunningAnswer]:
        return [RunningAnswer.from_dict(row) for row in (await self._json("GET", "running"))["running"]]

    async def stop_running(self, running_id: str) -> RunningAnswer:
        path = f"running/{quote(running_id, safe='')}"
        return RunningAnswer.from_dict(await self._json("DELETE", path, idempotent=False))

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
        if (http := self._http.take()) is not None:
            await http.aclose()

    # --- HTTP -----------------------------------------------------------------------------------

    def _new_http(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(
            headers=self._headers,
            timeout=httpx2.Timeout(None, connect=CONNECT_SECONDS),
            trust_env=not is_loopback(self.url),
            verify=True if self._may_meet_tls() else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=20),
        )

    def _may_meet_tls(self) -> bool:
        """Else there is no need to read all certificates of the machine, which takes 50 ms."""
        return self.url.startswith("https:") or not is_loopback(self.url)

    async def _json(
        self, method: str, path: str, body: dict[str, Any] | None = None, *, idempotent: bool = True
    ) -> dict[str, Any]:
        read = READ_SECONDS if method == "GET" else None

        async def call() -> dict[str, Any]:
            response = await self._send(method, path, body, read=read)
            try:
                return parsed(await response.aread())
            except HTTP_ERRORS as error:
                raise ConnectionFailed(_CUT) from error
            finally:
                await response.aclose()

        return await with_retries(call, idempotent=idempotent, policy=self._retry)

    async def _send(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None,
        read: float | None = None,
        headers: dict[str, str] | None = None,
    ) -> httpx2.Response:
        """A response with a good status, its body not read yet."""
        timeout = httpx2.Timeout(read, connect=CONNECT_SECONDS, pool=None)
        content = None if body is None else encoded(body)
        headers = (JSON if content else {}) | (headers or {})
        try:
            client = self._http.here()
            request = client.build_request(
                method, f"{self.url}/{path}", content=content, headers=headers, timeout=timeout
            )
            response = await client.send(request, stream=True)
        except HTTP_ERRORS as error:
            raise ConnectionFailed(_NO_SERVER) from error
        if response.is_success:
            return response
        try:
            raise error_of(response, await response.aread())
        except HTTP_ERRORS as error:
            raise ConnectionFailed(_CUT) from error
        finally:
            await response.aclose()

    async def _kept_events(
        self, generation_id: str, request: GenerateRequest | None = None, after: int = 0
    ) -> AsyncGenerator[ServerEvent, None]:
        """Of an answer that is kept, over as many connections as it takes. `request`: asks for it first, which may be
        repeated: the server takes it for the same."""
        path = f"{_generation_path(generation_id)}/events"
        is_asked = request is None

        async def connect(after: int) -> AsyncGenerator[ServerEvent, None]:
            nonlocal is_asked
            if is_asked or request is None:
                events = self._events("GET", path, headers={LAST_EVENT_HEADER: str(after)}, repeatable=True)
            else:
                headers = {GENERATION_HEADER: generation_id, LABEL_HEADER: label_header(request.label or _NO_LABEL)}
                events = self._events("POST", request_path(request), request_body(request), headers, repeatable=True)
            async with aclosing(events):
                async for event in events:
                    is_asked = True
                    yield event

        try:
            async with aclosing(reattached(connect, self._retry, after)) as events:
                async for event in events:
                    yield event
        except GenerationNotFound as error:
            if request is None:
                raise
            raise StreamInterrupted("The server has lost the answer: it was started anew.") from error

    async def _events(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        *,
        repeatable: bool = False,
    ) -> AsyncGenerator[ServerEvent, None]:
        decoder = SSEDecoder()
        response = await with_retries(
            lambda: self._send(method, path, body, headers=headers), idempotent=repeatable, policy=self._retry
        )
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
        except TimeoutError as error:
            raise StreamInterrupted(f"The server has been silent for {self._silence:.0f} s.") from error
        except HTTP_ERRORS as error:
            raise StreamInterrupted(_CUT) from error

    # --- what is asked of models beside answers ---------------------------------------------------

    async def whole(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return await self._json("POST", path, body)


async def _chunks(request_id: str, events: AsyncGenerator[ServerEvent, None]) -> AsyncGenerator[Chunk, None]:
    """The answer whose events these are."""
    assembler = ChunkAssembler(request_id)
    async with aclosing(events):
        async for event in events:
            chunk = assembler.add(event.event, event.data)
            if chunk is not None:
                yield chunk
            if assembler.done:
                return
    raise StreamInterrupted(_CUT)


def _generation_path(generation_id: str) -> str:
    return f"generations/{quote(generation_id, safe='')}"


def base_url(url: str) -> str:
    """Without the slash at the end, and without the `/v1` that OpenAI clients want.

    Raises:
        InvalidRequest: that is no URL that HTTP can reach.
    """
    try:
        parts = httpx2.URL(url.strip())
        good = parts.scheme in ("http", "https") and bool(parts.host) and 0 < (parts.port or 1) < 1 << 16
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
