"""Streaming clients: one request each over a bare socket, since they share the cores with what they measure.

While an answer comes in, its events are only stamped and kept; they are parsed when it has ended.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

LINE_LIMIT = 1 << 24


@dataclass(frozen=True)
class Target:
    """Where requests go. `url` ends before `/v1`."""

    url: str
    model: str
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Reply:
    """One request's answer; times are seconds of `time.perf_counter`."""

    sent: float = 0.0
    times: list[float] = field(default_factory=list)  # of the events that carry text
    ended: float = 0.0
    text: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    error: str | None = None

    @property
    def first(self) -> float:
        """Seconds to the first token."""
        return self.times[0] - self.sent

    @property
    def gaps(self) -> list[float]:
        """Seconds between one event and the next."""
        return [later - earlier for earlier, later in pairwise(self.times)]

    @property
    def took(self) -> float:
        return self.ended - self.sent

    @property
    def decode_rate(self) -> float:
        """Tokens a second after the first event."""
        return (self.completion_tokens - 1) / (self.times[-1] - self.times[0])


class Request:
    """A request under way."""

    def __init__(self, target: Target, body: dict[str, Any], route: str = "/v1/completions") -> None:
        self.reply = Reply(sent=time.perf_counter())
        self._events: list[tuple[float, bytes]] = []
        self._task = asyncio.create_task(self._run(target, body, route))

    async def answer(self) -> Reply:
        """The whole answer.

        Raises:
            RequestError: the server refused, or the stream ended in an error or without its end.
        """
        await self._task
        if self.reply.error:
            raise RequestError(self.reply.error)
        return self.reply

    async def first_event(self) -> None:
        """Until the answer has begun. Raises RequestError where it ended without."""
        while not self._events and not self._task.done():
            await asyncio.sleep(0.001)
        if not self._events:
            await self.answer()

    async def hang_up(self) -> Reply:
        """Close the connection in the middle of the answer, as a program that is interrupted does."""
        self._task.cancel()
        await asyncio.wait([self._task])
        self._parse()
        return self.reply

    async def _run(self, target: Target, body: dict[str, Any], route: str) -> None:
        address = urlsplit(target.url)
        reader, writer = await asyncio.open_connection(address.hostname, address.port, limit=LINE_LIMIT)
        try:
            self.reply.sent = time.perf_counter()
            writer.write(_post(address.netloc, address.path + route, body, target.headers))
            status, chunked = await _head(reader)
            if status != 200:
                self.reply.error = f"HTTP {status}: {_message(await _whole(reader, chunked))}"
                return
            await self._collect(reader, chunked)
        except (OSError, asyncio.IncompleteReadError) as error:
            self.reply.error = f"{type(error).__name__}: {error}"
        finally:
            writer.transport.abort()
        self._parse()

    async def _collect(self, reader: asyncio.StreamReader, chunked: bool) -> None:
        async for line in _lines(reader, chunked):
            if line == b"data: [DONE]":
                self.reply.ended = time.perf_counter()
                return
            if line.startswith(b"data: "):
                self._events.append((time.perf_counter(), line[6:]))
        self.reply.error = "the stream ended without its end"

    def _parse(self) -> None:
        reply = self.reply
        for at, data in self._events:
            event = json.loads(data)
            if "error" in event:
                reply.error = _message(data)
            piece = _text(event)
            if piece:
                reply.times.append(at)
                reply.text += piece
            if usage := event.get("usage"):
                reply.prompt_tokens, reply.completion_tokens = usage["prompt_tokens"], usage["completion_tokens"]
                reply.cached_tokens = (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
        reply.completion_tokens = reply.completion_tokens or len(reply.times)  # where no usage is sent
        if not reply.times and reply.error is None and not self._task.cancelling():
            reply.error = "an answer without text"


class RequestError(Exception):
    """A request was not answered."""


async def together(requests: list[Request]) -> list[Reply]:
    return list(await asyncio.gather(*(request.answer() for request in requests)))


def _text(event: dict[str, Any]) -> str:
    choice = (event.get("choices") or [{}])[0]
    return choice.get("text") or (choice.get("delta") or {}).get("content") or ""


def _message(body: bytes) -> str:
    try:
        return str(json.loads(body)["error"]["message"])[:200]
    except (ValueError, KeyError, TypeError):
        return body.decode(errors="replace")[:200]


def _post(host: str, path: str, body: dict[str, Any], headers: dict[str, str]) -> bytes:
    content = json.dumps(body).encode()
    head = {"Host": host, "Content-Type": "application/json", "Content-Length": str(len(content)), **headers}
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in head.items()), "Connection: close"]
    return "\r\n".join([*lines, "", ""]).encode() + content


async def _head(reader: asyncio.StreamReader) -> tuple[int, bool]:
    """The status, and whether the body comes in chunks."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    return int(head.split(b" ", 2)[1]), b"transfer-encoding: chunked" in head


async def _whole(reader: asyncio.StreamReader, chunked: bool) -> bytes:
    return b"\n".join([line async for line in _lines(reader, chunked)])


async def _lines(reader: asyncio.StreamReader, chunked: bool) -> AsyncIterator[bytes]:
    rest = b""
    async for part in _parts(reader, chunked):
        *whole, rest = (rest + part).split(b"\n")
        for line in whole:
            yield line.rstrip(b"\r")
    if rest:
        yield rest


async def _parts(reader: asyncio.StreamReader, chunked: bool) -> AsyncIterator[bytes]:
    if not chunked:
        while part := await reader.read(1 << 16):
            yield part
        return
    while size := int((await reader.readline()).split(b";")[0] or b"0", 16):
        yield (await reader.readexactly(size + 2))[:-2]
