"""Chat completions, field by field, by the `openai` package against a real server."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import httpx2
import openai
import pytest
from pydantic import BaseModel, Field

from tests.conftest import Server

QUESTION: Any = [{"role": "user", "content": "How do I load a model?"}]
# Far from what the model learnt, so that it says something else each time.
HOT: Any = {"temperature": 2.0, "top_p": 1.0, "extra_body": {"top_k": 0, "min_p": 0}}
STRANGE: Any = [{"role": "user", "content": "x 7 q"}]


@pytest.fixture
def sdk(server: Server) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key=server.token, max_retries=0) as client:
        yield client


def test_several_answers_to_one_prompt(sdk: openai.OpenAI) -> None:
    one = sdk.chat.completions.create(model="demo", messages=STRANGE, max_tokens=12, seed=3, **HOT)
    four = sdk.chat.completions.create(model="demo", messages=STRANGE, max_tokens=12, seed=3, n=4, **HOT)
    assert [choice.index for choice in four.choices] == [0, 1, 2, 3]
    assert len({choice.message.content for choice in four.choices}) > 1
    assert one.usage is not None
    assert four.usage is not None
    assert four.usage.prompt_tokens == one.usage.prompt_tokens
    assert four.usage.completion_tokens <= 48
    assert four.usage.completion_tokens > one.usage.completion_tokens
    assert four.usage.total_tokens == four.usage.prompt_tokens + four.usage.completion_tokens


def test_several_answers_in_one_stream(sdk: openai.OpenAI) -> None:
    arguments: Any = {"model": "demo", "messages": QUESTION, "temperature": 0, "n": 3}
    whole = sdk.chat.completions.create(**arguments)
    events = list(sdk.chat.completions.create(**arguments, stream=True, stream_options={"include_usage": True}))
    texts, roles, ends = ["", "", ""], [0, 0, 0], [0, 0, 0]
    for event in events[:-1]:
        (choice,) = event.choices
        assert not ends[choice.index]
        texts[choice.index] += choice.delta.content or ""
        roles[choice.index] += choice.delta.role is not None
        ends[choice.index] += choice.finish_reason is not None
    assert texts == [choice.message.content for choice in whole.choices]
    assert roles == ends == [1, 1, 1]
    assert events[-1].choices == []
    assert whole.usage is not None
    assert events[-1].usage is not None
    assert events[-1].usage.total_tokens == whole.usage.total_tokens


def test_a_fault_of_several_answers_is_told_once_and_with_a_status(server: Server) -> None:
    long = [{"role": "user", "content": "word " * 4000}]
    for stream in (False, True):
        response = server.post("v1/chat/completions", {"model": "demo", "messages": long, "n": 3, "stream": stream})
        assert response.status_code == 400
        assert response.json()["error"]["code"] == "context_length_exceeded"


def test_a_worker_that_dies_in_a_stream_is_told_at_its_end(own_server: Server) -> None:
    body = {"model": "endless", "messages": QUESTION, "n": 2, "stream": True}
    with httpx2.stream("POST", f"{own_server.url}/v1/chat/completions", json=body, headers=own_server.auth) as response:
        lines = response.iter_lines()
        assert next(lines).startswith("data: ")
        os.kill(own_server.model("endless")["pid"], signal.SIGKILL)
        rest = [line for line in lines if line]
    assert rest[-2] == "event: error"
    assert json.loads(rest[-1].removeprefix("data: "))["error"]["code"] == "worker_died"


def test_usage_is_null_until_the_end_of_a_stream_that_asked_for_it(server: Server) -> None:
    def stream(**options: Any) -> list[dict[str, Any]]:
        body = {"model": "demo", "messages": QUESTION, "max_tokens": 3, "stream": True, **options}
        lines = server.post("v1/chat/completions", body).text.split("\n\n")[:-2]
        return [json.loads(line.removeprefix("data: ")) for line in lines]

    asked = stream(stream_options={"include_usage": True})
    assert [event["usage"] for event in asked[:-1]] == [None] * (len(asked) - 1)
    assert asked[-1]["usage"]["completion_tokens"] == 3
    assert all("usage" not in event for event in stream())
    assert asked[-2]["choices"][0]["delta"] == {}
    assert asked[-2]["choices"][0]["finish_reason"] == "length"
    assert asked[-2]["timings"]["total"] > 0


def test_cached_tokens_are_told(sdk: openai.OpenAI) -> None:
    for _ in range(2):
        usage = sdk.chat.completions.create(model="demo", messages=QUESTION, max_tokens=2).usage
    assert usage is not None
    assert usage.prompt_tokens_details is not None
    assert 0 < (usage.prompt_tokens_details.cached_tokens or 0) < usage.prompt_tokens


def test_the_fingerprint_says_what_answered(sdk: openai.OpenAI) -> None:
    def answer(**arguments: Any) -> Any:
        return sdk.chat.completions.create(model="demo", messages=QUESTION, max_tokens=2, **arguments)

    first = answer()
    assert first.system_fingerprint.startswith("fp_")
    assert answer(temperature=0).system_fingerprint == first.system_fingerprint
    assert {event.system_fingerprint for event in answer(stream=True)} == {first.system_fingerprint}
    other = sdk.chat.completions.create(model="endless", messages=QUESTION, max_tokens=2)
    assert other.system_fingerprint != first.system_fingerprint


def test_a_seed_says_whether_it_is_enough(sdk: openai.OpenAI) -> None:
    """Rounding depends on what else is computed in the same batch, unless the request asks for a fixed order."""

    def told(**arguments: Any) -> Any:
        answer = sdk.chat.completions.create(model="demo", messages=QUESTION, max_tokens=2, **arguments)
        return (answer.model_extra or {}).get("deterministic")

    assert told() is None
    assert told(seed=5) is False
    assert told(seed=5, extra_body={"deterministic": True}) is True


@pytest.mark.parametrize(("asked", "given"), [(None, None), ("auto", "default"), ("flex", "flex")])
def test_the_service_tier_that_was_given_is_told(sdk: openai.OpenAI, asked: Any, given: str | None) -> None:
    more = {} if asked is None else {"service_tier": asked}
    answer = sdk.chat.completions.create(model="demo", messages=QUESTION, max_tokens=2, **more)
    assert answer.service_tier == given


def test_a_begun_answer_is_gone_on_with(sdk: openai.OpenAI) -> None:
    arguments: Any = {"model": "demo", "temperature": 0}
    whole = sdk.chat.completions.create(messages=QUESTION, logprobs=True, **arguments).choices[0]
    assert whole.logprobs is not None
    begun = "".join(token.token for token in (whole.logprobs.content or [])[:8])
    messages: Any = [*QUESTION, {"role": "assistant", "content": begun}]
    rest = sdk.chat.completions.create(messages=messages, **arguments).choices[0].message.content
    assert begun + (rest or "") == whole.message.content


def test_labels_ask_nothing_of_a_model(sdk: openai.OpenAI) -> None:
    labels: Any = {
        "user": "u", "store": False, "metadata": {"a": "b"}, "safety_identifier": "s", "prompt_cache_key": "k",
        "modalities": ["text"], "verbosity": "medium", "prompt_cache_retention": "in_memory",
    }  # fmt: skip
    plain = sdk.chat.completions.create(model="demo", messages=QUESTION, temperature=0).choices[0].message.content
    labelled = sdk.chat.completions.create(model="demo", messages=QUESTION, temperature=0, **labels)
    assert labelled.choices[0].message.content == plain


class Animal(BaseModel):
    kind: Literal["cat", "dog"]
    legs: Annotated[int, Field(ge=0, le=8)]


def test_an_answer_is_parsed_into_a_model_and_can_be_sent_back(sdk: openai.OpenAI) -> None:
    answer = sdk.chat.completions.parse(model="demo", messages=QUESTION, response_format=Animal)
    animal = answer.choices[0].message.parsed
    assert isinstance(animal, Animal)
    again: Any = [*QUESTION, answer.choices[0].message.model_dump(warnings=False, mode="json"), *QUESTION]
    assert sdk.chat.completions.create(model="demo", messages=again, max_tokens=2).choices


def test_what_was_cut_is_not_parsed(sdk: openai.OpenAI) -> None:
    with pytest.raises(openai.LengthFinishReasonError):
        sdk.chat.completions.parse(model="demo", messages=QUESTION, response_format=Animal, max_tokens=3)
