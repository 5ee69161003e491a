"""What programs complain of in other servers: almost-right answers. Each of these holds here."""

from __future__ import annotations

import json
import time
from typing import Any

import jsonschema
import pytest

from tests.conftest import Server

QUESTION: Any = [{"role": "user", "content": "How do I load a model?"}]
CHAT: Any = {"model": "demo", "messages": QUESTION, "temperature": 0}


def error_of(response: Any, status: int) -> dict[str, Any]:
    """The error, which has OpenAI's shape."""
    assert response.status_code == status, response.text
    assert list(response.json()) == ["error"]
    error: dict[str, Any] = response.json()["error"]
    assert {"message", "type", "param", "code"} <= set(error)
    assert isinstance(error["message"], str)
    return error


@pytest.mark.parametrize("stream", [False, True])
def test_text_held_back_for_half_a_stop_string_comes_at_the_end(server: Server, stream: bool) -> None:
    """The answer ends by length in the middle of what could have become a stop string."""

    def said(**fields: Any) -> str:
        response = server.post("v1/chat/completions", {**CHAT, "max_tokens": 6, "stream": stream, **fields})
        if not stream:
            return str(response.json()["choices"][0]["message"]["content"])
        events = [json.loads(line.removeprefix("data: ")) for line in response.text.split("\n\n")[:-2]]
        return "".join(event["choices"][0]["delta"].get("content") or "" for event in events)

    plain = said()
    assert len(plain) > 4
    assert said(stop=[plain[-3:] + "\0never"]) == plain
    assert said(stop=[plain + "\0never", plain[-1:] + "\0never"]) == plain


@pytest.mark.parametrize(
    "bounds",
    [
        {"minimum": 3, "maximum": 5},
        {"exclusiveMinimum": 99, "exclusiveMaximum": 102},
        {"minimum": -7, "maximum": -6},
        {"multipleOf": 5, "minimum": 10, "maximum": 20},
    ],
)
def test_the_number_bounds_of_a_strict_schema_hold(server: Server, bounds: dict[str, Any]) -> None:
    schema = {
        "type": "object",
        "properties": {"number": {"type": "integer", **bounds}},
        "required": ["number"],
        "additionalProperties": False,
    }
    form = {"type": "json_schema", "json_schema": {"name": "a", "schema": schema, "strict": True}}
    for seed in range(4):
        body = {**CHAT, "temperature": 2, "seed": seed, "response_format": form}
        choice = server.post("v1/chat/completions", body).json()["choices"][0]
        assert choice["finish_reason"] == "stop"
        jsonschema.validate(json.loads(choice["message"]["content"]), schema)


@pytest.mark.parametrize("content", [b"{", b"", b"[1", b'{"model": "demo",}', b"nonsense"])
@pytest.mark.parametrize("path", ["v1/chat/completions", "v1/completions"])
def test_malformed_json_is_the_callers_fault(server: Server, path: str, content: bytes) -> None:
    assert error_of(server.post(path, content=content), 400)["type"] == "invalid_request_error"


@pytest.mark.parametrize("stream", [False, True])
def test_an_unknown_model_is_not_found(server: Server, stream: bool) -> None:
    for path, body in (("v1/chat/completions", CHAT), ("v1/completions", {"prompt": "x"})):
        error = error_of(server.post(path, {**body, "model": "gpt-nope", "stream": stream}), 404)
        assert (error["code"], error["param"]) == ("model_not_found", "model")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": [{"role": "wizard", "content": "x"}]}, "messages.0.role"),
        ({"temperature": 99}, "temperature"),
        ({"tool_choice": {"type": "function", "function": {"name": "f"}}}, "tool_choice"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"logit_bias": {"999999999": 1}}, "logit_bias"),
        ({"reasoning": {"effort": "low"}}, "reasoning"),
    ],
)
def test_what_is_wrong_is_not_answered_with_200(server: Server, fields: dict[str, Any], param: str) -> None:
    assert error_of(server.post("v1/chat/completions", {**CHAT, **fields}), 400)["param"] == param


@pytest.mark.parametrize("depth", [100, 900, 5000])
def test_deeply_nested_tools_are_refused_quickly(server: Server, depth: int) -> None:
    deep = '{"type":"object","properties":{"a":' * depth + '{"type":"string"}' + "}}" * depth
    tools = f'[{{"type":"function","function":{{"name":"f","parameters":{deep}}}}}]'
    content = f'{{"model":"demo","messages":[{{"role":"user","content":"x"}}],"tools":{tools}}}'.encode()
    started = time.monotonic()
    error_of(server.post("v1/chat/completions", content=content), 400)
    assert time.monotonic() - started < 2


@pytest.mark.parametrize("token", [-1, 1 << 20, 1 << 40, 1 << 70])
def test_a_token_outside_the_vocabulary_harms_nobody(server: Server, token: int) -> None:
    server.post("load_model", {"model": "demo"})
    pid = server.model()["pid"]
    for more in ({}, {"echo": True}, {"echo": True, "logprobs": 1}):
        error = error_of(server.post("v1/completions", {"model": "demo", "prompt": [1, token], **more}), 400)
        assert str(error["param"]).startswith("prompt")
    assert server.model()["pid"] == pid


def test_the_same_seed_says_the_same_under_load_where_that_is_asked_for(server: Server) -> None:
    """Alone, and beside seven others in one batch."""

    def answers(count: int) -> list[str]:
        hot = {"temperature": 2, "top_p": 1, "top_k": 0, "min_p": 0, "max_tokens": 24}
        body = {"model": "demo", "prompt": "x 7 q", "seed": 11, "n": count, "deterministic": True, **hot}
        return [choice["text"] for choice in server.post("v1/completions", body).json()["choices"]]

    assert answers(8)[0] == answers(1)[0]
