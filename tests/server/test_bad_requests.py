"""Bodies and models that are refused: in one shape, by name, at once."""

from __future__ import annotations

import json
import socket
import time
from typing import Any
from urllib.parse import urlsplit

import pytest

from jupyter_uml.server.faults import MAX_BODY
from tests.conftest import Server, wait_until
from tests.server.errors import assert_error
from tests.server.keys import CHAT


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
            f"Content-Length: {MAX_BODY + 1}\r\n\r\n".encode()
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
