"""Native requests as OpenAI bodies, OpenAI streams as native chunks."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jupyter_uml.client.wire import ChunkAssembler, request_body, request_path
from jupyter_uml.errors import ContextLengthExceeded, StreamInterrupted, UmlError, WorkerDied
from jupyter_uml.types import Chunk, GenerateRequest, Message, SamplingParams, Timings, Usage


def test_only_what_was_asked_for_is_sent() -> None:
    request = GenerateRequest("r1", "demo", messages=(Message("user", "hi"),))
    assert request_path(request) == "v1/chat/completions"
    assert request_body(request) == {
        "model": "demo",
        "stream": True,
        "stream_options": {"include_usage": True},
        "messages": [{"role": "user", "content": "hi"}],
    }


def test_every_sampling_parameter_is_sent() -> None:
    given = {
        "max_tokens": 3,
        "temperature": 0.0,
        "top_k": 4,
        "top_p": 0.5,
        "min_p": 0.1,
        "seed": 0,
        "presence_penalty": 0.2,
        "frequency_penalty": 0.3,
        "repeat_penalty": 1.1,
        "stop": ("a", "b"),
    }
    body = request_body(GenerateRequest("r1", "demo", prompt="x", params=SamplingParams(**given)))
    assert {name: body[name] for name in given} == given


def test_a_prompt_without_a_limit_ends_at_the_context() -> None:
    """OpenAI's own default for completions is 16 tokens; natively there is none."""
    request = GenerateRequest("r1", "demo", prompt=(1, 2, 3))
    assert request_path(request) == "v1/completions"
    body = request_body(request)
    assert body["prompt"] == [1, 2, 3]
    assert body["max_tokens"] > 1_000_000


def chunks_of(*payloads: dict[str, Any] | str) -> list[Chunk]:
    assembler = ChunkAssembler("r1")
    data = [payload if isinstance(payload, str) else json.dumps(payload) for payload in payloads]
    found = [chunk for text in data if (chunk := assembler.add("message", text))]
    assert assembler.done
    return found


def test_the_end_comes_as_one_chunk() -> None:
    assert chunks_of(
        {"choices": [{"delta": {"role": "assistant", "content": ""}, "finish_reason": None}]},
        {"choices": [{"delta": {"content": "Hel"}}]},
        {
            "choices": [{"delta": {"content": "lo"}, "finish_reason": "stop", "stop_reason": "END"}],
            "timings": {"queue": 0.1, "first_token": 0.2, "total": 0.3},
        },
        {
            "choices": [],
            "usage": {"prompt_tokens": 5, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 4}},
        },
        "[DONE]",
    ) == [
        Chunk("r1", "Hel"),
        Chunk("r1", "lo"),
        Chunk(
            "r1",
            finish_reason="stop",
            stop_reason="END",
            usage=Usage(5, 2, 4),
            timings=Timings(0.1, 0.2, 0.3),
        ),
    ]


def test_text_completions_and_servers_without_figures() -> None:
    assert chunks_of({"choices": [{"text": "x", "finish_reason": "length"}]}, "[DONE]") == [
        Chunk("r1", "x"),
        Chunk("r1", finish_reason="length"),
    ]


@pytest.mark.parametrize("event", ["error", "message"])
def test_an_error_event_is_raised_as_what_it_is(event: str) -> None:
    body = {"error": {"message": "gone", "code": "worker_died", "pid": 7}}
    with pytest.raises(WorkerDied, match="gone") as caught:
        ChunkAssembler("r1").add(event, json.dumps(body))
    assert caught.value.details == {"pid": 7}


def test_errors_keep_their_figures() -> None:
    sent = ContextLengthExceeded(100, 50)
    with pytest.raises(ContextLengthExceeded) as caught:
        ChunkAssembler("r1").add("error", json.dumps({"error": sent.to_dict()}))
    assert caught.value.to_dict() == sent.to_dict()


@pytest.mark.parametrize("data", ["[DONE]", "{not json", "[1]", '"text"'])
def test_what_is_no_proper_stream_is_interrupted(data: str) -> None:
    with pytest.raises(StreamInterrupted):
        ChunkAssembler("r1").add("message", data)


def test_an_error_event_of_another_shape_is_still_an_error() -> None:
    with pytest.raises(UmlError):
        ChunkAssembler("r1").add("error", "{}")
