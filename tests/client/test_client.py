"""Both clients on a real server: what they return, what they refuse, and what an interruption does."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from jupyter_uml.client import Answer, AsyncUniversalClient, UniversalClient
from jupyter_uml.client import client as client_module
from jupyter_uml.errors import AuthenticationFailed, InvalidRequest, ModelNotFound
from jupyter_uml.generations import joined_calls
from jupyter_uml.types import CallDelta, Message, ToolCall
from tests.client.conftest import Place
from tests.client.stub_server import DONE, WHOLE_ANSWER, Events, Reply, StubServer, delta, finish, model_row
from tests.conftest import Server, wait_until

QUESTION = "How do I load a model?"
GREEDY: dict[str, Any] = {"model": "demo", "temperature": 0, "max_tokens": 12}


@pytest.fixture
def client(server: Server) -> Iterator[UniversalClient]:
    with UniversalClient(server.url, server.token) as opened:
        yield opened


def test_models_and_health(client: UniversalClient) -> None:
    client.load("demo")
    assert "demo" in client.health().loaded
    assert client.model("demo").state == "loaded"
    assert {"demo", "endless"} <= {row.id for row in client.models()}


def test_load_and_unload(client: UniversalClient) -> None:
    loaded = client.load("demo", n_ctx=512, n_threads=1)
    assert loaded.settings is not None
    assert loaded.settings.n_ctx >= 512
    assert client.unload("demo").state == "available"
    begun = client.load("demo", wait=False)
    assert begun.state in ("loading", "loaded")
    wait_until(lambda: client.model("demo").state == "loaded")


def test_an_answer(client: UniversalClient) -> None:
    answer = client.chat(QUESTION, **GREEDY)
    assert isinstance(answer, Answer)
    assert str(answer) == answer.text != ""
    assert answer.model == "demo"
    assert answer.usage is not None
    assert 0 < answer.usage.completion_tokens <= 12
    assert answer.timings is not None
    assert 0 < answer.timings.first_token <= answer.timings.total


def test_a_conversation_may_be_dicts_or_messages(client: UniversalClient) -> None:
    as_text = client.chat(QUESTION, system="Be brief.", **GREEDY)
    as_dicts = client.chat(
        [{"role": "system", "content": "Be brief."}, {"role": "user", "content": QUESTION}], **GREEDY
    )
    as_messages = client.chat([Message("system", "Be brief."), Message("user", QUESTION)], **GREEDY)
    assert as_text.text == as_dicts.text == as_messages.text


def test_a_stream_is_the_same_answer(client: UniversalClient) -> None:
    with client.stream(QUESTION, **GREEDY) as stream:
        with pytest.raises(RuntimeError, match="not complete"):
            _ = stream.answer
        chunks = list(stream)
    assert stream.answer.text == "".join(chunk.text for chunk in chunks)
    assert stream.answer.text == client.chat(QUESTION, **GREEDY).text
    assert chunks[-1].finish_reason == stream.answer.finish_reason
    assert list(stream) == []


def test_a_completion_goes_on_to_its_end(client: UniversalClient) -> None:
    cut = client.complete("Load a model", model="demo", max_tokens=3, temperature=0)
    assert cut.finish_reason == "length"
    assert cut.usage is not None
    assert cut.usage.completion_tokens == 3


def test_log_probabilities_are_part_of_the_answer(place: Place) -> None:
    answer = place.client.chat(QUESTION, **GREEDY, logprobs=2)
    assert b"".join(token.chosen.piece for token in answer.logprobs).decode() == answer.text
    assert all(token.chosen == token.top[0] and token.chosen.token >= 0 for token in answer.logprobs)
    assert place.client.chat(QUESTION, **GREEDY).logprobs == ()


def test_what_a_model_would_take(place: Place) -> None:
    estimate = place.client.estimate("demo", n_ctx=512, n_parallel=2)
    assert (estimate.model, estimate.fits, estimate.as_wished) == ("demo", True, True)
    assert (estimate.settings.n_ctx, estimate.settings.n_parallel) == (512, 2)
    assert {"weights", "kv_cache"} <= {part.name for part in estimate.parts}
    assert 512 <= estimate.largest_context <= 1024
    assert 0 < estimate.needed_bytes < estimate.available_bytes
    with pytest.raises(ModelNotFound):
        place.client.estimate("no-such-model")


def test_how_long_a_model_stays(place: Place) -> None:
    client = place.client
    assert client.load("demo", pin=True, keep_alive="10m", n_threads=1).pinned
    assert client.load("demo").pinned  # said by nobody, left as it is
    let_go = client.load("demo", pin=False, keep_alive="10m")
    assert not let_go.pinned
    assert let_go.expires_in == pytest.approx(600, abs=5)
    client.chat(QUESTION, **GREEDY, keep_alive=60)
    assert client.model("demo").expires_in == pytest.approx(60, abs=5)
    client.complete("Load", model="demo", max_tokens=1, keep_alive=-1)
    assert client.model("demo").expires_in is None
    client.unload("demo")


def test_figures_of_the_last_hour(place: Place) -> None:
    place.client.load("demo", n_threads=1)
    wait_until(lambda: place.client.history("demo"), 20)
    latest = place.client.history("demo")[-1]
    assert latest.memory_bytes > 0
    assert abs(latest.time - time.time()) < 60
    with pytest.raises(ModelNotFound):
        place.client.history("no-such-model")


def test_how_fast_a_model_is(place: Place) -> None:
    speed = place.client.measure("demo")
    assert speed.model == "demo"
    assert min(point.tokens_per_second for point in (*speed.prefill, *speed.decode)) > 0


def test_a_kernel_says_who_it_is(stub: StubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "own_kernel_id", lambda: "1234-abcd")
    stub.answer("models", Reply({"models": []}))
    with UniversalClient(stub.url) as client:
        client.models()
    assert [headers["X-Jupyter-Kernel"] for _, _, headers, _ in stub.requests] == ["1234-abcd"]


def test_a_fields_error_is_the_same_with_a_server_and_without(place: Place) -> None:
    with pytest.raises(InvalidRequest) as caught:
        place.client.complete("Load", model="demo", suffix="end")
    assert caught.value.param == "suffix"


def test_a_stop_string_is_named(client: UniversalClient) -> None:
    text = client.chat(QUESTION, **GREEDY).text
    word = text.split()[1]
    answer = client.chat(QUESTION, stop=word, **GREEDY)
    assert answer.stop_reason == word
    assert answer.text == text[: text.index(word)]


def test_leaving_a_stream_early_stops_the_engine(client: UniversalClient, server: Server) -> None:
    with client.stream(QUESTION, model="endless") as stream:
        next(stream)
    assert stream.answer.finish_reason == "aborted"
    wait_until(lambda: server.model("endless")["active"] == 0, 1)


def test_an_interrupt_stops_the_engine(client: UniversalClient, server: Server) -> None:
    """What the notebook's stop button does: KeyboardInterrupt in the main thread, here while it waits."""
    threading.Thread(target=_interrupt_when, args=(lambda: server.model("endless")["active"],)).start()
    # A shell that starts the tests in the background has SIGINT ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            client.chat(QUESTION, model="endless")
    finally:
        signal.signal(signal.SIGINT, before)
    wait_until(lambda: server.model("endless")["active"] == 0, 1)
    assert client.chat(QUESTION, **GREEDY).text


