"""A server that says what a test tells it to: canned answers, cut streams, late heartbeats."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.iostream import StreamClosedError
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler


@dataclass
class Reply:
    """A whole answer."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    text: str | None = None  # instead of JSON


@dataclass
class Events:
    """A stream of server-sent events: bytes as they are, or async functions to wait for. It ends as a whole HTTP
    response, or with `cut` by closing the connection."""

    pieces: Iterable[bytes | Callable[[], Any]]
    cut: bool = False


def delta(text: str, **more: Any) -> bytes:
    return event({"choices": [{"index": 0, "delta": {"content": text, **more}, "finish_reason": None}]})


def finish(reason: str = "stop", **choice: Any) -> bytes:
    timings = {"queue": 0.01, "first_token": 0.1, "total": 1.1}
    return event({"choices": [{"index": 0, "delta": {}, "finish_reason": reason, **choice}], "timings": timings})


def usage(prompt: int = 5, completion: int = 11, cached: int = 3) -> bytes:
    details = {"cached_tokens": cached}
    figures = {"prompt_tokens": prompt, "completion_tokens": completion, "prompt_tokens_details": details}
    return event({"choices": [], "usage": figures})


def event(body: Any, name: str | None = None) -> bytes:
    return (f"event: {name}\n" if name else "").encode() + b"data: " + json.dumps(body).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"
PING = b": ping\n\n"
WHOLE_ANSWER = (delta("Hel"), delta("lo"), finish(), usage(), DONE)


def model_row(model: str = "demo", state: str = "loaded", **more: Any) -> dict[str, Any]:
    return {"id": model, "state": state, "size_bytes": 1000, "source": "folder", **more}


class StubServer:
    """Each path gives its answers in order and repeats the last; what was asked is in `requests`."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, dict[str, str], Any]] = []
        self.hung_up = threading.Event()
        self._answers: dict[str, deque[Reply | Events]] = defaultdict(deque)
        self._gates: dict[str, threading.Event] = {}
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()), daemon=True)
        self._thread.start()
        self._started.wait(10)

    def answer(self, path: str, *answers: Reply | Events) -> None:
        self._answers[path] = deque(answers)

    def hold(self, path: str, gate: threading.Event) -> None:
        """Answer on this path only once `gate` is set."""
        self._gates[path] = gate

    def until(self, gate: threading.Event) -> Callable[[], Any]:
        """A piece of a stream that waits for `gate`."""

        async def wait() -> None:
            while not gate.is_set() and not self.hung_up.is_set():
                await asyncio.sleep(0.01)

        return wait

    async def gate(self, path: str) -> None:
        if path in self._gates:
            await self.until(self._gates[path])()

    def next_answer(self, path: str) -> Reply | Events:
        waiting = self._answers[path]
        if not waiting:
            return Reply({"error": {"message": "no such route", "code": "route_not_found"}}, 404)
        return waiting.popleft() if len(waiting) > 1 else waiting[0]

    def asked(self, path: str) -> list[Any]:
        return [body for _, asked, _, body in self.requests if asked == path]

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    async def _main(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        (socket,) = bind_sockets(0, "127.0.0.1")
        server = HTTPServer(Application([(r"/uml/(.*)", _Handler, {"stub": self})]))
        server.add_socket(socket)
        self.url = f"http://127.0.0.1:{socket.getsockname()[1]}/uml"
        self._started.set()
        await self._stop.wait()
        server.stop()
        await server.close_all_connections()


class _Handler(RequestHandler):
    def initialize(self, stub: StubServer) -> None:
        self.stub = stub

    async def get(self, path: str) -> None:
        await self._answer(path)

    async def post(self, path: str) -> None:
        await self._answer(path)

    async def delete(self, path: str) -> None:
        await self._answer(path)

    def on_connection_close(self) -> None:
        self.stub.hung_up.set()

    async def _answer(self, path: str) -> None:
        body = json.loads(self.request.body) if self.request.body else None
        self.stub.requests.append((str(self.request.method), path, dict(self.request.headers), body))
        await self.stub.gate(path)
        answer = self.stub.next_answer(path)
        if isinstance(answer, Events):
            await self._stream(answer)
            return
        self.set_status(answer.status)
        for name, value in answer.headers.items():
            self.set_header(name, value)
        self.finish(answer.text if answer.text is not None else json.dumps(answer.body))

    async def _stream(self, events: Events) -> None:
        self.set_header("Content-Type", "text/event-stream")
        try:
            async for piece in _each(events.pieces):
                self.write(piece)
                await self.flush()
        except StreamClosedError:
            return
        if events.cut:
            self.request.connection.stream.close()  # type: ignore[union-attr]
        else:
            self.finish()


async def _each(pieces: Iterable[bytes | Callable[[], Any]]) -> AsyncIterator[bytes]:
    for piece in pieces:
        if callable(piece):
            await piece()
        else:
            yield piece
