"""The Python client: one asynchronous implementation, and a synchronous face of it that has the same methods."""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from jupyter_uml.client.administration import Administration, AsyncAdministration, share_docstrings
from jupyter_uml.client.arguments import (
    Choice,
    Conversation,
    KeepAlive,
    Schema,
    to_hold,
    to_messages,
    to_request,
    to_settings,
    to_tool_fields,
)
from jupyter_uml.client.discover import Server, discover, own_kernel_id
from jupyter_uml.client.loop_thread import LoopThread
from jupyter_uml.client.profiles import AsyncProfiles, Profiles
from jupyter_uml.client.pulls import PullProgress
from jupyter_uml.client.stream import Answer, AsyncStream, Stream
from jupyter_uml.client.transport import Transport
from jupyter_uml.errors import ConnectionFailed, InvalidRequest
from jupyter_uml.types import Chunk, GenerateRequest, MemoryEstimate, ModelStatus, Sample, Speed

if TYPE_CHECKING:
    from jupyter_uml.client.tools import Offer

DEMO = "demo"
MAX_NAMES = 8  # in an error


class AsyncUniversalClient(AsyncProfiles, AsyncAdministration):
    """Loads models and asks them.

    Without arguments it finds the Jupyter server that it runs under, and where there is none it runs the models in
    child processes of this one. `url` is the base of a server's routes, such as `http://127.0.0.1:8888/uml`.
    All methods raise UmlErrors only.
    """

    def __init__(
        self, url: str | None = None, api_key: str | None = None, *, transport: Transport | None = None
    ) -> None:
        self._server = Server(url, api_key, "argument") if url else None
        self._given = transport
        self._transport = transport
        self._pid = os.getpid()
        self._last_used: str | None = None

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
            self._transport = await self._open()
        return self._transport

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

            return LocalTransport()
        from jupyter_uml.client.http_transport import HTTPTransport

        return HTTPTransport(self._server.url, self._server.api_key, kernel=own_kernel_id())

    # --- models ---------------------------------------------------------------------------------

    async def health(self) -> dict[str, Any]:
        """`{"status", "loaded": [ids], "memory": {"total_bytes", "available_bytes"}}`."""
        return await (await self.transport()).health()

    async def models(self) -> list[ModelStatus]:
        return await (await self.transport()).models()

    async def model(self, model: str) -> ModelStatus:
        return await (await self.transport()).model(model)

    async def history(self, model: str) -> list[Sample]:
        """Figures of the model's worker over the last hour, oldest first: memory, tokens a second, requests."""
        return await (await self.transport()).history(model)

    async def measure(self, model: str) -> Speed:
        """How fast a model computes on this machine; it is loaded for that, and the next load uses what was found.

        Takes some 5 s beside the load, and waits for answers under way.
        """
        return await (await self.transport()).measure(model)

    async def estimate(self, model: str, **settings: Any) -> MemoryEstimate:
        """Whether the model would fit into memory now, and how; nothing is loaded. `settings`: as for `load`."""
        return await (await self.transport()).estimate(model, to_settings(settings))

    async def load(
        self,
        model: str,
        *,
        wait: bool = True,
        pin: bool | None = None,
        keep_alive: KeepAlive | None = None,
        **settings: Any,
    ) -> ModelStatus:
        """Loads a model, or returns at once when it is loaded. `settings` are the fields of `LoadSettings`.

        `pin`: whether it stays loaded whatever happens; None leaves that as it is. `keep_alive`: how long it stays
        loaded when nobody asks, in seconds or as "10m"; -1 is for ever, None as the server is configured.
        """
        hold = to_hold(keep_alive)
        status = await (await self.transport()).load(model, to_settings(settings), wait, hold, pin)
        self._last_used = model
        return status

    async def unload(self, model: str, force: bool = False) -> ModelStatus:
        """Gives the model's memory back, after the answers under way, or with `force` at once."""
        if self._last_used == model:
            self._last_used = None
        return await (await self.transport()).unload(model, force)

    async def default_model(self) -> str:
        """The model that is used where none is named: the one last used, else one that is loaded, else the demo model,
        else the only one there is."""
        rows = [row for row in await self.models() if row.reason is None]
        names = {name: row for row in rows for name in (*row.aliases, row.id)}
        last = names.get(self._last_used or "")
        if last is not None and last.state != "failed":
            return last.id
        ready = [row.id for row in rows if row.state in ("loaded", "restarting", "loading", "queued")]
        if ready:
            return ready[0]
        if DEMO in names:
            return DEMO
        if len(rows) == 1:
            return rows[0].id
        raise InvalidRequest(_say_which([row.id for row in rows]), param="model")

    # --- the hub --------------------------------------------------------------------------------

    async def pull(self, name: str) -> AsyncGenerator[PullProgress, None]:
        """Brings a model from Hugging Face's hub: `owner/repository`, `owner/repository:quantisation`.

        Tells how far it is; the last row has the `model` to load. Whoever leaves early ends nothing: the pull goes on,
        and is followed again by the same call. `cancel_pull` ends it.
        """
        async with aclosing((await self.transport()).pull(name)) as rows:
            async for row in rows:
                yield row

    async def pulls(self) -> list[PullProgress]:
        """The pulls that run."""
        return await (await self.transport()).pulls()

    async def cancel_pull(self, pull_id: str) -> PullProgress:
        """Ends a pull. What has come is kept: the next pull goes on from there."""
        return await (await self.transport()).cancel_pull(pull_id)

    # --- answers --------------------------------------------------------------------------------

    async def chat(
        self,
        messages: Conversation,
        *,
        model: str | None = None,
        system: str | None = None,
        tools: Sequence[Offer] = (),
        tool_choice: Choice = "auto",
        schema: Schema | None = None,
        **options: Any,
    ) -> Answer:
        """The answer to a question (a string) or a conversation (a list of messages).

        `tools`: Python functions, `Tool`s, or dicts as in OpenAI's API; the answer's `tool_calls` say which of them the
        model wants called with what, and `call_tools` does it. `tool_choice`: "auto", "none", "required", or the one
        that must be called. `schema`: a JSON schema or a pydantic model that the answer must satisfy.

        `options` are the fields of `SamplingParams`, max_tokens, temperature, seed, stop and so on, and those of
        `GenerateRequest` such as reasoning_effort and priority. `keep_alive` among them says how long the model stays
        loaded after this, as in `load`.
        """
        stream = self.stream(
            messages, model=model, system=system, tools=tools, tool_choice=tool_choice, schema=schema, **options
        )
        return await _whole(stream)

    async def complete(
        self, prompt: str | Sequence[int], *, model: str | None = None, schema: Schema | None = None, **options: Any
    ) -> Answer:
        """How the text goes on after `prompt` (or its tokens), without a chat template. `suffix`: what follows the gap
        that is to be filled, for models that can."""
        content = {
            "prompt": prompt if isinstance(prompt, str) else tuple(prompt),
            "suffix": options.pop("suffix", None),
        }
        return await _whole(self.generate(to_request(_new_id(), model or "", options, schema=schema, **content)))

    def stream(
        self,
        messages: Conversation,
        *,
        model: str | None = None,
        system: str | None = None,
        tools: Sequence[Offer] = (),
        tool_choice: Choice = "auto",
        schema: Schema | None = None,
        **options: Any,
    ) -> AsyncStream:
        """As `chat`, piece by piece. Use it in a `with` block: leaving that early stops the engine."""
        content = {"messages": to_messages(messages, system), **to_tool_fields(tools, tool_choice)}
        return self.generate(to_request(_new_id(), model or "", options, schema=schema, **content))

    def generate(self, request: GenerateRequest) -> AsyncStream:
        """The stream of a native request; an empty `model` stands for the default one."""
        return AsyncStream(request, self._begin)

    async def _begin(self, request: GenerateRequest) -> tuple[str, AsyncGenerator[Chunk, None]]:
        transport = await self.transport()
        self._last_used = model = request.model or await self.default_model()
        return model, transport.generate(replace(request, model=model))

    # --- the end --------------------------------------------------------------------------------

    async def aclose(self) -> None:
        """Closes the connections; where the models run in this process, unloads them with its last client."""
        transport, self._transport = self._transport, self._given
        if transport is not None and self._pid == os.getpid():
            await transport.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()


