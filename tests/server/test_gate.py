"""Every route, every credential: who gets in, who does not, and in which form they are told."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from jupyter_uml.errors import UmlError
from jupyter_uml.protocol.statuses import status_of
from jupyter_uml.server import base
from jupyter_uml.server.extension import ROUTES
from jupyter_uml.server.keys import ALL_SCOPES, KeyRing
from tests.conftest import Server, launch, wait_until

CHAT = {"model": "demo", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 2}
MESSAGE = {"model": "demo", "max_tokens": 2, "messages": [{"role": "user", "content": "Hi"}]}
BODIES: dict[str, Any] = {
    "load_model": {"model": "demo"},
    "unload_model": {"model": "demo"},
    "estimate": {"model": "demo"},
    "bench_model": {"model": "a model that is not there"},
    "pull": {"model": "a name without a repository"},
    "tokenize": {"model": "demo", "content": "Hi"},
    "detokenize": {"model": "demo", "tokens": [1]},
    "apply-template": CHAT,
    "v1/chat/completions": CHAT,
    "v1/completions": {"model": "demo", "prompt": "Hi", "max_tokens": 2},
    "v1/embeddings": {"model": "demo", "input": "Hi"},
    "v1/rerank": {"model": "demo", "query": "Hi", "documents": ["Hi"]},
    "v2/rerank": {"model": "demo", "query": "Hi", "documents": ["Hi"]},
    "v1/responses": {"model": "demo", "input": "Hi", "max_output_tokens": 16},
    "v1/responses/input_tokens": {"model": "demo", "input": "Hi"},
    "v1/messages": MESSAGE,
    "v1/messages/count_tokens": {"model": "demo", "messages": MESSAGE["messages"]},
}
# What the demo model cannot do, and what is not there.
REFUSED = {
    "v1/rerank": 400,
    "v2/rerank": 400,
    "v1/responses/demo": 404,
    "v1/responses/demo/input_items": 404,
    "POST pull": 400,
    "bench_model": 404,
    "pull/demo": 404,
}


def expected(method: str, path: str) -> int:
    """The status of a call that is let in."""
    return REFUSED.get(f"{method} {path}", REFUSED.get(path, 200))


CALLS = [
    (method, re.sub(r"\(.*\)", "demo", path), BODIES.get(path))
    for path, handler, _ in ROUTES
    for method in ("GET", "POST", "DELETE")
    if any(method.lower() in vars(parent) for parent in handler.__mro__[:3])
]


def assert_error(response: httpx2.Response, status: int, code: str | None = None) -> dict[str, Any]:
    """An error in OpenAI's shape; on Anthropic's routes in theirs, which does not tell the code."""
    assert response.status_code == status, response.text
    assert response.headers["Content-Type"] == "application/json"
    body = response.json()
    if "/v1/messages" in response.url.path:
        assert body["type"] == "error"
        assert {"message", "type"} <= set(body["error"])
        assert body["request_id"] == response.headers["request-id"]
        return dict(body["error"])
    assert list(body) == ["error"]
    error: dict[str, Any] = body["error"]
    assert {"message", "type", "param", "code"} <= set(error)
    if code:
        assert error["code"] == code
    return error


def test_every_route_declares_a_scope() -> None:
    for path, handler, _ in ROUTES:
        assert getattr(handler, "scope", None) in ALL_SCOPES, path


def test_every_error_has_a_status() -> None:
    todo = [UmlError]
    while todo:
        cls = todo.pop()
        todo += cls.__subclasses__()
        assert 400 <= status_of(cls._restore("m", None, {})) < 600


def test_all_calls_are_tried() -> None:
    assert len({path for _, path, _ in CALLS}) == len(ROUTES)
    assert all(body for method, _, body in CALLS if method == "POST")


@pytest.mark.parametrize(("method", "path", "body"), CALLS)
class TestCredentials:
    def test_none(self, server: Server, method: str, path: str, body: Any) -> None:
        response = httpx2.request(method, f"{server.url}/{path}", json=body)
        assert_error(response, 401, "invalid_api_key")
        assert "set-cookie" not in response.headers

    def test_a_bad_key_is_never_saved_by_a_cookie(self, server: Server, method: str, path: str, body: Any) -> None:
        with httpx2.Client() as browser:
            browser.get(f"{server.root}api/status", params={"token": server.token})
            assert browser.cookies
            for value in ("Bearer uml_wrong", "token uml_wrong", "Bearer  uml_wrong", "Bearer\tuml_wrong", "uml_wrong"):
                headers = {"Authorization": value}
                assert_error(browser.request(method, f"{server.url}/{path}", json=body, headers=headers), 401)
            in_url = browser.request(method, f"{server.url}/{path}", json=body, params={"token": "uml_wrong"})
            assert_error(in_url, 401)

    def test_a_foreign_host_name(self, server: Server, method: str, path: str, body: Any) -> None:
        response = server.request(method, path, body, headers={"Host": "evil.example"})
        assert_error(response, 403, "permission_denied")

    def test_the_token_opens_it(self, server: Server, method: str, path: str, body: Any) -> None:
        for scheme in ("Bearer", "token"):
            response = server.request(method, path, body, headers={"Authorization": f"{scheme} {server.token}"})
            assert response.status_code == expected(method, path), response.text
        assert response.headers["X-Request-Id"].startswith("req_")

    def test_a_cookie_alone_may_only_read(self, server: Server, method: str, path: str, body: Any) -> None:
        with httpx2.Client() as browser:
            browser.get(f"{server.root}api/status", params={"token": server.token})
            plain = browser.request(method, f"{server.url}/{path}", json=body)
            foreign = browser.request(
                method, f"{server.url}/{path}", json=body, headers={"Origin": "http://evil.example"}
            )
            assert_error(foreign, 403)
            if method == "GET":
                assert plain.status_code == expected(method, path)
                return
            assert_error(plain, 403)
            browser.get(f"{server.root}a page that is not there")
            headers = {"X-XSRFToken": browser.cookies["_xsrf"]}
            response = browser.request(method, f"{server.url}/{path}", json=body, headers=headers)
            assert response.status_code == expected(method, path)


def test_a_key_may_come_as_anthropics_clients_send_it(server: Server) -> None:
    def ask(key: str, **headers: str) -> httpx2.Response:
        return browser.post(f"{server.url}/v1/chat/completions", json=CHAT, headers={"X-Api-Key": key, **headers})

    with httpx2.Client() as browser:
        assert ask(server.token).status_code == 200
        browser.get(f"{server.root}api/status", params={"token": server.token})
        assert browser.cookies
        for bad in ("wrong", "uml_wrong", ""):
            assert_error(ask(bad), 401, "invalid_api_key")
        assert_error(ask(server.token, Authorization="Bearer uml_wrong"), 401, "invalid_api_key")


def test_every_answer_has_the_requests_id(server: Server) -> None:
    for response in (server.post("v1/chat/completions", CHAT), server.get("nope"), server.post("v1/completions", {})):
        assert response.headers["X-Request-Id"].startswith("req_")
        assert response.headers["request-id"] == response.headers["X-Request-Id"]


def test_errors_that_pass_say_when(own_server: Server) -> None:
    """Three crashes open the breaker; until then and after it, the client is told how long to wait."""
    own_server.post("load_model", {"model": "demo"})
    for _ in range(3):
        pid = wait_until(lambda: own_server.model()["pid"])
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda pid=pid: own_server.model()["pid"] != pid)  # type: ignore[misc]
    response = own_server.post("v1/chat/completions", CHAT)
    assert_error(response, 503, "model_restarting")
    assert int(response.headers["Retry-After"]) > 0
    assert own_server.post("load_model", {"model": "demo"}).json()["state"] == "loaded"


def test_jupyters_authorizer_is_asked(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "deny.py").write_text(
        "from jupyter_server.auth import Authorizer\n"
        "class ReadOnly(Authorizer):\n"
        "    def is_authorized(self, handler, user, action, resource):\n"
        "        return action == 'read'\n"
    )
    server = launch(tmp_path, args=("--ServerApp.authorizer_class=deny.ReadOnly",))
    try:
        assert server.get("models").status_code == 200
        assert_error(server.post("load_model", {"model": "demo"}), 403, "permission_denied")
    finally:
        server.stop()


def test_a_key_opens_what_its_scopes_name_and_nothing_else() -> None:
    ring = KeyRing()
    key = ring.create("reader", frozenset({"models:read"}))
    principal = ring.find(key)
    assert principal is not None
    assert principal.scopes == {"models:read"}
    assert ring.find(key[:-1]) is None
    assert key not in repr(vars(ring))


@pytest.mark.parametrize("path", ["", "nope", "v1/nope", "models/", "v1/chat"])
def test_unknown_routes_are_errors_of_ours(server: Server, path: str) -> None:
    assert_error(server.get(path), 404, "route_not_found")


@pytest.mark.parametrize("name", ["images/generations", "audio/speech", "files"])
def test_what_is_not_there_yet_is_told_by_name(server: Server, name: str) -> None:
    error = assert_error(server.post(f"v1/{name}", {}), 404, "route_not_found")
    assert f"does not support {name} yet" in error["message"]


def test_a_wrong_method_is_told(server: Server) -> None:
    assert_error(server.request("PUT", "models"), 405, "method_not_allowed")


@pytest.mark.parametrize(
    ("content", "param"),
    [
        (b"", None),
        (b"{", None),
        (b"[]", None),
        (b"null", None),
        (b"\xff\xfe", None),
        (b"[" * 3000 + b"]" * 3000, None),
        (b'{"model": "demo", "messages": [{"role": "user", "content": "\\ud800"}]}', None),
        (b'{"messages": [{"role": "user", "content": "x"}]}', "model"),
        (b'{"model": "", "messages": [{"role": "user", "content": "x"}]}', "model"),
        (b'{"model": "demo"}', "messages"),
        (b'{"model": "demo", "messages": []}', "messages"),
        (b'{"model": "demo", "messages": "hello"}', "messages"),
        (b'{"model": "demo", "messages": [{"role": "wizard", "content": "x"}]}', "messages.0.role"),
        (b'{"model": "demo", "messages": [{"role": "user"}]}', "messages.0.content"),
        (b'{"model": "demo", "messages": [{"role": "user", "content": 5}]}', "messages.0.content"),
        (
            b'{"model": "demo", "messages": [{"role": "user", "content": [{"type": "image_url"}]}]}',
            "messages.0.content.0.image_url",
        ),
        (b'{"model": "demo", "messages": [{"role": "user", "content": "x"}], "temperature": NaN}', None),
        (b'{"model": "demo", "messages": [{"role": "user", "content": "x"}], "temperature": 1e999}', None),
        (b'{"model": "demo", "messages": [{"role": "user", "content": "x"}], "temperature": 99}', "temperature"),
        (b'{"model": "demo", "messages": [{"role": "user", "content": "x"}], "max_tokens": 0}', "max_tokens"),
        (b'{"model": "demo", "messages": [{"role": "user", "content": "x"}], "max_tokens": true}', "max_tokens"),
        (b'{"model": "demo", "messages": [{"role": "user", "content": "x"}], "n": 1000000000}', "n"),
        (b'{"model": "demo", "messages": [{"role": "user", "content": "x"}], "logit_bias": 5}', "logit_bias"),
        (b'{"model": "demo", "messages": [{"role": "user", "content": "x"}], "stop": [""]}', "stop.0"),
    ],
)
def test_a_bad_body_is_refused_by_name(server: Server, content: bytes, param: str | None) -> None:
    error = assert_error(server.request("POST", "v1/chat/completions", content=content), 400)
    assert error["param"] == param


def test_a_body_that_says_it_is_too_large_is_refused_unread(server: Server) -> None:
    address = urlsplit(server.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        connection.sendall(
            f"POST {address.path}/v1/completions HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            f"Content-Length: {base.MAX_BODY + 1}\r\n\r\n".encode()
        )
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    assert answer.startswith(b"HTTP/1.1 413")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"] == "payload_too_large"


def test_a_body_that_turns_out_too_large_is_refused(server: Server) -> None:
    def pieces() -> Any:
        for _ in range(40):
            yield b"x" * (1 << 20)

    assert_error(server.request("POST", "v1/completions", content=pieces()), 413, "payload_too_large")


@pytest.mark.parametrize("length", ["abc", "-1", "5, 5"])
def test_a_length_that_is_no_number_is_refused(server: Server, length: str) -> None:
    address = urlsplit(server.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        head = f"POST {address.path}/load_model HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {length}\r\n\r\n"
        connection.sendall(head.encode())
        assert connection.recv(65536).startswith(b"HTTP/1.1 400")


def test_a_megabyte_that_cannot_fit_is_refused_at_once(server: Server) -> None:
    """Tokenizing it would hold up everybody's answers for seconds."""
    server.post("load_model", {"model": "demo"})
    for text in ("a" * (20 << 20), "<|" * (10 << 20)):
        started = time.monotonic()
        body = {**CHAT, "messages": [{"role": "user", "content": text}]}
        assert_error(server.post("v1/chat/completions", body), 400, "context_length_exceeded")
        assert_error(server.post("v1/completions", {"model": "demo", "prompt": text}), 400, "context_length_exceeded")
        assert time.monotonic() - started < 5


