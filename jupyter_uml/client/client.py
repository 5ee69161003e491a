"""The Python client: one asynchronous implementation, and a synchronous face of it that has the same methods.

What they do stands in the files that are named for it: `answers.py`, `generations.py`, `watch.py`, `side_work.py`,
`models.py`, `hub.py`, `profiles.py`, `administration.py`. Here is how they come by their transport.
"""

from __future__ import annotations

import os
import threading
from typing import Any, Self

from jupyter_uml.client.administration import Administration, AsyncAdministration
from jupyter_uml.client.answers import Answers, AsyncAnswers
from jupyter_uml.client.calls import share_docstrings
from jupyter_uml.client.discover import Server, discover, own_kernel_id
from jupyter_uml.client.generations import AsyncGenerations, Generations
from jupyter_uml.client.hub import AsyncHub, Hub
from jupyter_uml.client.loop_thread import LoopThread
from jupyter_uml.client.profiles import AsyncProfiles, Profiles
from jupyter_uml.client.retry import RetryPolicy
from jupyter_uml.client.side_work import AsyncSideWork, SideWork
from jupyter_uml.client.time_limit import checked_timeout
from jupyter_uml.client.transport import Transport
from jupyter_uml.client.watch import AsyncWatching, Watching
from jupyter_uml.errors import ConnectionFailed


class AsyncUniversalClient(
    AsyncAnswers, AsyncGenerations, AsyncWatching, AsyncSideWork, AsyncHub, AsyncProfiles, AsyncAdministration
):
    """Loads models and asks them.

    Without arguments it finds the Jupyter server that it runs under, and where there is none it runs the models in
    child processes of this one. `url` is the base of a server's routes, such as `http://127.0.0.1:8888/uml`.

    `timeout`: seconds that a call may take in all, waits and repetitions included; None: as long as it needs. Methods
    that have an argument `timeout` can say otherwise, `math.inf` for none. What was begun is stopped, in the engine,
    too. `retry`: what is repeated when it fails, and when. `websocket`: answers come over one WebSocket, however many
    at a time. All methods raise UmlErrors only.
    """

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        *,
        timeout: float | None = None,
        retry: RetryPolicy | None = None,
        websocket: bool = False,
        transport: Transport | None = None,
    ) -> None:
        self.timeout = checked_timeout(timeout)
        self._retry, self._websocket = retry, websocket
        self._server = Server(url, api_key, "argument") if url else None
        self._given = transport
        self._transport = transport
        self._pid = os.getpid()
        self._made_for = {}

    def __repr__(self) -> str:
        where = self._server.url if self._server else "in this process" if self._transport else "not connected yet"
        return f"<{type(self).__name__}: {where}>"

    async def transport(self) -> Transport:
        """The way to the models, found at the first call. A forked process opens its own."""
        if self._pid != os.getpid():
            if self._given is not None:
                raise ConnectionFailed(
                    "After a fork, a client with a transport of its own is of no use; make a new one."
                )
            self._transport, self._pid = None, os.getpid()
        if self._transport is None:
            opened = await self._open()
            self._transport = self._transport or opened  # of those who came together the first one's, nothing else
        return self._transport

    def _uses(self, transport: Transport) -> bool:
        return transport is self._transport and self._pid == os.getpid()

    async def server(self) -> Server | None:
        """The server that is used; None where the models run in this process."""
        if self._server is None and self._given is None:
            await self.transport()
        return self._server

    async def _open(self) -> Transport:
        if self._server is None:
            self._server = await discover()
        if self._server is None:
            from jupyter_uml.client.local_transport import LocalTransport

            return LocalTransport(retry=self._retry)
        options: dict[str, Any] = {"kernel": own_kernel_id(), "retry": self._retry}
        if self._websocket:
            from jupyter_uml.client.socket_transport import SocketTransport

            return SocketTransport(self._server.url, self._server.api_key, **options)
        from jupyter_uml.client.http_transport import HTTPTransport

        return HTTPTransport(self._server.url, self._server.api_key, **options)

    async def aclose(self) -> None:
        """Closes the connections; where the models run in this process, unloads them with its last client."""
        transport, self._transport = self._transport, self._given
        if transport is not None and self._pid == os.getpid():
            await transport.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()


class UniversalClient(Answers, Generations, Watching, SideWork, Hub, Profiles, Administration):
    """`AsyncUniversalClient` for synchronous code, notebooks included: the same methods, each waits for its result.

    `aio` is the asynchronous client underneath; it belongs to the event loop of `background`.
    """

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        *,
        timeout: float | None = None,
        retry: RetryPolicy | None = None,
        websocket: bool = False,
        transport: Transport | None = None,
    ) -> None:
        self.aio: AsyncUniversalClient = AsyncUniversalClient(
            url, api_key, timeout=timeout, retry=retry, websocket=websocket, transport=transport
        )
        self._thread: LoopThread | None = None
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return repr(self.aio).replace("Async", "", 1)

    @property
    def background(self) -> LoopThread:
        """The thread that this client's calls run on."""
        thread = self._thread
        if thread is not None and thread.pid == os.getpid():
            return thread
        with self._lock:  # held for an instant only, so that a fork hardly ever finds it taken
            if self._thread is None or self._thread.pid != os.getpid():
                self._thread = LoopThread.acquire()
            return self._thread

    @property
    def timeout(self) -> float | None:
        """Seconds that a call may take in all; None: as long as it needs."""
        return self.aio.timeout

    @timeout.setter
    def timeout(self, seconds: float | None) -> None:
        self.aio.timeout = checked_timeout(seconds)

    def server(self) -> Server | None:
        return self.background.run(self.aio.server())

    def close(self) -> None:
        """Closes the connections; where the models run in this process, unloads them with its last client."""
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None and thread.pid == os.getpid():
            try:
                thread.run(self.aio.aclose())
            finally:
                thread.release(self.aio.aclose)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


share_docstrings(UniversalClient, AsyncUniversalClient)
