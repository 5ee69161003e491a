"""From an answer's chunks to the events and the `response` that OpenAI's SDK knows."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest
from openai import omit
from openai.lib._parsing._responses import parse_response
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from jupyter_uml.errors import WorkerDied
from jupyter_uml.protocol.body import validated
from jupyter_uml.protocol.responses.body import ResponsesRequest
from jupyter_uml.protocol.responses.echo import echo
from jupyter_uml.protocol.responses.items import read_kept
from jupyter_uml.protocol.responses.writer import ResponseWriter
from jupyter_uml.types import Alternative, CallDelta, Chunk, Timings, TokenLogprob, Usage

EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
END = Chunk("r", finish_reason="stop", usage=Usage(10, 5, 3, reasoning_tokens=2), timings=Timings(0.1, 0.2, 0.3))


def writer(**more: Any) -> ResponseWriter:
    numbers = count()
    body = validated(ResponsesRequest, {"model": "demo", "input": "Hello."})
    return ResponseWriter("resp_1", echo(body), lambda prefix: f"{prefix}_{next(numbers)}", **more)


def told(chunks: list[Chunk], **more: Any) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """All events, each of them as the SDK wants it, and the last response."""
    made = writer(**more)
    events = made.start()
    for chunk in chunks:
        events += made.add(chunk)
    for number, event in enumerate(events):
        EVENT.validate_python({**event, "sequence_number": number})
    return events, made.response


def kinds(events: list[dict[str, Any]]) -> list[str]:
    return [event["type"].removeprefix("response.") for event in events]


def test_text_in_the_order_of_openai() -> None:
    events, response = told([Chunk("r", "Hel"), Chunk("r", "lo."), END])
    assert kinds(events) == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    assert [event["delta"] for event in events if "delta" in event] == ["Hel", "lo."]
    assert events[2]["item"]["content"] == []
    assert events[6]["text"] == "Hello."
    assert events[-2]["item"] == response["output"][0]
    assert events[-1]["response"] == response
    assert events[0]["response"]["status"] == "in_progress"
    assert events[0]["response"]["output"] == []
    read = Response.model_validate(response)
    assert (read.status, read.output_text) == ("completed", "Hello.")
    assert read.usage is not None
    assert (read.usage.input_tokens, read.usage.output_tokens, read.usage.total_tokens) == (10, 5, 15)
    assert read.usage.input_tokens_details.cached_tokens == 3
    assert read.usage.output_tokens_details.reasoning_tokens == 2


def test_the_sdk_reads_an_answer_without_a_warning() -> None:
    """Warnings are errors here: a field of another type would give one when it is written again."""
    _, response = told([Chunk("r", "", reasoning="Hm."), Chunk("r", "Hello."), END])
    read = Response.model_validate(response)
    assert Response.model_validate_json(read.model_dump_json()).output_text == "Hello."
    assert parse_response(response=read, input_tools=[], text_format=omit).output_text == "Hello."


def test_calls_one_after_the_other() -> None:
    calls = [
        Chunk("r", calls=(CallDelta(0, id="call_a", name="get_weather"),)),
        Chunk("r", calls=(CallDelta(0, '{"city":'),)),
        Chunk("r", calls=(CallDelta(0, '"Rome"}'), CallDelta(1, "{}", "call_b", "get_time"))),
        Chunk("r", finish_reason="tool_calls", usage=Usage()),
    ]
    events, response = told(calls)
    assert kinds(events)[2:] == [
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "completed",
    ]
    assert events[2]["item"]["arguments"] == ""
    assert events[5]["arguments"] == '{"city":"Rome"}'
    assert [event["output_index"] for event in events[2:-1]] == [0] * 5 + [1] * 4
    rows = [(item["call_id"], item["name"], item["arguments"], item["status"]) for item in response["output"]]
    assert rows == [
        ("call_a", "get_weather", '{"city":"Rome"}', "completed"),
        ("call_b", "get_time", "{}", "completed"),
    ]


def test_text_after_a_call_is_a_message_of_its_own() -> None:
    call = Chunk("r", calls=(CallDelta(0, "{}", "call_a", "get_time"),))
    events, response = told([Chunk("r", "One."), call, Chunk("r", "Two."), END])
    assert [item["type"] for item in response["output"]] == ["message", "function_call", "message"]
    assert [event["output_index"] for event in events if event["type"] == "response.output_item.added"] == [0, 1, 2]
    assert Response.model_validate(response).output_text == "One.Two."


def test_reasoning_then_text() -> None:
    events, response = told([Chunk("r", reasoning="Let me "), Chunk("r", "Yes.", reasoning="see."), END])
    assert kinds(events)[2:9] == [
        "output_item.added",
        "content_part.added",
        "reasoning_text.delta",
        "reasoning_text.delta",
        "reasoning_text.done",
        "content_part.done",
        "output_item.done",
    ]
    thought, message = response["output"]
    assert (thought["content"], thought["summary"]) == ([{"type": "reasoning_text", "text": "Let me see."}], [])
    assert message["content"][0]["text"] == "Yes."


def test_reasoning_as_a_summary_where_one_is_asked_for() -> None:
    events, response = told([Chunk("r", reasoning="Hm."), Chunk("r", "Yes."), END], summarize=True)
    assert kinds(events)[2:8] == [
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "output_item.done",
    ]
    assert response["output"][0]["summary"] == [{"type": "summary_text", "text": "Hm."}]
    assert "content" not in response["output"][0]


def test_an_answer_that_was_cut_says_so() -> None:
    events, response = told([Chunk("r", "Hel"), Chunk("r", finish_reason="length", usage=Usage())])
    assert kinds(events)[-1] == "incomplete"
    read = Response.model_validate(response)
    assert read.status == "incomplete"
    assert read.incomplete_details is not None
    assert read.incomplete_details.reason == "max_output_tokens"
    assert response["output"][0]["status"] == "incomplete"


def test_an_answer_that_was_cut_while_thinking_has_no_message() -> None:
    _, response = told([Chunk("r", reasoning="Hm"), Chunk("r", finish_reason="length", usage=Usage())])
    assert [(item["type"], item["status"]) for item in response["output"]] == [("reasoning", "incomplete")]


@pytest.mark.parametrize("chunks", [[END], [Chunk("r", reasoning="Hm."), END]])
def test_an_answer_without_words_has_an_empty_message(chunks: list[Chunk]) -> None:
    _, response = told(chunks)
    assert [part["text"] for part in response["output"][-1]["content"]] == [""]


def test_logprobs_stand_with_the_text_they_belong_to() -> None:
    def token(piece: bytes) -> TokenLogprob:
        return TokenLogprob(Alternative(1, piece, -0.5), (Alternative(1, piece, -0.5), Alternative(2, b"x", -3.0)))

    held = Chunk("r", "", logprobs=(token(b"Hel"),))
    chunks = [held, Chunk("r", "Hello", logprobs=(token(b"lo"),)), Chunk("r", ".", logprobs=(token(b"."),)), END]
    events, response = told(chunks)
    whole = ["Hel", "lo", "."]
    places = (events[4], events[5], events[6], response["output"][0]["content"][0])
    expected = (whole[:2], whole[2:], whole, whole)
    for place, tokens in zip(places, expected, strict=True):
        assert [entry["token"] for entry in place["logprobs"]] == tokens
    read = Response.model_validate(response).output[0]
    assert read.type == "message"
    assert read.content[0].type == "output_text"
    assert read.content[0].logprobs is not None
    assert read.content[0].logprobs[0].top_logprobs[1].token == "x"


def test_a_failure_in_the_middle_keeps_what_was_whole() -> None:
    made = writer()
    made.start()
    made.add(Chunk("r", reasoning="Hm."))
    made.add(Chunk("r", "Hel"))
    error, failed = made.fail(WorkerDied("The worker died.", retry_after=2.0))
    assert (error["type"], error["code"], error["error"]["retry_after"]) == ("error", "worker_died", 2.0)
    for event in (error, failed):
        EVENT.validate_python({**event, "sequence_number": 0})
    assert failed["type"] == "response.failed"
    assert failed["response"]["status"] == "failed"
    assert failed["response"]["error"] == {"code": "server_error", "message": "The worker died."}
    assert [item["type"] for item in failed["response"]["output"]] == ["reasoning"]


@pytest.mark.parametrize("more", [{}, {"summarize": True}, {"seal": True}, {"summarize": True, "seal": True}])
def test_what_was_answered_can_be_sent_again(more: dict[str, Any]) -> None:
    chunks = [
        Chunk("r", reasoning="Hm."),
        Chunk("r", "I'll look."),
        Chunk("r", calls=(CallDelta(0, "{}", "call_a", "get_time"),)),
        Chunk("r", finish_reason="tool_calls", usage=Usage()),
    ]
    _, response = told(chunks, **more)
    thought, message, call = read_kept(response["output"])
    assert thought.type == "reasoning"
    assert thought.text == "Hm."
    assert message.type == "message"
    assert call.type == "function_call"
    assert call.call_id == "call_a"
