"""Answers in a form: what they are made into, and what is said where they are not of that form."""

from __future__ import annotations

import json
from typing import Any, Literal

import pytest
from pydantic import BaseModel, field_validator

from jupyter_uml.client import ParsedAnswer, UniversalClient
from jupyter_uml.errors import InvalidRequest, UnparsableAnswer
from tests.client.stub_server import DONE, Events, StubServer, delta, finish
from tests.conftest import Server

QUESTION = "What's the weather in Paris?"
CHAT = "v1/chat/completions"


class Weather(BaseModel):
    sky: Literal["sunny", "grey"]
    windy: bool


class Mild(Weather):
    @field_validator("sky")
    @classmethod
    def _is_fine(cls, value: str) -> str:
        if value != "sunny":
            raise ValueError("not fine")
        return value


def answering(stub: StubServer, text: str, reason: str = "stop") -> UniversalClient:
    stub.answer(CHAT, Events([delta(text), finish(reason), DONE]))
    return UniversalClient(stub.url)


def test_a_model_answers_in_a_form(server: Server) -> None:
    with UniversalClient(server.url, server.token) as client:
        answer = client.chat(QUESTION, model="demo", schema=Weather, temperature=0, max_tokens=60)
        assert answer.parsed == Weather.model_validate_json(answer.text)
        assert answer.parsed is answer.parsed
        with client.stream(QUESTION, model="demo", schema=Literal["yes", "no"], max_tokens=9) as stream:
            text = "".join(chunk.text for chunk in stream)
        assert stream.answer.parsed == json.loads(text)
        assert stream.answer.parsed in ("yes", "no")
        said = client.complete("Is it? ", model="demo", schema=bool, max_tokens=5)
        assert said.parsed is (said.text == "true")


def test_a_json_schema_gives_what_json_has(stub: StubServer) -> None:
    schema = {"type": "object", "properties": {"sky": {"type": "string"}}}
    with answering(stub, '{"sky": "grey"}') as client:
        assert client.chat("?", model="m", schema=schema).parsed == {"sky": "grey"}
    (body,) = stub.asked(CHAT)
    assert body["response_format"]["json_schema"]["schema"] == schema


def test_an_answer_without_a_form_is_a_plain_one(stub: StubServer) -> None:
    with answering(stub, "Hi") as client:
        assert not isinstance(client.chat("?", model="m"), ParsedAnswer)


@pytest.mark.parametrize(
    ("text", "reason", "form", "words"),
    [
        ('{"sky": "gr', "length", Weather, "cut"),
        ("", "tool_calls", Weather, "calls tools"),
        ('{"sky": "blue", "windy": true}', "stop", Weather, "not the form"),
        ('{"sky": "grey", "windy": true}', "stop", Mild, "not the form"),
    ],
)
def test_an_answer_that_is_not_of_its_form(stub: StubServer, text: str, reason: str, form: Any, words: str) -> None:
    with answering(stub, text, reason) as client:
        answer = client.chat("?", model="m", schema=form)
    assert answer.text == text  # nothing is lost
    with pytest.raises(UnparsableAnswer, match=words) as caught:
        _ = answer.parsed
    assert caught.value.details["finish_reason"] == reason


def test_what_was_stopped_early_says_so(stub: StubServer) -> None:
    with answering(stub, '{"sky"') as client, client.stream("?", model="m", schema=Weather) as stream:
        next(stream)
    with pytest.raises(UnparsableAnswer, match="stopped"):
        _ = stream.answer.parsed


@pytest.mark.parametrize("form", ["Weather", object(), open])
def test_a_form_that_is_none(stub: StubServer, form: Any) -> None:
    with UniversalClient(stub.url) as client, pytest.raises(InvalidRequest) as caught:
        client.chat("?", model="m", schema=form)
    assert caught.value.param == "schema"
    assert not stub.requests