def _interrupt_when(condition: Callable[[], Any]) -> None:
    wait_until(condition)
    signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)


def test_the_asynchronous_client(server: Server) -> None:
    async def main() -> tuple[str, str]:
        async with AsyncUniversalClient(server.url, server.token) as client:
            async with client.stream(QUESTION, **GREEDY) as stream:
                text = "".join([chunk.text async for chunk in stream])
            answers = await asyncio.gather(*(client.chat(QUESTION, **GREEDY) for _ in range(4)))
            assert len({answer.text for answer in answers}) == 1
            return text, answers[0].text

    streamed, whole = asyncio.run(main())
    assert streamed == whole


def test_errors_are_native(client: UniversalClient, server: Server) -> None:
    with pytest.raises(ModelNotFound, match="demo"):
        client.load("no-such-model")
    with pytest.raises(InvalidRequest) as caught:
        client.chat(QUESTION, temperature=99)
    assert caught.value.param == "temperature"
    with UniversalClient(server.url, "uml_wrong") as stranger, pytest.raises(AuthenticationFailed):
        stranger.models()


@pytest.mark.parametrize(
    ("arguments", "param"),
    [
        ({"messages": ""}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages.0.role"),
        ({"messages": [{"role": "user", "content": None}]}, "messages.0.content"),
        ({"messages": ["x"]}, "messages.0"),
        ({"messages": [Message("system", "a"), Message("user", "b")], "system": "c"}, "system"),
        ({"messages": "x", "temprature": 1}, "temprature"),
        ({"messages": "x", "tool_choice": "required"}, "tool_choice"),
        ({"messages": "x", "tools": [7]}, "tools.0"),
    ],
)
def test_wrong_arguments_are_named(stub: StubServer, arguments: dict[str, Any], param: str) -> None:
    with UniversalClient(stub.url) as client, pytest.raises(InvalidRequest) as caught:
        client.chat(**arguments)
    assert caught.value.param == param
    assert not stub.requests


def test_reasoning_and_calls_are_part_of_the_answer(stub: StubServer) -> None:
    first = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "get_time", "arguments": '{"city":'}}
    stub.answer(
        "v1/chat/completions",
        Events(
            [
                delta("", reasoning_content="Let me "),
                delta("", reasoning_content="see."),
                delta("I look.", tool_calls=[first]),
                delta("", tool_calls=[{"index": 0, "function": {"arguments": ' "Rome"}'}}]),
                finish("tool_calls"),
                DONE,
            ]
        ),
    )
    with UniversalClient(stub.url) as client, client.stream("What time is it in Rome?", model="demo") as stream:
        seen = [(stream.reasoning, stream.text, stream.tool_calls) for _ in stream]
        answer = stream.answer
    call = ToolCall("1", "get_time", '{"city": "Rome"}')
    assert seen[:3] == [
        ("Let me ", "", ()),
        ("Let me see.", "", ()),
        ("Let me see.", "I look.", (ToolCall("1", "get_time", '{"city":'),)),
    ]
    assert (answer.finish_reason, answer.reasoning, answer.tool_calls) == ("tool_calls", "Let me see.", (call,))
    assert answer.message == Message("assistant", "I look.", tool_calls=(call,), reasoning="Let me see.")


