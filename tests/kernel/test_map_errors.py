"""How a run meets a server that is busy, broken or gone, and how many requests it sends at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import jupyter_uml as uml
from jupyter_uml.client import UniversalClient
from jupyter_uml.errors import AuthenticationFailed, ConnectionFailed, InvalidRequest, WorkerDied
from jupyter_uml.kernel.mapping import patience
from tests.client.stub_server import WHOLE_ANSWER, Events, Reply, StubServer, delta, model_row
from tests.conftest import wait_until

CHAT = "v1/chat/completions"
SETTINGS = {"n_ctx": 512, "n_parallel": 3, "n_threads": 1, "n_gpu_layers": 0, "kv_type": "f16"}


def whole(text: str = "Hello", finish: str = "stop") -> Reply:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish}
    return Reply({"choices": [choice], "usage": {"prompt_tokens": 5, "completion_tokens": 2}})


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path))  # nothing is known from other tests
    monkeypatch.setattr(patience, "BACK_OFF", 0.01)


@pytest.fixture
def stub(stub: StubServer) -> StubServer:
    stub.answer("models/demo", Reply(model_row(settings=SETTINGS)))
    stub.answer(CHAT, whole())
    return stub


def test_of_a_model_that_is_not_loaded_the_first_row_goes_alone(stub: StubServer, stub_client: UniversalClient) -> None:
    begin, end = threading.Event(), threading.Event()
    stub.answer("models/demo", Reply(model_row(state="available")), Reply(model_row(settings=SETTINGS)))
    stub.answer(CHAT, Events([stub.until(begin), delta("Hello"), stub.until(end), *WHOLE_ANSWER[2:]]), whole())
    taken: list[int] = []
    thread, results = _in_thread(stub_client, _noted(taken))
    wait_until(lambda: len(stub.asked(CHAT)) == 1)
    assert taken == [0]  # a generator is read no further than needed
    begin.set()
    wait_until(lambda: len(stub.asked(CHAT)) == 20)
    end.set()
    thread.join(30)
    assert results[0].values == ["Hello"] * 20
    assert {body["priority"] for body in stub.asked(CHAT)} == {"batch"}
    assert {body["temperature"] for body in stub.asked(CHAT)} == {0.0}


def test_as_many_rows_are_under_way_as_keep_the_model_at_work(stub: StubServer, stub_client: UniversalClient) -> None:
    gate = threading.Event()
    stub.hold(CHAT, gate)
    taken: list[int] = []
    thread, results = _in_thread(stub_client, _noted(taken))
    wait_until(lambda: len(stub.asked(CHAT)) == 9)
    assert len(taken) == 9
    gate.set()
    thread.join(30)
    assert results[0].values == ["Hello"] * 20
    assert len(stub.asked(CHAT)) == 20


def test_equal_rows_are_asked_once_unless_their_answers_are_drawn(
    stub: StubServer, stub_client: UniversalClient
) -> None:
    rows = ["a", "b", "a", "a"]
    result = _map(stub_client, rows)
    assert (result.values, result.stats.asked, result.stats.reused) == (["Hello"] * 4, 2, 2)
    assert len(stub.asked(CHAT)) == 2
    _map(stub_client, rows, temperature=1.0)
    assert len(stub.asked(CHAT)) == 6
    again = _map(stub_client, rows, temperature=1.0)
    assert (len(stub.asked(CHAT)), again.stats.reused) == (6, 4)


def test_a_row_that_is_turned_away_is_sent_again(stub: StubServer, stub_client: UniversalClient) -> None:
    busy = {"error": {"message": "later", "code": "overloaded"}}
    died = {"error": {"message": "died", "code": "worker_died"}}
    stub.answer(
        CHAT,
        Reply(busy, 503, {"Retry-After": "0"}),
        Reply(busy, 429, {"Retry-After": "0.1"}),
        Reply(died, 503),
        Events([delta("half")], cut=True),
        Reply({"object": "something else"}),
        whole(),
    )
    result = _map(stub_client, ["a", "b"])
    assert result.values == ["Hello", "Hello"]
    assert result.errors == []


def test_an_error_of_one_row_stays_there(stub: StubServer, stub_client: UniversalClient) -> None:
    long = Reply({"error": {"message": "too long", "code": "context_length_exceeded", "param": "messages"}}, 400)
    stub.answer(CHAT, whole(), long, whole())
    result = _map(stub_client, ["a", "b", "c"], concurrency=1)
    assert result.values == ["Hello", None, "Hello"]
    (error,) = result.errors
    assert (error.row, error.message, error.code) == (1, "too long", "context_length_exceeded")
    stub.answer(CHAT, whole())
    assert _map(stub_client, ["a", "b", "c"], concurrency=1).values == ["Hello"] * 3
    assert stub.asked(CHAT)[-1]["messages"][0]["content"] == "Say b"  # only that one was asked again


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [(401, "invalid_api_key", AuthenticationFailed), (400, "invalid_value", InvalidRequest)],
)
def test_an_error_of_all_rows_ends_the_run_and_what_came_is_kept(
    stub: StubServer, stub_client: UniversalClient, status: int, code: str, error: type[Exception]
) -> None:
    refused = Reply({"error": {"message": "no", "code": code, "param": "top_k"}}, status)
    stub.answer(CHAT, whole(), refused)
    with pytest.raises(error):
        _map(stub_client, [str(i) for i in range(50)])
    assert len(stub.asked(CHAT)) < 20
    stub.answer(CHAT, whole())
    asked = len(stub.asked(CHAT))
    assert _map(stub_client, [str(i) for i in range(50)]).stats.reused >= 1
    assert len(stub.asked(CHAT)) - asked < 50


def test_a_server_that_is_gone_ends_the_run() -> None:
    with UniversalClient("http://127.0.0.1:9/uml") as client, pytest.raises(ConnectionFailed):
        _map(client, ["a"])


def test_an_answer_that_does_not_fit_is_its_rows_error(stub: StubServer, stub_client: UniversalClient) -> None:
    stub.answer(CHAT, whole("12"), whole(), whole("12", "length"))
    result = _map(stub_client, ["a", "b", "c"], schema=int, concurrency=1)
    assert result.values == [12, None, 12]
    assert "does not fit the schema" in result.errors[0].message
    assert result.stats.cut == 1


def test_a_generators_own_error_ends_what_is_under_way(stub: StubServer, stub_client: UniversalClient) -> None:
    def rows() -> Any:
        yield "a"
        yield "b"
        wait_until(lambda: len(stub.asked(CHAT)) == 2)  # a slow generator keeps no row waiting that has come
        raise LookupError("mine")

    stub.answer(CHAT, Events([stub.until(threading.Event())]))
    with pytest.raises(LookupError, match="mine"):
        _map(stub_client, rows())
    assert stub.hung_up.wait(5)


@pytest.mark.parametrize(
    ("arguments", "param"),
    [
        ({"data": "one text"}, "data"),
        ({"data": 5}, "data"),
        ({"prompt": "{nothing}"}, "prompt"),
        ({"concurrency": 0}, "concurrency"),
        ({"temprature": 1}, "temprature"),
    ],
)
def test_wrong_arguments_are_named_before_anything_is_asked(
    stub: StubServer, stub_client: UniversalClient, arguments: dict[str, Any], param: str
) -> None:
    given = {"data": ["a"], "prompt": "{text}", **arguments}
    with pytest.raises(InvalidRequest) as caught:
        uml.map(given.pop("data"), given.pop("prompt"), model="demo", client=stub_client, **given)
    assert caught.value.param == param
    assert stub.asked(CHAT) == []


def test_no_row_is_no_request(stub: StubServer, stub_client: UniversalClient) -> None:
    result = _map(stub_client, [])
    assert (result.values, result.errors, stub.asked(CHAT)) == ([], [], [])


def test_who_ends_the_worker_is_not_tried_for_ever() -> None:
    error = WorkerDied("died")
    assert patience.delay(error, 0) is not None
    assert patience.delay(error, 1) is None
    assert patience.of_the_row(error)


def _map(client: UniversalClient, rows: Any, **options: Any) -> Any:
    return uml.map(rows, "Say {text}", model="demo", client=client, progress=False, **options)


def _noted(taken: list[int]) -> Iterator[str]:
    for number in range(20):
        taken.append(number)
        yield str(number)


def _in_thread(client: UniversalClient, rows: Any) -> tuple[threading.Thread, list[Any]]:
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(_map(client, rows)))
    thread.start()
    return thread, results