def test_error_texts_do_not_repeat_what_was_sent_at_length(server: Server) -> None:
    long = "x" * 3000
    assert len(server.get(f"models/{long}").text) < 500
    assert len(server.post("v1/chat/completions", {**CHAT, long: 1}).text) < 1000


def test_prompts_too_long_are_refused_with_both_numbers(server: Server) -> None:
    for stream in (False, True):
        long = {**CHAT, "stream": stream, "messages": [{"role": "user", "content": "word " * 4000}]}
        error = assert_error(server.post("v1/chat/completions", long), 400, "context_length_exceeded")
        assert error["param"] == "messages"
        assert error["context_tokens"] == 1024
        assert error["prompt_tokens"] > 4000


def test_an_unknown_model_is_not_found(server: Server) -> None:
    for model in ("nope", "../../etc/passwd", "/demo", "My Model (Q4)", "dmeo"):
        error = assert_error(server.post("v1/chat/completions", {**CHAT, "model": model}), 404, "model_not_found")
        assert "demo" in error["message"]
    assert "Did you mean demo?" in error["message"]
    assert_error(server.get("models/nope"), 404, "model_not_found")
    assert_error(server.get("v1/models/nope"), 404, "model_not_found")


def test_a_damaged_file_is_unprocessable(server: Server, demo_bytes: bytes) -> None:
    path = server.models / "broken.gguf"
    path.write_bytes(demo_bytes[:100_000])
    try:
        wait_until(lambda: server.get("models/broken").status_code == 200)
        for body in ({**CHAT, "model": "broken"}, {**CHAT, "model": "broken", "stream": True}):
            error = assert_error(server.post("v1/chat/completions", body), 422, "model_load_failed")
            assert str(server.models) not in error["message"]
        assert_error(server.post("load_model", {"model": "broken"}), 422, "model_load_failed")
        assert server.model("broken")["state"] == "failed"
        assert server.model("broken")["error"]["code"] == "model_load_failed"
    finally:
        path.unlink()
