"""Bodies that come slowly, or many at once: what they may take of the server before anybody has been let in."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from http.client import HTTPResponse
from pathlib import Path

import pytest

from jupyter_uml.server import uploads
from jupyter_uml.server.faults import MAX_BODY
from jupyter_uml.server.uploads import Uploads, patience
from tests.conftest import Server, launch
from tests.server.keys import TestKey, new_key

_SLOW = """
from jupyter_uml.server import base
base.patience = lambda size: 0.5
base.REFUSED_SECONDS = 0.5
"""


@pytest.fixture
def hasty(tmp_path: Path) -> Iterator[Server]:
    """A server that waits for half a second only."""
    config = tmp_path / "hasty.py"
    config.write_text(_SLOW + "c = get_config()\n")
    server = launch(tmp_path, args=(f"--config={config}",))
    yield server
    server.stop()


def begin(key: TestKey, size: int, sent: int) -> socket.socket:
    """A request of which so much has been sent."""
    host, _, port = key.server.root.removeprefix("http://").partition("/")[0].partition(":")
    connection = socket.create_connection((host, int(port)), timeout=30)
    head = f"POST /uml/v1/chat/completions HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Bearer {key.secret}\r\n"
    connection.sendall(f"{head}Content-Length: {size}\r\n\r\n".encode() + b" " * sent)
    return connection


def status(connection: socket.socket) -> int:
    with HTTPResponse(connection) as answer:
        answer.begin()
        return answer.status


def test_one_key_cannot_fill_the_memory_with_bodies(own_server: Server) -> None:
    greedy, other = new_key(own_server), new_key(own_server)
    fitting = uploads.MOST_EACH // (MAX_BODY - 1)
    with ExitStack() as stack:
        begun = [stack.enter_context(begin(greedy, MAX_BODY, MAX_BODY - 1)) for _ in range(fitting + 1)]
        assert other.chat().status_code == 200
        for connection in begun:
            connection.sendall(b" ")
        statuses = sorted(map(status, begun))
    assert statuses == [400] * fitting + [503]
    assert greedy.chat().status_code == 200  # what was taken has been given back


def test_uploads_that_break_off_give_back_what_they_took(own_server: Server) -> None:
    key = new_key(own_server)
    for _ in range(2 * uploads.MOST_EACH // MAX_BODY):
        begin(key, MAX_BODY, MAX_BODY - 1).close()
        time.sleep(0)
    assert (
        key.request("POST", "v1/chat/completions", {"model": "demo", "messages": " " * (30 << 20)}).status_code == 400
    )


@pytest.mark.parametrize("secret", ["", "uml_bad"])
def test_a_body_that_does_not_come_ends_its_connection(hasty: Server, secret: str) -> None:
    key = TestKey(hasty, "", secret) if secret else new_key(hasty)
    with begin(key, 1000, 10) as connection:
        assert connection.recv(1) == b""


def test_slow_lines_have_the_time_they_need() -> None:
    assert patience(0) >= 30
    assert 200 < patience(MAX_BODY) < 600


def test_there_is_room_for_others_and_none_for_more() -> None:
    kept = Uploads(most=10, most_each=6)
    assert kept.take("a", 6)
    assert not kept.take("a", 1)
    assert kept.take("b", 4)
    assert not kept.take("c", 1)
    kept.give_back("a", 6)
    assert kept.take("c", 1)
    assert kept.size == 5
