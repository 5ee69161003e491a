"""What callers pass, as native types."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import BaseModel

from jupyter_uml.client.arguments import to_hold, to_messages, to_request, to_settings, to_tool_fields
from jupyter_uml.errors import InvalidRequest
from jupyter_uml.types import Grammar, Hold, Message, Tool, ToolCall

CALL = {"id": "call_1", "type": "function", "function": {"name": "get_time", "arguments": "{}"}}


def get_time(city: str) -> str:
    return city


def test_a_conversation_with_tools_may_be_dicts_and_messages() -> None:
    assert to_messages(
        [
            Message("user", "What time is it?"),
            {"role": "assistant", "content": None, "tool_calls": [CALL], "reasoning_content": "Hm."},
            {"role": "tool", "content": "12:30", "tool_call_id": "call_1"},
        ]
    ) == (
        Message("user", "What time is it?"),
        Message("assistant", "", tool_calls=(ToolCall("1", "get_time", "{}"),), reasoning="Hm."),
        Message("tool", "12:30", "get_time", tool_call_id="1"),  # named after what it answers
    )


def test_options_find_their_place() -> None:
    options: dict[str, Any] = {
        "temperature": 0,
        "stop": "x",
        "logit_bias": {"5": -100},
        "dry_sequence_breakers": ["a"],
        "priority": "batch",
        "reasoning_budget": 3,
        "template_options": {"enable_thinking": False},
        "seed": None,
        "keep_alive": "1h30m",
    }
    request = to_request("1", "demo", options, prompt="a", suffix="b")
    assert (request.params.temperature, request.params.stop, request.params.logit_bias) == (0, ("x",), ((5, -100),))
    assert request.params.dry_sequence_breakers == ("a",)
    assert (request.priority, request.reasoning_budget, request.prompt, request.suffix) == ("batch", 3, "a", "b")
    assert request.template_options == (("enable_thinking", False),)
    assert request.hold == Hold(5400.0)
    assert request.given == {"temperature", "stop", "logit_bias", "dry_sequence_breakers"}


def test_how_long_a_model_is_kept() -> None:
    assert [to_hold(value).keep_alive for value in (None, 0, 1.5, -1, "10m", " 2 h ")] == [None, 0, 1.5, -1, 600, 7200]


@pytest.mark.parametrize("wrong", ["", "soon", "10", -2, float("nan"), float("inf"), True, "-1m"])
def test_how_long_a_model_is_not_kept(wrong: Any) -> None:
    with pytest.raises(InvalidRequest, match="keep_alive must be") as caught:
        to_hold(wrong)
    assert caught.value.param == "keep_alive"


class Weather(BaseModel):
    sky: str


def test_a_schema_is_a_grammar() -> None:
    schema = {"type": "object", "properties": {"sky": {"type": "string"}}}
    grammar = to_request("1", "demo", {}, schema=schema).params.grammar
    assert grammar == Grammar("json_schema", json.dumps(schema))
    closed = to_request("1", "demo", {}, schema=Weather).params.grammar
    assert closed is not None
    assert json.loads(closed.source)["additionalProperties"] is False  # the model would go on with fields of its own
    with pytest.raises(InvalidRequest, match="pydantic"):
        to_request("1", "demo", {}, schema="sky")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("auto", ("auto", None)),
        ("none", ("none", None)),
        ("required", ("required", None)),
        ("get_time", ("required", "get_time")),
        (get_time, ("required", "get_time")),
        ({"type": "function", "function": {"name": "get_time"}}, ("required", "get_time")),
    ],
)
def test_a_tool_may_be_chosen_in_many_ways(choice: Any, expected: tuple[str, str | None]) -> None:
    given = to_tool_fields([get_time, Tool("other")], choice)
    assert (given["tool_choice"], given["tool_name"]) == expected
    assert [tool.name for tool in given["tools"]] == ["get_time", "other"]


@pytest.mark.parametrize("choice", ["get_weather", 7, {"type": "function"}])
def test_a_choice_of_no_tool_is_refused(choice: Any) -> None:
    with pytest.raises(InvalidRequest) as caught:
        to_tool_fields([get_time], choice)
    assert caught.value.param == "tool_choice"


def test_without_tools_nothing_is_said_about_them() -> None:
    assert to_tool_fields((), "auto") == {}


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("temprature", "temperature"),
        ("repetition_penalty", "repeat_penalty"),
        ("priorty", "priority"),
        ("sytem", "system"),
    ],
)
def test_a_slip_of_the_pen_is_told(name: str, meant: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        to_request("1", "demo", {name: 0})
    assert caught.value.message == f"{name!r} is no sampling parameter. Did you mean {meant}?"
    assert caught.value.param == name


def test_who_is_far_off_is_told_what_there_is() -> None:
    with pytest.raises(InvalidRequest, match=r"'xyz' is no setting. There are n_ctx, n_parallel, .*draft_model"):
        to_settings({"xyz": 1})
