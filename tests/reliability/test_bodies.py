"""Bodies that mean harm, on every route that takes one: refused in the one shape, in time, and nothing is kept."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator

import httpx2
import psutil
import pytest

from jupyter_uml.server.openapi import OPERATIONS
from tests.conftest import Server, launch, wait_until

SECONDS = 1.0
MIB = 1 << 20
LARGE = 30 * MIB
FLAT = 200 * MIB  # a few bodies under way, and what the allocator keeps of them; all that are sent here have gigabytes
PIECE = 1 << 16
POSTS = [operation.path for operation in OPERATIONS if operation.method == "post"]

# What stands before, and where text goes, in bodies of routes that can do something with it.
_TALK = '"messages":[{"role":"user","content":'
_TEXTS = {
    "v1/chat/completions": (_TALK, "}]"),
    "v1/messages": ('"max_tokens":2,' + _TALK, "}]"),
    "v1/messages/count_tokens": (_TALK, "}]"),
    "apply-template": (_TALK, "}]"),
    "v1/completions": ('"prompt":', ""),
    "v1/responses": ('"input":', ""),
    "v1/responses/input_tokens": ('"input":', ""),
    "v1/embeddings": ('"input":', ""),
    "v1/rerank": ('"query":"a","documents":[', "]"),
    "v2/rerank": ('"query":"a","documents":[', "]"),
    "tokenize": ('"content":', ""),
    "detokenize": ('"tokens":', ""),
}
_OTHER = ('"name":', "")  # of any other route: a name that is far too long


def with_text(path: str, text: bytes) -> bytes:
    """A body with JSON in a place of this route where a text is expected, or a list."""
    before, after = _TEXTS.get(path, _OTHER)
    return b'{"model":"demo",' + before.encode() + text + after.encode() + b"}"


def plus(field: bytes) -> Maker:
    return lambda path: with_text(path, b'"Hi"')[:-1] + b"," + field + b"}"


def instead(text: bytes) -> Maker:
    return lambda path: with_text(path, text)


Maker = Callable[[str], bytes]  # of a path
EVERYWHERE: dict[str, Maker] = {
    "30 MB": instead(b'"' + b"x" * LARGE + b'"'),
    "depth 2,000, lists": instead(b"[" * 2000 + b"]" * 2000),
    "depth 2,000, objects": instead(b'{"a":' * 2000 + b"1" + b"}" * 2000),
    "NaN": plus(b'"temperature":NaN'),
    "1e999": plus(b'"temperature":1e999'),
    "a lone surrogate": instead(b'"\\ud800"'),
    "a lone surrogate in a name": plus(b'"\\udfff":1'),
    "invalid UTF-8": instead(b'"\xff\xc3"'),
    "a surrogate as bytes": instead(b'"\xed\xa0\x80"'),
    "a million stop strings": plus(b'"stop":[' + b'"ab",' * 999_999 + b'"ab"]'),
    "n = 10⁹": plus(b'"n":1000000000'),
    "n = 10⁹⁹⁹": plus(b'"n":1' + b"0" * 999),
}
# Refused where all bodies are read: two routes stand for all.
PARSERS = ("v1/chat/completions", "load_model")
IN_PARSING: dict[str, Maker] = {
    "30 MB of lines": instead(b'"' + b"a\\n" * (LARGE // 3) + b'"'),
    "30 MB of numbers": instead(b"[" + b"1," * (LARGE // 2) + b"1]"),
    "30 MB of lists": instead(b"[" + b"[]," * (LARGE // 3) + b"1]"),
    "30 MB of fields": plus(b",".join(b'"%d":1' % number for number in range(2 * MIB))),
}


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = launch(tmp_path_factory.mktemp("bodies"))
    assert server.post("load_model", {"model": "demo", "n_threads": 1, "pin": True}).status_code == 200
    yield server
    server.stop()


def sizes(server: Server) -> list[int]:
    """Resident bytes of the server and its worker."""
    return [process.memory_info().rss for process in (psutil.Process(server.process.pid), *server.workers())]


def refused(server: Server, path: str, content: bytes | Iterator[bytes]) -> None:
    """Refused, in time: where others keep the machine busy, by the time that the server itself took of it."""
    started, computed = time.monotonic(), computing_time(server)
    response = server.post(path, content=content)
    took, computed = time.monotonic() - started, computing_time(server) - computed
    check_shape(response)
    assert min(took, computed) < SECONDS, f"{path}: {took:.2f} s, of which {computed:.2f} s computing"
    assert took < 20 * SECONDS


def computing_time(server: Server) -> float:
    """Seconds of the server and its worker."""
    processes = (psutil.Process(server.process.pid), *server.workers())
    return sum(sum(process.cpu_times()[:2]) for process in processes)


def check_shape(response: httpx2.Response) -> None:
    assert 400 <= response.status_code < 500, response.text[:300]
    assert response.headers["Content-Type"].startswith("application/json")
    error = response.json()["error"]
    assert {"message", "type", "param", "code"} <= error.keys()
    assert len(error["message"]) < 1000


def in_pieces(content: bytes) -> Iterator[bytes]:
    """Without a Content-Length, so sent chunked."""
    for start in range(0, len(content), PIECE):
        yield content[start : start + PIECE]


@pytest.mark.parametrize("kind", [*EVERYWHERE, *IN_PARSING])
def test_a_hostile_body_is_refused_in_time_and_forgotten(target: Server, kind: str) -> None:
    """All that one kind sends together is more than may be left of it."""
    before, pid = sizes(target), target.model()["pid"]
    for path in POSTS if kind in EVERYWHERE else PARSERS:
        refused(target, path, (EVERYWHERE | IN_PARSING)[kind](path))
    check_flat(target, before)
    assert target.model()["pid"] == pid


def test_a_body_in_chunks_is_refused_like_one_with_a_length(target: Server) -> None:
    before = sizes(target)
    for path in POSTS:
        refused(target, path, in_pieces(EVERYWHERE["30 MB"](path)))
    check_flat(target, before)


def check_flat(server: Server, before: list[int]) -> None:
    for now, then in zip(sizes(server), before, strict=True):
        assert now < then + FLAT, f"{then >> 20} MiB became {now >> 20}"


def test_an_upload_that_breaks_off_ends_its_handler(target: Server) -> None:
    """And what had come of it is not kept: a handler that went on waiting would keep it for ever."""
    process = psutil.Process(target.process.pid)
    before, files = process.memory_info().rss, process.num_fds()
    host, port = target.root.removeprefix("http://").rstrip("/").split(":")
    for _ in range(20):
        with socket.create_connection((host, int(port))) as connection:
            head = f"POST /uml/v1/completions HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: {LARGE}\r\n"
            connection.sendall(f"{head}Authorization: Bearer {target.token}\r\n\r\n".encode())
            connection.sendall(b"x" * (LARGE - 1))
    wait_until(lambda: process.num_fds() <= files)
    wait_until(lambda: process.memory_info().rss < before + FLAT)
    assert target.post("v1/completions", {"model": "demo", "prompt": "Hi", "max_tokens": 2}).status_code == 200
    assert "Traceback" not in target.log.read_text()


def test_what_was_sent_in_a_long_answer_is_not_kept_while_it_lasts(target: Server) -> None:
    """Only what the request says remains: not its bytes, whose space may be many times larger."""
    body = {"model": "endless", "prompt": "Tell me", "max_tokens": 30_000, "stream": True}
    content = json.dumps(body).encode() + b" " * LARGE
    target.post("load_model", {"model": "endless", "n_threads": 1, "n_ctx": 32768}).raise_for_status()
    before = psutil.Process(target.process.pid).memory_info().rss
    with httpx2.Client(timeout=60) as client:
        streams = [
            client.stream("POST", f"{target.url}/v1/completions", content=content, headers=target.auth)
            for _ in range(4)
        ]
        opened = [stream.__enter__() for stream in streams]
        assert [response.status_code for response in opened] == [200] * 4
        after = psutil.Process(target.process.pid).memory_info().rss
        for stream in streams:
            stream.__exit__(None, None, None)
    assert after < before + FLAT
