"""The HTTP transport against a server that misbehaves in every way a test can think of."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, TypeVar

import pytest

from jupyter_uml.client.health import Health
from jupyter_uml.client.http_transport import HTTPTransport, base_url, is_loopback
from jupyter_uml.client.retry import RetryPolicy
from jupyter_uml.errors import (
    AuthenticationFailed,
    ConnectionFailed,
    InsufficientMemory,
    InvalidRequest,
    ModelNotFound,
    RouteNotFound,
    StreamInterrupted,
    UmlError,
    WorkerDied,
)
from jupyter_uml.types import Chunk, GenerateRequest, Hold, LoadSettings, Message, ModelStatus, Sample
from tests.client.stub_server import (
    DONE,
    PING,
    WHOLE_ANSWER,
    Events,
    Reply,
    StubServer,
    delta,
    event,
    finish,
    model_row,
)

T = TypeVar("T")
PAST = "Wed, 21 Oct 2015 07:28:00 GMT"
CHAT = "v1/chat/completions"
REQUEST = GenerateRequest("r1", "demo", messages=(Message("user", "hi"),))


def call(stub: StubServer, verb: Callable[[HTTPTransport], Awaitable[T]], **options: Any) -> T:
    async def main() -> T:
        async with opened(stub, **options) as transport:
            return await verb(transport)

    return asyncio.run(main())


@asynccontextmanager
async def opened(stub: StubServer, **options: Any) -> AsyncIterator[HTTPTransport]:
    transport = HTTPTransport(stub.url, "key", **options)
    try:
        yield transport
    finally:
        await transport.aclose()


async def collect(transport: HTTPTransport) -> list[Chunk]:
    async with aclosing(transport.generate(REQUEST)) as chunks:
        return [chunk async for chunk in chunks]


# --- calls -----------------------------------------------------------------------------------


def test_models_are_native_rows(stub: StubServer) -> None:
    stub.answer("models", Reply({"models": [model_row("a"), model_row("b", state="failed", from_the_future=1)]}))
    rows = call(stub, lambda transport: transport.models())
    assert [(row.id, row.state) for row in rows] == [("a", "loaded"), ("b", "failed")]
    assert isinstance(rows[0], ModelStatus)


def test_the_key_travels_in_the_header(stub: StubServer) -> None:
    stub.answer("health", Reply({"status": "ok"}))
    call(stub, lambda transport: transport.health())
    (_, _, headers, _), *_ = stub.requests
    assert headers["Authorization"] == "Bearer key"


def test_load_sends_only_what_is_asked_for(stub: StubServer) -> None:
    stub.answer("load_model", Reply(model_row(state="loading"), 202))
    row = call(stub, lambda transport: transport.load("demo", LoadSettings(n_ctx=512), wait=False))
    assert row.state == "loading"
    assert stub.asked("load_model") == [{"model": "demo", "n_ctx": 512, "wait": False}]


def test_how_long_it_is_to_stay_is_sent_where_somebody_said_so(stub: StubServer) -> None:
    stub.answer("load_model", Reply(model_row()))
    call(stub, lambda transport: transport.load("demo", LoadSettings(), hold=Hold(600.0), pin=False))
    assert stub.asked("load_model") == [{"model": "demo", "wait": True, "keep_alive": 600.0, "pin": False}]


def test_every_request_says_which_kernel_asks(stub: StubServer) -> None:
    stub.answer("v1/chat/completions", Events(WHOLE_ANSWER))
    stub.answer("models", Reply({"models": []}))

    async def main(kernel: str | None) -> None:
        transport = HTTPTransport(stub.url, kernel=kernel)
        await transport.models()
        await collect(transport)
        await transport.aclose()

    asyncio.run(main("1234-abcd"))
    assert [headers["X-Jupyter-Kernel"] for _, _, headers, _ in stub.requests] == ["1234-abcd"] * 2
    stub.requests.clear()
    asyncio.run(main(None))
    assert not any("X-Jupyter-Kernel" in headers for _, _, headers, _ in stub.requests)


def test_figures_of_the_last_hour_are_samples(stub: StubServer) -> None:
    samples = [asdict(Sample(1.5, 10)), asdict(Sample(3.5, 20, tokens_per_second=7.0, first_token=0.2))]
    stub.answer("models/a/b/history", Reply({"model": "a/b", "samples": samples}))
    assert call(stub, lambda transport: transport.history("a/b")) == [
        Sample(1.5, 10),
        Sample(3.5, 20, tokens_per_second=7.0, first_token=0.2),
    ]


def test_ids_with_slashes_stay_one_path(stub: StubServer) -> None:
    stub.answer("models/org/model:q8", Reply(model_row("org/model:q8")))
    assert call(stub, lambda transport: transport.model("org/model:q8")).id == "org/model:q8"


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (Reply({"error": {"message": "m", "code": "model_not_found"}}, 404), ModelNotFound),
        (Reply({"error": {"message": "m", "code": "insufficient_memory"}}, 503), InsufficientMemory),
        (Reply(text="<html>login</html>", status=403), UmlError),
        (Reply(text="<html>nothing here</html>", status=404), RouteNotFound),
        (Reply(text="no", status=401), AuthenticationFailed),
        (Reply(text="bad gateway", status=502), ConnectionFailed),
        (Reply(text="oh", status=500), UmlError),
        (Reply(text="<html>a login page</html>"), ConnectionFailed),
        (Reply({}, 302, {"Location": "http://127.0.0.1:1/elsewhere"}), UmlError),
    ],
)
def test_bad_answers_are_errors(stub: StubServer, reply: Reply, kind: type[UmlError]) -> None:
    stub.answer("health", reply)
    with pytest.raises(kind):
        call(stub, lambda transport: transport.health())
    assert len(stub.requests) in (1, 3)  # what looks like a lost connection is tried three times


@pytest.mark.parametrize("status", [502, 503, 504])
def test_what_a_proxy_says_of_a_server_that_is_away_passes(stub: StubServer, status: int) -> None:
    away = Reply(text="<html>away</html>", status=status)
    stub.answer("health", away, away, Reply({"status": "ok"}))
    assert call(stub, lambda transport: transport.health()) == Health("ok")
    stub.answer("health", away)
    with pytest.raises(ConnectionFailed, match=f"status {status}.* Try again"):
        call(stub, lambda transport: transport.health())
    stub.answer("keys", away)
    with pytest.raises(ConnectionFailed):
        call(stub, lambda transport: transport.create_key({}))
    assert [path for _, path, *_ in stub.requests].count("keys") == 1  # it may have arrived


def test_retry_after_of_the_header_is_obeyed(stub: StubServer) -> None:
    busy = Reply({"error": {"message": "busy", "code": "overloaded"}}, 503, {"Retry-After": "0"})
    stub.answer("health", busy, busy, Reply({"status": "ok"}))
    assert call(stub, lambda transport: transport.health()) == Health("ok")


def test_retry_after_may_be_a_date(stub: StubServer) -> None:
    for date, seconds in ((format_datetime(datetime.now(UTC) + timedelta(seconds=300), usegmt=True), 300), (PAST, 0)):
        stub.answer("health", Reply({"error": {"message": "busy", "code": "overloaded"}}, 503, {"Retry-After": date}))
        with pytest.raises(UmlError, match="busy") as caught:
            call(stub, lambda transport: transport.health(), retry=RetryPolicy(deadline=0))
        assert caught.value.retry_after == pytest.approx(seconds, abs=2)


@pytest.mark.parametrize("value", ["soon", "Wed, 99 Oct 2026 07:28:00 GMT", "-5", "nan", "inf", "1e999"])
def test_a_strange_retry_after_is_passed_over(stub: StubServer, value: str) -> None:
    busy = {"error": {"message": "busy", "code": "overloaded"}}
    stub.answer("health", Reply(busy, 503, {"Retry-After": value}))
    with pytest.raises(UmlError, match="busy") as caught:
        call(stub, lambda transport: transport.health())
    assert caught.value.retry_after is None


def test_nobody_listens() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/uml"

        async def main() -> None:
            transport = HTTPTransport(url)
            try:
                await transport.health()
            finally:
                await transport.aclose()

        with pytest.raises(ConnectionFailed, match="jupyter uml"):
            asyncio.run(main())


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/uml", "127.0.0.1:8888/uml", "http://", "", "uml"])
def test_a_url_that_is_none(url: str) -> None:
    with pytest.raises(InvalidRequest):
        HTTPTransport(url)


def test_a_key_that_is_none() -> None:
    with pytest.raises(AuthenticationFailed):
        HTTPTransport("http://127.0.0.1/uml", "ключ\n")


def test_base_urls() -> None:
    assert base_url("http://h/uml/v1/") == base_url(" http://h/uml/ ") == "http://h/uml"
    assert [is_loopback(f"http://{host}/uml") for host in ("127.0.0.5:8", "localhost", "[::1]:9", "10.0.0.1")] == [
        True,
        True,
        True,
        False,
    ]


# --- streams ---------------------------------------------------------------------------------


def test_a_whole_answer(stub: StubServer) -> None:
    stub.answer(CHAT, Events(WHOLE_ANSWER))
    *texts, last = call(stub, collect)
    assert "".join(chunk.text for chunk in texts) == "Hello"
    assert last.finish_reason == "stop"
    assert last.usage is not None
    assert last.usage.cached_tokens == 3


@pytest.mark.parametrize("cut", [True, False])
@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_a_stream_without_its_end_is_an_error(stub: StubServer, count: int, cut: bool) -> None:
    stub.answer(CHAT, Events(WHOLE_ANSWER[:count], cut=cut))
    with pytest.raises(StreamInterrupted):
        call(stub, collect)
    assert len(stub.requests) == 1  # an answer is never asked for twice


def test_what_came_before_a_cut_is_kept(stub: StubServer) -> None:
    stub.answer(CHAT, Events([delta("half")], cut=True))

    async def main(transport: HTTPTransport) -> str:
        chunks = transport.generate(REQUEST)
        text = (await anext(chunks)).text
        with pytest.raises(StreamInterrupted):
            await anext(chunks)
        return text

    assert call(stub, main) == "half"


def test_an_error_in_the_stream(stub: StubServer) -> None:
    died = event({"error": {"message": "the worker died", "code": "worker_died"}}, "error")
    stub.answer(CHAT, Events([delta("half"), died]))
    with pytest.raises(WorkerDied, match="the worker died"):
        call(stub, collect)


def test_an_error_before_the_stream(stub: StubServer) -> None:
    stub.answer(CHAT, Reply({"error": {"message": "no", "code": "invalid_value", "param": "temperature"}}, 400))
    with pytest.raises(InvalidRequest) as caught:
        call(stub, collect)
    assert caught.value.param == "temperature"


def test_a_refused_answer_is_asked_for_again(stub: StubServer) -> None:
    busy = Reply({"error": {"message": "restarting", "code": "model_restarting"}}, 503, {"Retry-After": "0"})
    stub.answer(CHAT, busy, Events(WHOLE_ANSWER))
    assert call(stub, collect)[-1].finish_reason == "stop"


def test_heartbeats_keep_a_silent_stream_alive(stub: StubServer) -> None:
    pause = lambda: asyncio.sleep(0.15)  # noqa: E731  # the time-out below is on trial
    stub.answer(CHAT, Events([PING, pause, PING, pause, PING, pause, *WHOLE_ANSWER]))
    assert call(stub, collect, silence=0.3)[-1].finish_reason == "stop"


def test_a_stream_without_heartbeats_is_given_up(stub: StubServer) -> None:
    stub.answer(CHAT, Events([delta("half"), lambda: asyncio.sleep(5), finish(), DONE]))
    with pytest.raises(StreamInterrupted, match="silent"):
        call(stub, collect, silence=0.2)
    assert stub.hung_up.wait(5)


def test_closing_early_hangs_up(stub: StubServer) -> None:
    stub.answer(CHAT, Events([delta("half"), lambda: asyncio.sleep(5), finish(), DONE]))

    async def main(transport: HTTPTransport) -> None:
        async with aclosing(transport.generate(REQUEST)) as chunks:
            assert (await anext(chunks)).text == "half"

    call(stub, main)
    assert stub.hung_up.wait(5)


def test_cancelling_hangs_up_while_nothing_has_come_yet(stub: StubServer) -> None:
    began = asyncio.Event()

    async def main(transport: HTTPTransport) -> None:
        task = asyncio.create_task(collect(transport))
        await began.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    async def hold() -> None:
        loop.call_soon_threadsafe(began.set)
        await asyncio.sleep(5)

    async def run() -> None:
        nonlocal loop
        loop = asyncio.get_running_loop()
        async with opened(stub) as transport:
            await main(transport)

    loop: asyncio.AbstractEventLoop
    stub.answer(CHAT, Events([hold, DONE]))
    asyncio.run(run())
    assert stub.hung_up.wait(5)


def test_an_endless_event_is_refused(stub: StubServer) -> None:
    stub.answer(CHAT, Events([b"data: " + b"x" * 2**20] * 20))
    with pytest.raises(StreamInterrupted, match="too large"):
        call(stub, collect)
