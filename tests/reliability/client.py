"""A client that keeps count: how did this stream end? Over a bare socket, since a thousand of them share two cores."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import time
from dataclasses import dataclass, field
from enum import Enum
from typing import Any
from urllib.parse import urlsplit

from tests.conftest import Server

PATIENCE = 60.0  # seconds without a byte, heartbeats included; the server lets 10 pass


class End(Enum):
    """How a stream may end for its reader."""

    ANSWER = "answered"  # with its end mark
    REFUSED = "refused"  # by a status, before anything of it came
    ERROR = "ended by an error event"
    CUT = "connection lost"  # which every client notices: HTTP says that there is more
    SILENT = "looks whole but is not"  # never to happen
    HUNG = "without an end"  # never to happen


@dataclass
class Reply:
    """What came of one request; times are seconds of `time.monotonic`."""

    sent: float = 0.0
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    events: int = 0
    last: bytes = b""  # the last line of data, or the body of an answer that is no stream
    failed: bool = False
    end: End = End.HUNG
    ended: float = 0.0

    @property
    def id(self) -> str:
        return self.headers.get("x-request-id", "")

    @property
    def said_when(self) -> bool:
        """Refused for now only, and told when to come again."""
        return self.status in (429, 503) and self.headers.get("retry-after", "").isdecimal()


class Stream:
    """One request, under way as soon as it is made. `begun` is set when its first event has come, or it has ended."""

    def __init__(self, server: Server, body: Any, route: str = "v1/chat/completions", method: str = "POST") -> None:
        self.reply, self.begun = Reply(), asyncio.Event()
        self._server, self._request = server, request(server, body, route, method)
        self._reset = False
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter | None = None
        self._task = asyncio.create_task(self._run())

    async def to_its_end(self) -> Reply:
        await self._task
        return self.reply

    async def vanish(self, *, reset: bool = False) -> None:
        """As a program that is killed: the kernel says farewell for it, or resets the connection where data waits."""
        self._reset = reset
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _run(self) -> None:
        reply = self.reply
        try:
            self._reader, self._writer = await asyncio.open_connection(*address(self._server))
            reply.sent = time.monotonic()
            self._writer.write(self._request)
            await self._read()
        except TimeoutError:
            reply.end = End.HUNG
        except (OSError, asyncio.IncompleteReadError):
            reply.end = End.CUT
        finally:
            reply.ended = time.monotonic()
            self.begun.set()
            self._hang_up()

    def _hang_up(self) -> None:
        if self._writer is None:
            return
        if self._reset:  # on closing, by the option that SO_LINGER is with no time to linger
            linger = struct.pack("ii", 1, 0)
            self._writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._writer.transport.abort()

    async def _read(self) -> None:
        reply = self.reply
        head = await self._in_time(self._reader.readuntil(b"\r\n\r\n"))
        status, *lines = head.decode("latin-1").split("\r\n")
        reply.status = int(status.split(" ", 2)[1])
        reply.headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines if line)}
        if reply.headers.get("transfer-encoding") != "chunked":
            reply.last = await self._in_time(self._reader.readexactly(int(reply.headers["content-length"])))
            reply.end = End.ANSWER if reply.status < 400 else End.REFUSED
            return
        rest = b""
        while size := int((await self._in_time(self._reader.readuntil(b"\r\n"))), 16):
            *whole, rest = (rest + (await self._in_time(self._reader.readexactly(size + 2)))[:-2]).split(b"\n")
            for line in whole:
                self._take(line)
        await self._in_time(self._reader.readexactly(2))
        done = reply.last == b"data: [DONE]"
        reply.end = End.ERROR if reply.failed else End.ANSWER if done else End.SILENT

    def _take(self, line: bytes) -> None:
        if line.startswith(b"data: "):
            self.reply.events += 1
            self.reply.last = line
            self.begun.set()
        elif line.startswith(b"event: error"):
            self.reply.failed = True

    @staticmethod
    async def _in_time(read: Any) -> bytes:
        async with asyncio.timeout(PATIENCE):
            return bytes(await read)


def address(server: Server) -> tuple[str, int]:
    url = urlsplit(server.url)
    assert url.hostname is not None
    assert url.port is not None
    return url.hostname, url.port


def request(server: Server, body: Any, route: str = "v1/chat/completions", method: str = "POST") -> bytes:
    """As it is sent."""
    url, content = urlsplit(server.url), json.dumps(body).encode()
    head = {"Host": url.netloc, "Content-Type": "application/json", "Content-Length": str(len(content)), **server.auth}
    lines = [f"{method} {url.path}/{route} HTTP/1.1", *(f"{name}: {value}" for name, value in head.items())]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode() + content
