"""Whatever the network, the server or its impostor does: the client raises errors of our own tree, and no others."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

import jupyter_uml.client
from jupyter_uml import errors
from jupyter_uml.client import RetryPolicy, UniversalClient
from jupyter_uml.errors import (
    AuthenticationFailed,
    ConnectionFailed,
    InvalidRequest,
    PermissionDenied,
    RateLimited,
    StreamInterrupted,
    UmlError,
)
from tests.client.stub_server import Events, Reply, StubServer, delta, event, finish
from tests.conftest import Server

ONCE = RetryPolicy(connection_attempts=1, deadline=0)
CHAT = "v1/chat/completions"


def http(body: bytes, *headers: bytes, status: bytes = b"200 OK") -> bytes:
    lines = [b"HTTP/1.1 " + status, b"Content-Length: %d" % len(body), *headers]
    return b"\r\n".join([*lines, b"", body])


STRANGE = {
    "hangs up": b"",
    "no HTTP": b"\x00\x01garbage\r\n\r\n",
    "cut head": b"HTTP/1.1 200 OK\r\nContent-",
    "cut body": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
    "bad chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "no gzip": http(b"plain", b"Content-Encoding: gzip"),
    "no gzip in an error": http(b"plain", b"Content-Encoding: gzip", status=b"500 x"),
    "no JSON": http(b"\xff\xfe"),
    "deep JSON": http(b"[" * 100_000),
    "another form": http(b'{"models": 1, "memory": [1], "keys": [1], "model": 3, "data": 4}'),
    "a redirection": http(b"", b"Location: http://[::bad", status=b"302 Found"),
    "another protocol": b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
}
CALLS: dict[str, Callable[[UniversalClient], Any]] = {
    "models": lambda client: client.models(),
    "load": lambda client: client.load("m"),
    "estimate": lambda client: client.estimate("m"),
    "keys": lambda client: client.keys(),
    "create_key": lambda client: client.create_key("x"),
    "usage": lambda client: client.usage(),
    "profiles": lambda client: client.profiles(),
    "history": lambda client: client.history("m"),
    "embed": lambda client: client.embed("x", model="m"),
    "tokenize": lambda client: client.tokenize("x", model="m"),
    "chat": lambda client: client.chat("x", model="m"),
    "pull": lambda client: list(client.pull("a/b")),
    "generations": lambda client: client.generations(),
    "attach": lambda client: list(client.attach("0" * 32)),
}


@contextmanager
def impostor(reply: bytes) -> Iterator[str]:
    """Says the same to everybody, and hangs up."""

    def serve() -> None:
        while True:
            try:
                caller, _ = listener.accept()
            except OSError:
                return
            with caller, suppress(OSError):
                caller.recv(1 << 16)
                caller.sendall(reply)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/uml"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(5)


@pytest.mark.parametrize("reply", STRANGE)
@pytest.mark.parametrize("websocket", [False, True])
def test_strange_servers(reply: str, websocket: bool) -> None:
    calls = {"chat": CALLS["chat"]} if websocket else CALLS
    with impostor(STRANGE[reply]) as url, UniversalClient(url, "k", retry=ONCE, websocket=websocket) as client:
        for name, call in calls.items():
            with pytest.raises(UmlError) as caught:
                call(client)
            assert caught.value.code != UmlError.code or "status" in caught.value.details, name


@pytest.mark.parametrize("websocket", [False, True])
@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("http://127.0.0.1:1/uml", ConnectionFailed),
        ("https://127.0.0.1:1/uml", ConnectionFailed),
        ("http://no-such-host.invalid/uml", ConnectionFailed),
        ("http://a..b/uml", UmlError),
        ("http://127.0.0.1:99999/uml", InvalidRequest),
        ("http://[::1/uml", InvalidRequest),
        ("http://127.0.0.1:1/\x00", InvalidRequest),
    ],
)
def test_places_where_nobody_is(url: str, kind: type[UmlError], websocket: bool) -> None:
    with UniversalClient(url, retry=ONCE, websocket=websocket) as client, pytest.raises(kind):
        client.chat("x", model="m")


@pytest.mark.parametrize("websocket", [False, True])
def test_a_server_without_tls(websocket: bool) -> None:
    with impostor(b"HTTP/1.1 400 Bad Request\r\n\r\n") as url:
        secure = url.replace("http", "https")
        with UniversalClient(secure, retry=ONCE, websocket=websocket) as client, pytest.raises(ConnectionFailed):
            client.chat("x", model="m")


@pytest.mark.parametrize("websocket", [False, True])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HTTP_PROXY", "ftp://127.0.0.1:1"),
        ("HTTP_PROXY", "http://127.0.0.1:1"),
        ("ALL_PROXY", "socks5://127.0.0.1:1"),
        ("SSL_CERT_FILE", "/no/such/file"),
    ],
)
def test_an_environment_that_leads_nowhere(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, websocket: bool
) -> None:
    for spelling in {name, name.lower()}:
        monkeypatch.setenv(spelling, value)
    client = UniversalClient("http://192.0.2.1:9/uml", retry=ONCE, websocket=websocket, timeout=0.5)
    with client, pytest.raises(UmlError):
        client.chat("x", model="m")


@pytest.mark.parametrize("websocket", [False, True])
@pytest.mark.parametrize("value", [float("nan"), object(), "\ud800"])
def test_what_cannot_be_sent(stub: StubServer, value: Any, websocket: bool) -> None:
    with UniversalClient(stub.url, websocket=websocket) as client, pytest.raises(InvalidRequest):
        client.complete("x", model="m", temperature=value)
    assert not any(body for _, _, _, body in stub.requests)


@pytest.mark.parametrize(
    ("reply", "kind", "retry_after"),
    [
        (Reply({"error": {"message": "m", "code": "invalid_api_key"}}, 401), AuthenticationFailed, None),
        (Reply({"error": {"message": "m", "code": "permission_denied"}}, 403), PermissionDenied, None),
        (
            Reply({"error": {"message": "m", "code": "rate_limit_exceeded"}}, 429, {"Retry-After": "7"}),
            RateLimited,
            7,
        ),
    ],
)
def test_refusals_are_told_apart(stub: StubServer, reply: Reply, kind: type[UmlError], retry_after: Any) -> None:
    stub.answer(CHAT, reply)
    with UniversalClient(stub.url, retry=ONCE) as client, pytest.raises(kind) as caught:
        client.chat("x", model="m")
    assert type(caught.value) is kind
    assert caught.value.retry_after == retry_after


def test_a_key_that_is_wrong_or_allows_too_little(server: Server) -> None:
    with UniversalClient(server.url, server.token) as owner:
        weak = owner.create_key("weak", ["models:read"])
    for key, kind in (("uml_wrong", AuthenticationFailed), (weak.key, PermissionDenied)):
        for websocket in (False, True):
            with UniversalClient(server.url, key, websocket=websocket) as client, pytest.raises(kind):
                client.chat("x", model="demo")
    with UniversalClient(server.url, server.token) as owner:
        owner.revoke_key(weak.id)


@pytest.mark.parametrize(
    "pieces", [[delta("half")], [delta("half"), finish()], [delta("half"), event([1])], [delta("half"), b"data: {\n\n"]]
)
def test_half_an_answer_is_never_a_whole_one(stub: StubServer, pieces: list[bytes]) -> None:
    stub.answer(CHAT, Events(pieces))
    with UniversalClient(stub.url) as client, client.stream("x", model="m") as stream:
        with pytest.raises(StreamInterrupted):
            list(stream)
        assert stream.text == "half"


def test_all_that_programs_catch_has_a_name_in_the_client() -> None:
    doc = jupyter_uml.client.__doc__ or ""
    ours = {name for name in jupyter_uml.client.__all__ if isinstance(getattr(errors, name, None), type)}
    assert {"UmlError", "TimedOut", "RateLimited", "StreamInterrupted", "ConnectionFailed"} <= ours
    assert all(name in doc for name in ours)
    assert all(issubclass(getattr(jupyter_uml.client, name), UmlError) for name in ours)