def test_the_pieces_of_several_calls_are_told_apart() -> None:
    deltas = [CallDelta(1, "{", "b", "g"), CallDelta(0, "[", "a", "f"), CallDelta(1, "}"), CallDelta(0, "]")]
    assert joined_calls(deltas) == (ToolCall("a", "f", "[]"), ToolCall("b", "g", "{}"))


def test_wrong_settings_are_named(stub: StubServer) -> None:
    with UniversalClient(stub.url) as client, pytest.raises(InvalidRequest, match="n_ctx"):
        client.load("demo", context=1)


# --- which model -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "chosen"),
    [
        ([model_row("a", "available"), model_row("b")], "b"),
        ([model_row("a", "available"), model_row("demo", "available")], "demo"),
        ([model_row("a", "available")], "a"),
        ([model_row("a", "available", reason="A LoRA adapter."), model_row("b", "available")], "b"),
        ([model_row("a", reason="A LoRA adapter."), model_row("b", "available"), model_row("c", "loading")], "c"),
    ],
)
def test_the_default_model(stub: StubServer, rows: list[dict[str, Any]], chosen: str) -> None:
    stub.answer("models", Reply({"models": rows}))
    with UniversalClient(stub.url) as client:
        assert client.default_model() == chosen


def test_the_model_used_last_is_the_default(stub: StubServer) -> None:
    stub.answer("models", Reply({"models": [model_row("a"), model_row("b")]}))
    stub.answer("v1/chat/completions", Events(WHOLE_ANSWER))
    with UniversalClient(stub.url) as client:
        client.chat("hi", model="b")
        assert client.chat("hi").model == "b"
    assert [body["model"] for body in stub.asked("v1/chat/completions")] == ["b", "b"]


def test_the_model_used_last_stays_the_default_when_it_has_been_unloaded_for_want_of_use(stub: StubServer) -> None:
    stub.answer("models", Reply({"models": [model_row("a"), model_row("b", "available", aliases=["bee"])]}))
    stub.answer("unload_model", Reply(model_row("bee", "available")))
    stub.answer("v1/chat/completions", Events(WHOLE_ANSWER))
    with UniversalClient(stub.url) as client:
        client.chat("hi", model="bee")
        assert client.default_model() == "b"
        client.unload("bee")
        assert client.default_model() == "a"


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([], "No model was found"),
        ([model_row("a", "available", reason="Damaged.")], "No model was found that can be loaded"),
        ([model_row("a", "available"), model_row("b", "available")], "None of the 2 models is loaded.*: a, b\\."),
        ([model_row(f"m{i}", "available") for i in range(1000)], "None of the 1000 models.*: m0, m1, .* and 992 more"),
    ],
)
def test_no_default_model(stub: StubServer, rows: list[dict[str, Any]], words: str) -> None:
    stub.answer("models", Reply({"models": rows}))
    with UniversalClient(stub.url) as client, pytest.raises(InvalidRequest, match=words):
        client.chat("hi")


# --- sharing and closing ---------------------------------------------------------------------


def test_many_threads_may_share_a_client(client: UniversalClient) -> None:
    answers: list[str] = []
    threads = [threading.Thread(target=lambda: answers.append(client.chat(QUESTION, **GREEDY).text)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 4
    assert len(set(answers)) == 1


def test_a_closed_client_opens_again(server: Server) -> None:
    client = UniversalClient(server.url, server.token)
    assert client.health().status == "ok"
    client.close()
    client.close()
    assert client.health().status == "ok"
    client.close()


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("websocket", [False, True])
def test_an_asynchronous_client_serves_one_event_loop_after_the_other(server: Server, websocket: bool) -> None:
    """As scripts have it that call `asyncio.run` again and again and close nothing in between."""
    client = AsyncUniversalClient(server.url, server.token, websocket=websocket)

    async def ask() -> str:
        await client.models()
        return (await client.chat(QUESTION, **GREEDY)).text

    assert asyncio.run(ask()) == asyncio.run(ask())
    asyncio.run(client.aclose())
    gc.collect()  # what nobody closed complains here, not in another test


def test_a_script_may_end_with_a_stream_open(server: Server) -> None:
    script = (
        "from jupyter_uml.client import UniversalClient\nclient = UniversalClient()\n"
        "stream = client.stream('Hi', model='endless')\nprint(next(stream).text is not None)\n"
    )
    environment = {**os.environ, "JUPYTER_UML_URL": server.url, "JUPYTER_UML_KEY": server.token}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, env=environment)
    assert (done.stdout, done.stderr) == ("True\n", "")
    wait_until(lambda: server.model("endless")["active"] == 0, 1)
