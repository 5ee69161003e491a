"""How a run meets a server that is busy, broken or gone, and how many requests it sends at once."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

import jupyter_uml as uml
from jupyter_uml.client import UniversalClient
from jupyter_uml.errors import AuthenticationFailed, ConnectionFailed, InvalidRequest, WorkerDied
from jupyter_uml.kernel.mapping import patience
from tests.client.stub_server import DONE, WHOLE_ANSWER, Events, Reply, StubServer, delta, finish, model_row
from tests.conftest import wait_until

CHAT = "v1/chat/completions"
SETTINGS = {"n_ctx": 512, "n_parallel": 3, "n_threads": 1, "n_gpu_layers": 0, "kv_type": "f16"}


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path))  # nothing is known from other tests
    monkeypatch.setattr(patience, "BACK_OFF", 0.01)


@pytest.fixture
def stub(stub: StubServer) -> StubServer:
    stub.answer("models/demo", Reply(model_row(settings=SETTINGS)))
    stub.answer(CHAT, Events(WHOLE_ANSWER))
    return stub


def test_the_first_row_goes_alone_then_twice_as_many_as_the_model_takes(
    stub: StubServer, stub_client: UniversalClient
) -> None:
    begin, end = threading.Event(), threading.Event()
    first = Events([stub.until(begin), delta("a"), stub.until(end), finish(), DONE])
    stub.answer(CHAT, first, Events([stub.until(end), *WHOLE_ANSWER]))
    taken: list[int] = []
    thread, results = _in_thread(stub_client, (str(taken.append(i) or i) for i in range(20)))  # type: ignore[func-returns-value]
    wait_until(lambda: len(stub.asked(CHAT)) == 1)
    assert taken == [0]  # a generator is read no further than needed
    begin.set()
    wait_until(lambda: len(stub.asked(CHAT)) == 6)
    assert len(taken) == 6
    end.set()
    thread.join(30)
    assert results[0].values == ["a", *["Hello"] * 19]
    assert len(stub.asked(CHAT)) == 20
    assert {body["priority"] for body in stub.asked(CHAT)} == {"batch"}
    assert {body["temperature"] for body in stub.asked(CHAT)} == {0.0}


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
        Events(WHOLE_ANSWER),
    )
    result = _map(stub_client, ["a", "b"])
    assert result.values == ["Hello", "Hello"]
    assert result.errors == []


def test_an_error_of_one_row_stays_there(stub: StubServer, stub_client: UniversalClient) -> None:
    long = Reply({"error": {"message": "too long", "code": "context_length_exceeded", "param": "messages"}}, 400)
    stub.answer(CHAT, Events(WHOLE_ANSWER), long, Events(WHOLE_ANSWER))
    result = _map(stub_client, ["a", "b", "c"], concurrency=1)
    assert result.values == ["Hello", None, "Hello"]
    (error,) = result.errors
    assert (error.row, error.message, error.code) == (1, "too long", "context_length_exceeded")
    stub.answer(CHAT, Events(WHOLE_ANSWER))
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
    stub.answer(CHAT, Events(WHOLE_ANSWER), refused)
    with pytest.raises(error):
        _map(stub_client, [str(i) for i in range(50)])
    assert len(stub.asked(CHAT)) < 15
    stub.answer(CHAT, Events(WHOLE_ANSWER))
    asked = len(stub.asked(CHAT))
    assert _map(stub_client, [str(i) for i in range(50)]).stats.reused >= 1
    assert len(stub.asked(CHAT)) - asked < 50


def test_a_server_that_is_gone_ends_the_run() -> None:
    with UniversalClient("http://127.0.0.1:9/uml") as client, pytest.raises(ConnectionFailed):
        _map(client, ["a"])


def test_an_answer_that_does_not_fit_is_its_rows_error(stub: StubServer, stub_client: UniversalClient) -> None:
    cut = Events([delta("12"), finish("length"), DONE])
    stub.answer(CHAT, Events([delta("12"), finish(), DONE]), Events(WHOLE_ANSWER), cut)
    result = _map(stub_client, ["a", "b", "c"], schema=int, concurrency=1)
    assert result.values == [12, None, 12]
    assert "does not fit the schema" in result.errors[0].message
    assert result.stats.cut == 1


def test_a_generators_own_error_ends_what_is_under_way(stub: StubServer, stub_client: UniversalClient) -> None:
    def rows() -> Any:
        yield "a"
        yield "b"
        raise LookupError("mine")

    begun = Events([delta("a"), stub.until(threading.Event())])
    stub.answer(CHAT, begun)
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


def _in_thread(client: UniversalClient, rows: Any) -> tuple[threading.Thread, list[Any]]:
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(_map(client, rows)))
    thread.start()
    return thread, results
