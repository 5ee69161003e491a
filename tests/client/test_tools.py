"""Python functions as tools: what the model is told, and what becomes of its calls."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from jupyter_uml.client import call_tools, function_tool
from jupyter_uml.client.tools import to_tools
from jupyter_uml.errors import InvalidRequest
from jupyter_uml.types import Message, Tool, ToolCall
from tests.client.conftest import Place


def get_weather(city: str, unit: Literal["C", "F"] = "C") -> dict[str, Any]:
    """The weather in a city,
    as it is now.

    Args:
        city: Where to look.
        unit (str): Of the temperature.

    Returns:
        A temperature and the sky.
    """
    return {"temperature": 21 if unit == "C" else 70, "sky": "sunny", "city": city}


class Spot(BaseModel):
    title: str
    floor: Annotated[int, Field(description="0 is the ground.")] = 0


def set_light(room: Spot, *, on: bool) -> str:
    return f"{room.title} {room.floor} {on}"


def fail(reason: str) -> None:
    raise LookupError(reason)


def call(name: str, arguments: Any) -> ToolCall:
    return ToolCall("call_1", name, arguments if isinstance(arguments, str) else json.dumps(arguments))


def test_a_function_describes_itself() -> None:
    tool = function_tool(get_weather)
    assert (tool.name, tool.description) == ("get_weather", "The weather in a city, as it is now.")
    assert json.loads(tool.parameters) == {
        "type": "object",
        "properties": {
            "city": {"type": "string", "description": "Where to look."},
            "unit": {"type": "string", "enum": ["C", "F"], "default": "C", "description": "Of the temperature."},
        },
        "required": ["city"],
        "additionalProperties": False,
    }
    assert tool.parameters.startswith('{"type":"object","properties"')  # as people write it, and models have read it


def test_a_model_as_an_argument_keeps_its_fields() -> None:
    schema = json.loads(function_tool(set_light).parameters)
    assert schema["required"] == ["room", "on"]
    (place,) = schema["$defs"].values()
    assert set(place["properties"]) == {"title", "floor"}
    assert place["properties"]["floor"]["description"] == "0 is the ground."


class Node(BaseModel):
    children: list[Node] = []


def free(anything: Any, *, more: dict[str, float] | None = None) -> None: ...


def rich(spot: Spot, day: date, size: Annotated[int, Field(ge=1, lt=9)], pair: tuple[int, str]) -> None: ...


def distinct(tags: set[str]) -> None: ...


def file(path: Path) -> None: ...


def code(text: Annotated[str, Field(pattern=r"^\b\d+$")]) -> None: ...


def long(text: Annotated[str, Field(max_length=100_000)]) -> None: ...


def tree(root: Node) -> None: ...


def inner(spots: list[dict[str, Path]]) -> None: ...


def test_what_an_engine_can_enforce_it_does() -> None:
    """Of a schema that it cannot follow it would refuse the request; then the call is checked when it is made."""
    strict = [get_weather, set_light, fail, free, rich]
    assert [function_tool(each).strict for each in strict] == [True] * len(strict)
    lax = [distinct, file, code, long, tree, inner]
    assert [function_tool(each).strict for each in lax] == [False] * len(lax)


def test_methods_and_functions_without_a_word_are_tools_too() -> None:
    class Lamp:
        def switch(self, on: bool) -> bool:
            return on

    tool = function_tool(Lamp().switch)
    assert (tool.name, tool.description) == ("switch", "")
    assert list(json.loads(tool.parameters)["properties"]) == ["on"]


def test_tools_may_be_offered_in_three_ways() -> None:
    plain = {"type": "function", "function": {"name": "get_time", "parameters": {"type": "object"}, "strict": True}}
    ready = Tool("ready")
    assert to_tools([get_weather, ready, plain]) == (
        function_tool(get_weather),
        ready,
        Tool("get_time", "", '{"type":"object"}', strict=True),
    )


def positional(*cities: str) -> None: ...


def unclear(city: Callable[[], int]) -> None: ...


@pytest.mark.parametrize(
    ("offer", "param", "words"),
    [
        (7, "tools.0", "A tool is"),
        ({"type": "function", "function": {"name": "a b"}}, "tools.0.function.name", "match"),
        ({"type": "function", "function": {"name": "a"}, "cost": 1}, "tools.0.cost", "not supported"),
        (positional, "tools", "by name"),
        (unclear, "tools", "unclear"),
    ],
)
def test_what_is_no_tool_is_refused_by_name(offer: Any, param: str, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words) as caught:
        to_tools([offer])
    assert caught.value.param == param


def test_calls_are_made_and_answered() -> None:
    calls = [call("get_weather", {"city": "Paris"}), call("set_light", {"room": {"title": "Hall"}, "on": "true"})]
    weather, light = call_tools(calls, [get_weather, set_light])
    assert (weather.role, weather.tool_call_id, weather.name) == ("tool", "call_1", "get_weather")
    assert json.loads(weather.content) == {"temperature": 21, "sky": "sunny", "city": "Paris"}
    assert light.content == "Hall 0 True"


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (call("get_time", {}), "get_weather"),
        (call("get_weather", '{"city": '), "JSON"),
        (call("get_weather", "[1]"), "object"),
        (call("get_weather", {}), "city"),
        (call("get_weather", {"city": "Paris", "unit": "K"}), "unit"),
        (call("get_weather", {"city": "Paris", "planet": "Mars"}), "planet"),
    ],
)
def test_what_is_wrong_with_a_call_is_told_to_the_model(made: ToolCall, words: str) -> None:
    (message,) = call_tools([made], [get_weather])
    assert words in json.loads(message.content)["error"]


class Table:
    def __str__(self) -> str:
        return "width height"


def area(width: int, height: int) -> object:
    return Table()


def pixels() -> bytes:
    return b"\xff\x00"


def test_a_result_that_is_no_json_is_told_as_it_prints() -> None:
    """Notebooks are full of tables and arrays."""
    (message,) = call_tools([call("area", {"width": 3})], [partial(area, height=2)])
    assert message.content == '"width height"'
    assert function_tool(partial(area, height=2)).name == "area"
    (message,) = call_tools([call("pixels", {})], [pixels])
    assert message.content == str(pixels())


async def later(city: str) -> str:
    return city


class Doubler:
    def __call__(self, number: int) -> int:
        "Twice a number"
        return 2 * number


def test_an_object_that_can_be_called_is_a_tool() -> None:
    tool = function_tool(Doubler())
    assert (tool.name, tool.description) == ("Doubler", "Twice a number")
    (result,) = call_tools([ToolCall("1", "Doubler", '{"number": 4}')], [Doubler()])
    assert result.content == "8"


def test_a_coroutine_that_comes_of_a_call_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="asynchronous"):
        call_tools([ToolCall("1", "sooner", "{}")], [partial(sooner)])


def sooner() -> object:
    return later("Rome")


def test_an_asynchronous_function_is_not_called_in_vain() -> None:
    with pytest.raises(InvalidRequest, match="asynchronous"):
        call_tools([call("later", {"city": "Rome"})], [later])


def test_what_a_function_raises_is_raised() -> None:
    with pytest.raises(LookupError, match="gone"):
        call_tools([call("fail", {"reason": "gone"})], [fail])


# --- with a real model -----------------------------------------------------------------------


def test_a_model_calls_a_function_and_tells_its_result(place: Place) -> None:
    def set_light(room: str, state: Literal["on", "off"]) -> dict[str, bool]:
        """Turn the light of a room on or off"""
        lights[room] = state
        return {"ok": True}

    lights: dict[str, str] = {}
    asked: dict[str, Any] = {"model": "demo", "tools": [set_light], "temperature": 0}
    question = Message("user", "Turn on the light in the kitchen")
    answer = place.client.chat([question], **asked)
    assert answer.finish_reason == "tool_calls"
    assert not answer.tool_calls[0].id.startswith("call_")  # which is OpenAI's, with a server and without
    results = call_tools(answer.tool_calls, [set_light])
    assert lights == {"kitchen": "on"}
    assert place.client.chat([question, answer.message, *results], **asked).text == "The kitchen light is on."


def test_a_model_that_may_call_keeps_to_the_type_hints(place: Place) -> None:
    """At this temperature it writes anything else, if it can."""

    def set_light(room: Literal["kitchen", "cellar"], state: Literal["on", "off"]) -> None:
        """Turn the light of a room on or off"""

    made = []
    for seed in range(5):
        asked: dict[str, Any] = {"temperature": 1.5, "top_k": 0, "top_p": 1.0, "min_p": 0.0, "seed": seed}
        answer = place.client.chat(
            "Turn on the light in the bathroom", model="demo", tools=[set_light], max_tokens=100, **asked
        )
        made += answer.tool_calls
    assert made
    assert all(json.loads(call.arguments)["room"] in ("kitchen", "cellar") for call in made)
    assert not any("error" in message.content for message in call_tools(made, [set_light]))


def test_a_model_that_must_call_does(place: Place) -> None:
    answer = place.client.chat(
        "How do I load a model?", model="demo", tools=[get_weather], tool_choice=get_weather, max_tokens=80, seed=1
    )
    assert [made.name for made in answer.tool_calls] == ["get_weather"]


def test_an_answer_has_the_fields_of_a_model(place: Place) -> None:
    class City(BaseModel):
        name: Literal["London", "Oslo"]

    answer = place.client.chat("What's the weather in London?", model="demo", schema=City, temperature=0)
    assert City.model_validate_json(answer.text).name == "London"