class UniversalClient(Profiles, Administration):
    """`AsyncUniversalClient` for synchronous code, notebooks included: the same methods, each waits for its result.

    `aio` is the asynchronous client underneath; it belongs to the event loop of `background`.
    """

    def __init__(
        self, url: str | None = None, api_key: str | None = None, *, transport: Transport | None = None
    ) -> None:
        self.aio: AsyncUniversalClient = AsyncUniversalClient(url, api_key, transport=transport)
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

    def server(self) -> Server | None:
        return self.background.run(self.aio.server())

    def health(self) -> dict[str, Any]:
        return self.background.run(self.aio.health())

    def models(self) -> list[ModelStatus]:
        return self.background.run(self.aio.models())

    def model(self, model: str) -> ModelStatus:
        return self.background.run(self.aio.model(model))

    def history(self, model: str) -> list[Sample]:
        return self.background.run(self.aio.history(model))

    def measure(self, model: str) -> Speed:
        return self.background.run(self.aio.measure(model))

    def estimate(self, model: str, **settings: Any) -> MemoryEstimate:
        return self.background.run(self.aio.estimate(model, **settings))

    def load(
        self,
        model: str,
        *,
        wait: bool = True,
        pin: bool | None = None,
        keep_alive: KeepAlive | None = None,
        **settings: Any,
    ) -> ModelStatus:
        return self.background.run(self.aio.load(model, wait=wait, pin=pin, keep_alive=keep_alive, **settings))

    def unload(self, model: str, force: bool = False) -> ModelStatus:
        return self.background.run(self.aio.unload(model, force))

    def pull(self, name: str) -> Iterator[PullProgress]:
        return self.background.iterate(self.aio.pull(name))

    def pulls(self) -> list[PullProgress]:
        return self.background.run(self.aio.pulls())

    def cancel_pull(self, pull_id: str) -> PullProgress:
        return self.background.run(self.aio.cancel_pull(pull_id))

    def default_model(self) -> str:
        return self.background.run(self.aio.default_model())

    def chat(
        self,
        messages: Conversation,
        *,
        model: str | None = None,
        system: str | None = None,
        tools: Sequence[Offer] = (),
        tool_choice: Choice = "auto",
        schema: Schema | None = None,
        **options: Any,
    ) -> Answer:
        asked: dict[str, Any] = {
            "model": model,
            "system": system,
            "tools": tools,
            "tool_choice": tool_choice,
            "schema": schema,
        }
        return self.background.run(self.aio.chat(messages, **asked, **options))

    def complete(
        self, prompt: str | Sequence[int], *, model: str | None = None, schema: Schema | None = None, **options: Any
    ) -> Answer:
        return self.background.run(self.aio.complete(prompt, model=model, schema=schema, **options))

    def stream(
        self,
        messages: Conversation,
        *,
        model: str | None = None,
        system: str | None = None,
        tools: Sequence[Offer] = (),
        tool_choice: Choice = "auto",
        schema: Schema | None = None,
        **options: Any,
    ) -> Stream:
        asked: dict[str, Any] = {
            "model": model,
            "system": system,
            "tools": tools,
            "tool_choice": tool_choice,
            "schema": schema,
        }
        return Stream(self.background, self.aio.stream(messages, **asked, **options))

    def generate(self, request: GenerateRequest) -> Stream:
        return Stream(self.background, self.aio.generate(request))

    def close(self) -> None:
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None and thread.pid == os.getpid():
            try:
                thread.run(self.aio.aclose())
            finally:
                thread.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


async def _whole(stream: AsyncStream) -> Answer:
    async with stream:
        async for _ in stream:
            pass
    return stream.answer


def _say_which(names: list[str]) -> str:
    """No model is the obvious one."""
    if not names:
        return "No model was found that can be loaded. Pull one from the hub, or put a GGUF file into a model folder."
    more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    return f"None of the {len(names)} models is loaded. Say which one: {', '.join(names[:MAX_NAMES])}{more}."


def _new_id() -> str:
    return uuid.uuid4().hex


share_docstrings(UniversalClient, AsyncUniversalClient)
