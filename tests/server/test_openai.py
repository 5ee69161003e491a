"""The real `openai` package against a real server."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import httpx2
import jsonschema
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
        ({"top_logprobs": 3}, openai.BadRequestError),
        ({"logit_bias": {"one": 1}}, openai.BadRequestError),
        ({"logit_bias": {"999999": 1}}, openai.BadRequestError),
        ({"response_format": {"type": "yaml"}}, openai.BadRequestError),
        ({"functions": [{"name": "f"}]}, openai.BadRequestError),
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


SCHEMA = {
    "type": "object",
    "properties": {
        "kind": {"enum": ["cat", "dog"]},
        "legs": {"type": "integer", "minimum": 0, "maximum": 8},
        "sounds": {"type": "array", "items": {"type": "string", "maxLength": 6}, "maxItems": 2},
    },
    "required": ["kind", "legs", "sounds"],
    "additionalProperties": False,
}


def json_schema(schema: Any, strict: bool = True) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "animal", "schema": schema, "strict": strict}}


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_follows_its_schema(sdk: openai.OpenAI, stream: bool) -> None:
    for seed in range(5):
        answer = sdk.chat.completions.create(  # type: ignore[call-overload]
            model="demo",
            messages=QUESTION,
            seed=seed,
            temperature=1,
            response_format=json_schema(SCHEMA),
            stream=stream,
        )
        parts = [event.choices[0] for event in answer] if stream else answer.choices
        text = "".join(p.delta.content or "" for p in parts) if stream else parts[0].message.content
        jsonschema.validate(json.loads(text), SCHEMA)
        assert parts[-1].finish_reason == "stop"


def test_json_that_is_cut_says_so(sdk: openai.OpenAI) -> None:
    answer = sdk.chat.completions.create(
        model="demo",
        messages=QUESTION,  # type: ignore[arg-type]
        max_tokens=3,
        response_format={"type": "json_object"},
    )
    assert answer.choices[0].finish_reason == "length"
    assert (answer.choices[0].message.content or "").startswith("{")


def test_a_schema_that_cannot_be_followed_names_its_field(sdk: openai.OpenAI) -> None:
    unknown = {"type": "string", "format": "haiku"}
    for stream in (False, True):
        with pytest.raises(openai.BadRequestError) as caught:
            sdk.chat.completions.create(  # type: ignore[call-overload]
                model="demo", messages=QUESTION, response_format=json_schema(unknown), stream=stream
            )
        assert caught.value.param == "response_format"
    lenient = json_schema({**unknown, "maxLength": 5}, strict=False)
    answer = sdk.chat.completions.create(model="demo", messages=QUESTION, response_format=lenient)  # type: ignore[call-overload]
    assert isinstance(json.loads(answer.choices[0].message.content), str)


def test_other_grammars_are_a_field_of_their_own(sdk: openai.OpenAI) -> None:
    def ask(**fields: Any) -> str:
        answer = sdk.completions.create(model="demo", prompt="x", extra_body=fields)
        return answer.choices[0].text

    assert ask(grammar={"kind": "regex", "source": "[0-9]{3}"}).isdigit()
    assert ask(grammar={"kind": "lark", "source": 'start: "yes" | "no"'}) in ("yes", "no")
    for bad in ({"grammar": "root ::= x"}, {"grammar": {"kind": "regex", "source": "("}}):
        with pytest.raises(openai.BadRequestError) as caught:
            ask(**bad)
        assert caught.value.param == "grammar"


def test_log_probabilities_of_a_chat(sdk: openai.OpenAI) -> None:
    arguments: dict[str, Any] = {"model": "demo", "messages": QUESTION, "temperature": 0, "max_tokens": 8}
    whole = sdk.chat.completions.create(**arguments, logprobs=True, top_logprobs=3).choices[0]
    assert whole.logprobs is not None
    tokens = whole.logprobs.content or []
    assert len(tokens) == 8
    assert b"".join(bytes(token.bytes or ()) for token in tokens).decode() == whole.message.content
    for token in tokens:
        assert token.logprob <= 0
        assert len(token.top_logprobs) == 3
        assert token.top_logprobs[0].token == token.token  # greedy
        assert token.top_logprobs[0].logprob == token.logprob >= token.top_logprobs[1].logprob
    events = sdk.chat.completions.create(**arguments, logprobs=True, top_logprobs=3, stream=True)
    streamed = [t for event in events for c in event.choices if c.logprobs for t in c.logprobs.content or []]
    assert [token.token for token in streamed] == [token.token for token in tokens]
    bare = sdk.chat.completions.create(**arguments, logprobs=True).choices[0].logprobs
    assert bare is not None
    assert all(token.top_logprobs == [] for token in bare.content or [])
    assert sdk.chat.completions.create(**arguments).choices[0].logprobs is None


def test_log_probabilities_of_a_text(sdk: openai.OpenAI) -> None:
    arguments: dict[str, Any] = {"model": "demo", "prompt": "load a", "temperature": 0, "max_tokens": 5, "logprobs": 2}
    whole = sdk.completions.create(**arguments).choices[0]
    found = whole.logprobs
    assert found is not None
    assert found.tokens is not None
    assert "".join(found.tokens) == whole.text
    assert found.text_offset == [sum(map(len, found.tokens[:n])) for n in range(len(found.tokens))]
    assert [len(top) for top in found.top_logprobs or []] == [2] * len(found.tokens)
    assert found.token_logprobs == [
        top[token] for top, token in zip(found.top_logprobs or [], found.tokens, strict=True)
    ]
    events = [event.choices[0].logprobs for event in sdk.completions.create(**arguments, stream=True)]
    assert [offset for part in events if part for offset in part.text_offset or []] == found.text_offset


def test_a_bias_forbids_a_token(sdk: openai.OpenAI) -> None:
    """As many as there can be: the answer changes where its first token was among them."""
    arguments: dict[str, Any] = {"model": "demo", "prompt": "load a", "temperature": 0, "max_tokens": 1}
    first = sdk.completions.create(**arguments).choices[0].text
    halves = [range(1024), range(1024, 2048)]
    answers = {
        sdk.completions.create(**arguments, logit_bias={str(token): -100 for token in half}).choices[0].text
        for half in halves
    }
    assert len(answers) == 2
    assert first in answers


def test_usage_tells_what_was_left_out_and_guessed(sdk: openai.OpenAI) -> None:
    usage = sdk.chat.completions.create(model="demo", messages=QUESTION, temperature=0).usage  # type: ignore[arg-type]
    assert usage is not None
    assert usage.prompt_tokens_details is not None
    assert usage.prompt_tokens_details.model_extra == {"truncated_tokens": 0}
    guessed = usage.completion_tokens_details
    assert guessed is not None
    assert guessed.accepted_prediction_tokens is not None
    assert guessed.rejected_prediction_tokens is not None


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
