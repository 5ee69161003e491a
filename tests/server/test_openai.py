"""The real `openai` package against a real server."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import httpx2
import openai
import pytest

from tests.conftest import Server, wait_until

QUESTION = [{"role": "user", "content": "How do I load a model?"}]


@pytest.fixture
def sdk(server: Server) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key=server.token, max_retries=0) as client:
        yield client


def test_models_lists_what_can_be_asked_for(sdk: openai.OpenAI) -> None:
    assert "demo" in [model.id for model in sdk.models.list()]
    assert sdk.models.retrieve("demo").owned_by == "jupyter_uml"


def test_a_stream_says_the_same_as_a_whole_answer(sdk: openai.OpenAI) -> None:
    whole = sdk.chat.completions.create(model="demo", messages=QUESTION, temperature=0)  # type: ignore[arg-type]
    events = list(
        sdk.chat.completions.create(
            model="demo",
            messages=QUESTION,
            temperature=0,
            stream=True,
            stream_options={"include_usage": True},  # type: ignore[arg-type]
        )
    )
    streamed = "".join(event.choices[0].delta.content or "" for event in events if event.choices)
    assert streamed == whole.choices[0].message.content
    assert events[0].choices[0].delta.role == "assistant"
    finishes = [event.choices[0].finish_reason for event in events if event.choices]
    assert finishes[:-1] == [None] * (len(finishes) - 1)
    assert finishes[-1] == whole.choices[0].finish_reason == "stop"
    assert [bool(event.usage) for event in events] == [False] * (len(events) - 1) + [True]
    assert whole.usage is not None
    last = events[-1].usage
    assert last is not None
    assert last.total_tokens == whole.usage.total_tokens
    assert len({event.id for event in events}) == 1


def test_an_answer_can_be_sent_back(sdk: openai.OpenAI) -> None:
    messages: list[object] = list(QUESTION)
    for as_object in (True, False):
        answer = sdk.chat.completions.create(model="demo", messages=messages, temperature=0)  # type: ignore[arg-type]
        message = answer.choices[0].message
        messages += [message if as_object else message.model_dump(), {"role": "user", "content": "Thanks!"}]
    assert answer.choices[0].message.content


def test_text_completions(sdk: openai.OpenAI) -> None:
    greedy = sdk.completions.create(model="demo", prompt="load a", temperature=0, max_tokens=5)
    assert greedy.choices[0].finish_reason in ("stop", "length")
    streamed = sdk.completions.create(model="demo", prompt="load a", temperature=0, max_tokens=5, stream=True)
    assert "".join(event.choices[0].text for event in streamed) == greedy.choices[0].text


def test_content_parts_are_text(sdk: openai.OpenAI) -> None:
    parts = [
        {"role": "user", "content": [{"type": "text", "text": "How do I "}, {"type": "text", "text": "load a model?"}]}
    ]
    answers = {
        sdk.chat.completions.create(model="demo", messages=messages, temperature=0).choices[0].message.content  # type: ignore[arg-type]
        for messages in (QUESTION, parts)
    }
    assert len(answers) == 1


def test_the_same_seed_gives_the_same_answer(sdk: openai.OpenAI) -> None:
    def draw(seed: int) -> str:
        """How a text goes on that the model has never seen the like of."""
        hot = {"temperature": 2.0, "top_p": 1.0, "extra_body": {"top_k": 0, "min_p": 0}}
        answer = sdk.completions.create(model="demo", prompt="x 7 q", seed=seed, max_tokens=20, **hot)  # type: ignore[call-overload]
        return str(answer.choices[0].text)

    assert draw(7) == draw(7)
    assert len({draw(seed) for seed in range(5)}) > 1


@pytest.mark.parametrize(
    ("arguments", "raised"),
    [
        ({"model": "nope"}, openai.NotFoundError),
        ({"temperature": 99}, openai.BadRequestError),
        ({"logprobs": True}, openai.BadRequestError),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, openai.BadRequestError),
        ({"messages": []}, openai.BadRequestError),
    ],
)
def test_errors_are_the_sdks_own(sdk: openai.OpenAI, arguments: dict[str, object], raised: type[Exception]) -> None:
    with pytest.raises(raised) as caught:
        sdk.chat.completions.create(**{"model": "demo", "messages": QUESTION, **arguments})  # type: ignore[call-overload]
    error = caught.value
    assert isinstance(error, openai.APIStatusError)
    assert error.body is not None
    assert set(error.body) >= {"message", "type", "param", "code"}  # type: ignore[call-overload]


def test_a_bad_key_is_an_authentication_error(server: Server) -> None:
    client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="uml_wrong", max_retries=0)
    with client, pytest.raises(openai.AuthenticationError):
        client.models.list()


def test_a_client_that_stops_reading_frees_the_engine(server: Server, sdk: openai.OpenAI) -> None:
    stream = sdk.chat.completions.create(model="endless", messages=QUESTION, stream=True)  # type: ignore[call-overload]
    next(iter(stream))
    assert server.model("endless")["active"] == 1
    stream.close()
    wait_until(lambda: server.model("endless")["active"] == 0, 1.0)


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_hangs_up_frees_the_engine(server: Server, stream: bool) -> None:
    server.post("load_model", {"model": "endless"})
    content = json.dumps({"model": "endless", "messages": QUESTION, "stream": stream})
    address = urlsplit(server.url)
    with socket.create_connection((address.hostname, address.port)) as connection:
        connection.sendall(
            f"POST {address.path}/v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            f"Authorization: Bearer {server.token}\r\nContent-Length: {len(content)}\r\n\r\n{content}".encode()
        )
        wait_until(lambda: server.model("endless")["active"] == 1)
    wait_until(lambda: server.model("endless")["active"] == 0, 1.0)


def test_a_stream_ends_with_done(server: Server) -> None:
    body = {"model": "demo", "messages": QUESTION, "stream": True, "max_tokens": 3}
    response = server.post("v1/chat/completions", body)
    assert response.headers["Content-Type"].startswith("text/event-stream")
    assert response.headers["Cache-Control"] == "no-cache"
    lines = response.text.split("\n\n")
    assert lines[-2:] == ["data: [DONE]", ""]
    assert all(json.loads(line.removeprefix("data: "))["object"] for line in lines[:-2])


def test_thirty_clients_at_once_all_get_their_answer(server: Server) -> None:
    def ask(number: int) -> tuple[str, str]:
        body = {"model": "demo", "messages": QUESTION, "temperature": 0, "stream": number % 2 == 0}
        with httpx2.Client(headers=server.auth) as client:
            response = client.post(f"{server.url}/v1/chat/completions", json=body, timeout=60)
            if number % 2:
                return response.json()["choices"][0]["message"]["content"], "stop"
            events = [json.loads(line[6:]) for line in response.text.split("\n\n")[:-2]]
            return "".join(e["choices"][0]["delta"].get("content", "") for e in events), "stop"

    started = time.monotonic()
    with ThreadPoolExecutor(30) as pool:
        answers = set(pool.map(ask, range(30)))
    assert len(answers) == 1
    assert time.monotonic() - started < 30
    assert len([row for row in server.get("models").json()["models"] if row["state"] == "loaded"]) == len(
        server.workers()
    )
