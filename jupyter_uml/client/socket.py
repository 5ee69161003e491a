"""One WebSocket to a server, and the answers that come over it side by side. What is said on it: see its `docs/socket`.

Whoever does not read one answer holds up none of the others: all that comes is taken at once, and waits here.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from itertools import count
from typing import Any, Literal

import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from jupyter_uml.client.http_errors import error_of_status
from jupyter_uml.client.request_body import encoded
from jupyter_uml.client.sse import MAX_EVENT_BYTES
from jupyter_uml.client.wire import error_from
from jupyter_uml.errors import ConnectionFailed, PayloadTooLarge, StreamInterrupted, UmlError

CONNECT_SECONDS = 5.0
FAREWELL_SECONDS = 1.0
PING_SECONDS = 20.0  # between two pings, and for the answer to one: so long a dead server is waited for
MAX_WAITING = 1 << 16  # messages of one answer that nobody has read yet: more than most contexts have tokens

_NO_SERVER = "No jupyter_uml server answered. Is it running? Check the client's url, and that proxies pass WebSockets."
_CUT = "The connection to the server was lost before the answer was whole."
_STRANGE = "The server sent a message of another shape than jupyter_uml's."


class Hearing:
    """What comes of one answer, in order: messages, and at most one error, which is the last."""

    def __init__(self) -> None:
        self._waiting: deque[dict[str, Any] | UmlError] = deque()
        self._news = asyncio.Event()
        self.started = False  # the server has let it in
        self.closed = False  # nobody listens, or it is over

    def put(self, item: dict[str, Any] | UmlError) -> None:
        if not self.closed:
            self._waiting.append(item)
            self._news.set()

    @property
    def is_full(self) -> bool:
        return len(self._waiting) >= MAX_WAITING

    async def next(self) -> dict[str, Any]:
        """The next `delta` or `done`.

        Raises:
            UmlError: it failed, or was cut.
        """
        while not self._waiting:
            self._news.clear()
            await self._news.wait()
        item = self._waiting.popleft()
        if isinstance(item, UmlError):
            raise item
        return item

    def close(self) -> None:
        self.closed = True
        self._waiting.clear()


class Socket:
    """Made by `dial`, on the event loop that it is used on."""

    def __init__(self, connection: ClientConnection, ready: Mapping[str, Any]) -> None:
        self._connection = connection
        self._most, self._max_bytes = int(ready["max_generations"]), int(ready["max_message_bytes"])
        self._running: dict[str, Hearing] = {}  # until the server says that they are over, heard or not
        self._ids = map(str, count(1))
        self._reason: UmlError | None = None  # why the server ends the socket, if it said that just now
        self._farewells: set[asyncio.Task[None]] = set()
        self.lost = False
        self._reader = asyncio.create_task(self._read(), name="socket")

    @classmethod
    async def dial(cls, url: str, headers: Mapping[str, str], proxy: Literal[True] | None) -> Socket:
        """`proxy`: True is as the environment says.

        Raises:
            ConnectionFailed: nobody answered, or not as a socket does.
            UmlError: the server does not open one for this key, or not now.
        """
        try:
            connection = await connect(
                url,
                additional_headers=headers,
                proxy=proxy,
                compression=None,
                open_timeout=CONNECT_SECONDS,
                close_timeout=FAREWELL_SECONDS,
                ping_interval=PING_SECONDS,
                ping_timeout=PING_SECONDS,
                max_size=MAX_EVENT_BYTES,
            )
        except InvalidStatus as error:
            answer = error.response
            raise error_of_status(answer.status_code, bytes(answer.body), answer.headers.get("Retry-After")) from error
        except (OSError, EOFError, ImportError, ValueError, WebSocketException) as error:
            raise ConnectionFailed(_NO_SERVER) from error
        try:
            return cls(connection, await _ready(connection))
        except BaseException:
            await connection.close()
            raise

    @property
    def has_room(self) -> bool:
        """For one more answer."""
        return not self.lost and len(self._running) < self._most

    async def begin(self, endpoint: str, body: dict[str, Any]) -> tuple[str, Hearing]:
        """Asks for an answer; its id on this socket, and what will come of it.

        Raises:
            ConnectionFailed: the socket is lost.
            PayloadTooLarge: the server would close the socket on it.
        """
        id_, hearing = next(self._ids), Hearing()
        message = encoded({"type": "start", "id": id_, "endpoint": endpoint, "body": body})
        if len(message) > self._max_bytes:
            raise PayloadTooLarge(f"The request has {len(message)} bytes; the server takes {self._max_bytes}.")
        self._running[id_] = hearing
        try:
            await self._connection.send(message, text=True)
        except ConnectionClosed as error:
            self.lost = True
            raise ConnectionFailed(_CUT) from error
        except BaseException:
            await self.leave(id_)
            raise
        return id_, hearing

    async def leave(self, id_: str) -> None:
        """Whoever listened does so no more; an answer that is not over yet is stopped."""
        hearing = self._running.get(id_)
        if hearing is not None and not hearing.closed:
            hearing.close()
            await self._cancel(id_)

    async def close(self) -> None:
        await self._connection.close()
        await asyncio.gather(self._reader, *self._farewells, return_exceptions=True)

    # --- what comes -------------------------------------------------------------------------------

    async def _read(self) -> None:
        try:
            while True:
                self._take(orjson.loads(await self._connection.recv(decode=False)))
        except (ConnectionClosed, ValueError, AttributeError, KeyError, TypeError) as error:
            if not isinstance(error, ConnectionClosed):
                self._reason = StreamInterrupted(_STRANGE)
                self._later(self._connection.close())
        except asyncio.CancelledError:  # the event loop ends, and nobody has closed anything
            self._connection.transport.abort()
            raise
        finally:
            self._lose()

    def _take(self, message: dict[str, Any]) -> None:
        kind, id_ = message["type"], message.get("id")
        self._reason = error_from(message) if id_ is None and kind == "error" else None
        if id_ is None or (hearing := self._running.get(id_)) is None:
            return
        if kind in ("done", "error"):
            del self._running[id_]
        hearing.started = True
        if kind == "error":
            hearing.put(error_from(message))
        elif hearing.is_full and kind == "delta" and not hearing.closed:
            hearing.put(StreamInterrupted(f"The answer was stopped: {MAX_WAITING} pieces of it wait to be read."))
            hearing.closed = True
            self._later(self._cancel(id_))
        elif kind in ("delta", "done"):
            hearing.put(message)

    def _lose(self) -> None:
        self.lost = True
        running, self._running = self._running, {}
        for hearing in running.values():
            reason = self._reason.copy() if self._reason else None
            hearing.put(reason or (StreamInterrupted(_CUT) if hearing.started else ConnectionFailed(_CUT)))

    # --- what is said -----------------------------------------------------------------------------

    async def _cancel(self, id_: str) -> None:
        with suppress(ConnectionClosed):
            await self._connection.send(orjson.dumps({"type": "cancel", "id": id_}), text=True)

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._farewells.add(task)
        task.add_done_callback(self._farewells.discard)


async def _ready(connection: ClientConnection) -> Mapping[str, Any]:
    """The server's first message.

    Raises:
        ConnectionFailed: it did not come, or is something else.
        UmlError: it says why not.
    """
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            message = orjson.loads(await connection.recv(decode=False))
    except (TimeoutError, ValueError, ConnectionClosed) as error:
        raise ConnectionFailed(_NO_SERVER) from error
    match message:
        case {"type": "ready", "max_generations": int(), "max_message_bytes": int()}:
            return dict(message)
        case {"type": "error"}:
            raise error_from(message)
    raise ConnectionFailed(_STRANGE)
