"""Anthropic's answers, from chunks made by hand."""

from __future__ import annotations

from collections.abc import Iterable
from json import loads
from typing import Any

import pytest

from jupyter_uml.protocol.anthropic.answer import Answer
from jupyter_uml.types import CallDelta, Chunk, FinishReason, GenerateRequest, SamplingParams, Usage

REQUEST = GenerateRequest("ab", "demo", params=SamplingParams(max_tokens=9))


def chunk(text: str = "", **fields: Any) -> Chunk:
    return Chunk("ab", text, **fields)


def last(reason: FinishReason = "stop", stop: str | int | None = None, **figures: int) -> Chunk:
    return chunk(finish_reason=reason, stop_reason=stop, usage=Usage(**figures))


FULL = [
    chunk(reasoning="Let me "),
    chunk(reasoning="see."),
    chunk("I lo"),
    chunk("ok.", calls=(CallDelta(0, id="c1", name="get_weather"),)),
    chunk(calls=(CallDelta(0, '{"city": '), CallDelta(0, '"Rome"}'))),
    chunk(calls=(CallDelta(1, '{"city": "Oslo"}', "c2", "get_time"),)),
    last("tool_calls", prompt_tokens=10, cached_tokens=4, completion_tokens=7, reasoning_tokens=2),
]


def events(chunks: Iterable[Chunk], **options: bool) -> list[dict[str, Any]]:
    answer = Answer(REQUEST, **options)
    told = [answer.opening()]
    for piece in chunks:
        told += answer.push(piece)
    return [*told, *answer.closing()]


def whole(chunks: Iterable[Chunk], **options: bool) -> dict[str, Any]:
    answer = Answer(REQUEST, **options)
    for piece in chunks:
        answer.add(piece)
    return answer.whole()


def followed(told: list[dict[str, Any]]) -> dict[str, Any]:
    """The message that a client has in the end."""
    message: dict[str, Any] = told[0]["message"]
    pieces: dict[int, str] = {}
    for event in told[1:]:
        match event["type"]:
            case "content_block_start":
                assert event["index"] == len(message["content"])
                message["content"].append(dict(event["content_block"]))
            case "content_block_delta":
                block, delta = message["content"][event["index"]], event["delta"]
                match delta["type"]:
                    case "text_delta":
                        block["text"] += delta["text"]
                    case "thinking_delta":
                        block["thinking"] += delta["thinking"]
                    case "signature_delta":
                        block["signature"] = delta["signature"]
                    case "input_json_delta":
                        pieces[event["index"]] = pieces.get(event["index"], "") + delta["partial_json"]
                        assert block["type"] == "tool_use"
            case "content_block_stop" if event["index"] in pieces:
                message["content"][event["index"]]["input"] = loads(pieces[event["index"]])
            case "message_delta":
                message |= {**event["delta"], "usage": event["usage"]}
    return message


def test_a_whole_answer() -> None:
    message = whole(FULL)
    thinking, *others = message.pop("content")
    assert (thinking["type"], thinking["thinking"]) == ("thinking", "Let me see.")
    assert thinking["signature"]
    assert others == [
        {"type": "text", "text": "I look."},
        {"type": "tool_use", "id": "toolu_c1", "name": "get_weather", "input": {"city": "Rome"}},
        {"type": "tool_use", "id": "toolu_c2", "name": "get_time", "input": {"city": "Oslo"}},
    ]
    assert message == {
        "id": "msg_ab",
        "type": "message",
        "role": "assistant",
        "model": "demo",
        "stop_reason": "tool_use",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 6,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 4,
            "output_tokens": 7,
            "output_tokens_details": {"thinking_tokens": 2},
        },
    }


@pytest.mark.parametrize("shows_thinking", [True, False])
@pytest.mark.parametrize("chunks", [FULL, [last()], [chunk("a"), chunk(reasoning="b"), chunk("c"), last()]])
def test_a_stream_says_the_same_as_a_whole_answer(chunks: list[Chunk], shows_thinking: bool) -> None:
    assert followed(events(chunks, shows_thinking=shows_thinking)) == whole(chunks, shows_thinking=shows_thinking)


def test_every_block_begins_and_ends_before_the_next() -> None:
    told = [(event["type"].removeprefix("content_block_"), event.get("index")) for event in events(FULL)]
    places = [(kind, place) for kind, place in told if kind in ("start", "stop")]
    assert places == [(kind, place) for place in range(4) for kind in ("start", "stop")]
    assert [kind for kind, _ in told if kind.startswith("message")] == [
        "message_start",
        "message_delta",
        "message_stop",
    ]
    assert told[0][0] == "message_start"


def test_the_message_begins_empty() -> None:
    start = events(FULL)[0]["message"]
    assert (start["content"], start["stop_reason"], start["usage"]["output_tokens"]) == ([], None, 0)


def test_thoughts_can_be_left_out() -> None:
    told = events(FULL, shows_thinking=False)
    assert "Let me" not in repr(told)
    kinds = [event["delta"]["type"] for event in told if event["type"] == "content_block_delta" and event["index"] == 0]
    assert kinds == ["signature_delta"]


@pytest.mark.parametrize(
    ("ending", "reason", "sequence"),
    [
        (last("stop", 2), "end_turn", None),
        (last("stop"), "end_turn", None),
        (last("stop", "END"), "stop_sequence", "END"),
        (last("length", completion_tokens=9), "max_tokens", None),
        (last("length", completion_tokens=8), "model_context_window_exceeded", None),
        (last("tool_calls"), "tool_use", None),
    ],
)
def test_why_it_ended(ending: Chunk, reason: str, sequence: str | None) -> None:
    message = whole([ending])
    assert (message["stop_reason"], message["stop_sequence"]) == (reason, sequence)
    delta = events([ending])[-2]["delta"]
    assert delta == {"stop_reason": reason, "stop_sequence": sequence}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("", {}),
        ('{"city": "Ro', {"city": "Ro"}),
        ('{"a": 1, "b', {"a": 1}),
        ("nonsense", {}),
        ("[1]", {}),
    ],
)
def test_a_call_that_was_cut_has_the_arguments_that_are_there(arguments: str, expected: dict[str, Any]) -> None:
    (block,) = whole([chunk(calls=(CallDelta(0, arguments, "c", "f"),)), last("length")])["content"]
    assert block["input"] == expected
