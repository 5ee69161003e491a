"""OpenAI streams as native chunks."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jupyter_uml.client.wire import NO_TOKEN, ChunkAssembler
from jupyter_uml.errors import ContextLengthExceeded, StreamInterrupted, UmlError, WorkerDied
from jupyter_uml.protocol.openai.logprobs import ChatLogprobs, TextLogprobs
from jupyter_uml.protocol.openai.usage import usage_body
from jupyter_uml.types import Alternative, CallDelta, Chunk, Timings, TokenLogprob, Usage


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


def delta(**content: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": content, "finish_reason": None}]}


END: dict[str, Any] = {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}


def test_reasoning_and_calls_come_as_they_were_sent() -> None:
    first = {"index": 1, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": ""}}
    assert chunks_of(
        delta(reasoning_content="Hm."),
        delta(content="Wait", tool_calls=[first, {"index": 1, "function": {"arguments": '{"a"'}}]),
        delta(tool_calls=[{"index": 1, "function": {"arguments": ": 1}"}}]),
        END,
        "[DONE]",
    ) == [
        Chunk("r1", reasoning="Hm."),
        Chunk("r1", "Wait", calls=(CallDelta(1, "", "1", "f"), CallDelta(1, '{"a"'))),
        Chunk("r1", calls=(CallDelta(1, ": 1}"),)),
        Chunk("r1", finish_reason="tool_calls"),
    ]


USAGE = Usage(9, 8, 7, truncated_tokens=6, drafted_tokens=5, accepted_tokens=4, reasoning_tokens=3)


def test_the_usage_arrives_whole() -> None:
    assert chunks_of(END, {"choices": [], "usage": usage_body(USAGE)}, "[DONE]")[-1].usage == USAGE


TOKENS = (
    TokenLogprob(Alternative(5, b"\xc3", -0.5), (Alternative(5, b"\xc3", -0.5), Alternative(6, b"x", -1.5))),
    TokenLogprob(Alternative(7, b"\xa9", -0.25)),
)


def test_log_probabilities_of_a_chat_arrive_with_their_bytes() -> None:
    choice = {"index": 0, "delta": {"content": "é"}, "logprobs": ChatLogprobs().body(TOKENS), "finish_reason": None}
    assert chunks_of({"choices": [choice]}, END, "[DONE]")[0] == Chunk("r1", "é", logprobs=TOKENS)


def test_log_probabilities_of_a_text_have_no_numbers() -> None:
    sent = (TokenLogprob(Alternative(5, b"a", -0.5), (Alternative(5, b"a", -0.5),)),)
    choice = {"index": 0, "text": "a", "logprobs": TextLogprobs().body(sent), "finish_reason": None}
    told = Alternative(NO_TOKEN, b"a", -0.5)
    assert chunks_of({"choices": [choice]}, END, "[DONE]")[0].logprobs == (TokenLogprob(told, (told,)),)


@pytest.mark.parametrize(
    "payload", [{"choices": [7]}, {"choices": [{"delta": {"tool_calls": [7]}}]}, {"usage": {"prompt_tokens": "x"}}]
)
def test_a_stream_of_another_shape_is_interrupted(payload: dict[str, Any]) -> None:
    with pytest.raises(StreamInterrupted):
        ChunkAssembler("r1").add("message", json.dumps(payload))


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
