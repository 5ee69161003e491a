"""`%uml attach`, `generations` and `stop`: what went on without its cell is shown, listed and ended."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from jupyter_uml.client import UniversalClient
from jupyter_uml.kernel.tables import to_text
from jupyter_uml.kernel.verbs.attach import generations_table
from jupyter_uml.types import GenerationLabel, GenerationStatus
from tests.conftest import Server, wait_until
from tests.kernel.conftest import Kernel

SAME: dict[str, Any] = {"model": "endless", "seed": 3, "deterministic": True, "max_tokens": 80}
LABEL = GenerationLabel("cell", "c1", "What was it?")
ROW = GenerationStatus("0123456789abcdef", "demo", "running", "cell", "c1", None, "Why?", 1000.0, 5)


@pytest.fixture
def client(server: Server) -> Iterator[UniversalClient]:
    with UniversalClient(server.url, server.token) as client:
        client.load("endless", n_threads=1)
        yield client
        for row in client.generations():
            if row.state == "running":
                client.stop(row.id)
            client.stop(row.id)  # forgets it


def left_behind(client: UniversalClient, **options: Any) -> str:
    """The id of an answer that goes on without its reader."""
    with client.stream(LABEL.question, label=LABEL, **options) as stream:
        next(stream)
        stream.detach()
    return stream.id


def test_the_whole_answer_is_shown(kernel: Kernel, client: UniversalClient) -> None:
    generation = left_behind(client, **SAME)
    list(client.stream("Hi", label=LABEL, model="endless", max_tokens=1))  # a newer one, which has been read
    for line in ("%uml attach", f"%uml attach {generation[:8]}"):
        shown = kernel.run(line)
        assert shown.status == "ok", shown.errors
        assert shown.text.strip() == client.chat(LABEL.question, **SAME).text.strip()
        assert "cut off after 80 tokens" in shown.html
        record = shown.metadata[-1]["jupyter_uml"]
        assert (record["generation"], record["state"], record["model"]) == (generation, "done", "endless")


def test_they_are_listed_and_stopped(kernel: Kernel, client: UniversalClient) -> None:
    assert "There are no generations" in kernel.run("%uml generations").text
    generation = left_behind(client, model="endless")
    listed = kernel.run("%uml generations")
    for told in (generation[:8], "endless", "running", "What was it?"):
        assert told in listed.text
    assert f"{generation[:8]} of endless is stopped after" in kernel.run("%uml stop").text
    wait_until(lambda: client.model("endless").active == 0, 5)
    assert "has ended already" in kernel.run(f"%uml stop {generation}").text
    shown = kernel.run(f"%uml attach {generation}")
    assert (shown.status, "endless · stopped" in shown.html) == ("ok", True)
    assert "No generation is running." in kernel.run("%uml stop").errors[0]


def test_what_there_is_not(kernel: Kernel, client: UniversalClient) -> None:
    assert "There is no generation to attach to." in kernel.run("%uml attach").errors[0]
    left_behind(client, **SAME)
    for command in ("attach", "stop"):
        assert "No generation has an id that begins with 'zzz'" in kernel.run(f"%uml {command} zzz").errors[0]


def test_a_row_tells_how_old_it_is_and_of_a_long_question_the_beginning() -> None:
    text = to_text(generations_table([ROW, replace(ROW, question="word " * 99)], now=1300.0))
    assert "01234567 " in text
    assert "5 min" in text
    assert "word …" in text
    assert max(map(len, text.splitlines())) < 120
