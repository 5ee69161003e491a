"""Conversations with tools: a question, the call, its result, the answer in words."""

import json
import random
from collections.abc import Callable
from functools import cache
from typing import Any

from .templates import Template, normalise, read_toml

Message = dict[str, Any]
Tool = dict[str, Any]
Noise = Callable[[str, random.Random], str]

TOOL_NAMES = ("get_weather", "get_time", "set_light")
_PARAMETERS = {"get_weather": ("city",), "get_time": ("city",), "set_light": ("room", "state")}
_AGAIN = ("and in {}", "and {}", "what about {}", "how about {}", "same for {}", "now {}", "and for {}", "{}")


@cache
def _data() -> dict[str, Any]:
    return read_toml("tools.toml")


@cache
def templates(name: str) -> list[Template]:
    """The wordings of the tool that training sees."""
    return [Template(source, {}) for source in _data()[name]["ask"]]


def tool_schema(name: str, rng: random.Random) -> Tool:
    """One tool as OpenAI's `tools` lists it, its descriptions and options a little varied."""
    data = _data()
    described = rng.random() < 0.3
    properties: dict[str, Any] = {}
    for parameter in _PARAMETERS[name]:
        properties[parameter] = {"type": "string"}
        if parameter == "state" and rng.random() < 0.7:
            properties[parameter]["enum"] = ["on", "off"]
        if parameter == "room" and rng.random() < 0.2:
            properties[parameter]["enum"] = data["rooms"]
        if described:
            properties[parameter]["description"] = f"The {parameter}"
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    if rng.random() < 0.8:
        schema["required"] = list(_PARAMETERS[name])
        if rng.random() < 0.15:
            schema["additionalProperties"] = False
    description = rng.choice(data[name]["descriptions"])
    return {"type": "function", "function": {"name": name, "description": description, "parameters": schema}}


def offer(rng: random.Random, wanted: str | None = None, without: str | None = None) -> list[Tool]:
    """One to three tools in random order, `wanted` among them and `without` not."""
    others = [name for name in TOOL_NAMES if name not in (wanted, without)]
    names = rng.sample(others, rng.randrange(0 if wanted else 1, len(others) + 1)) + ([wanted] if wanted else [])
    rng.shuffle(names)
    return [tool_schema(name, rng) for name in names]


def draw_arguments(name: str, rng: random.Random) -> dict[str, str]:
    """Random arguments for a call of the tool."""
    if name == "set_light":
        return {"room": rng.choice(_data()["rooms"]), "state": rng.choice(("on", "off"))}
    return {"city": rng.choice(_data()["cities"])}


def draw_question(name: str, arguments: dict[str, str], rng: random.Random, noise: Noise) -> str:
    """A question that asks for this call; redrawn if it equals one that is kept for evaluation."""
    for _ in range(100):
        source = rng.choice(templates(name)).expand(rng)
        if normalise(source) not in _heldout_forms():
            return noise(_fill(source, arguments), rng)
    raise ValueError(f"every expansion of {name} is held out")


def heldout_questions(name: str, arguments: dict[str, str]) -> list[str]:
    """Questions of wordings that training never sees."""
    return [_fill(source, arguments) for source in _data()[name]["heldout"]]


def draw_result(name: str, rng: random.Random) -> dict[str, Any]:
    """A result as the tool returns it."""
    if name == "get_weather":
        return {"temperature": rng.randrange(36), "sky": rng.choice(_data()["skies"])}
    if name == "get_time":
        return {"time": f"{rng.randrange(24):02d}:{rng.choice(('00', '30'))}"}
    return {"ok": True}


def answer_in_words(name: str, arguments: dict[str, str], result: dict[str, Any]) -> str:
    """What the model says after the result."""
    if name == "get_weather":
        return f"It is {result['temperature']} degrees and {result['sky']} in {arguments['city']}."
    if name == "get_time":
        return f"It is {result['time']} in {arguments['city']}."
    return f"The {arguments['room']} light is {arguments['state']}."


def call_message(name: str, arguments: dict[str, str]) -> Message:
    """The assistant's turn that calls the tool."""
    return {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": name, "arguments": arguments}}]}


def call_text(name: str, arguments: dict[str, str]) -> str:
    """The same turn as the model writes it."""
    return f"<tool_call>\n{json.dumps({'name': name, 'arguments': arguments}, ensure_ascii=False)}\n</tool_call>"


def draw_exchange(name: str, rng: random.Random, noise: Noise) -> list[Message]:
    """Question, call, result, answer; now and then once more for another city."""
    arguments = draw_arguments(name, rng)
    messages = _exchange(draw_question(name, arguments, rng, noise), name, arguments, rng)
    if name != "set_light" and rng.random() < 0.2:
        arguments = draw_arguments(name, rng)
        messages += _exchange(noise(rng.choice(_AGAIN).format(arguments["city"]), rng), name, arguments, rng)
    return messages


def _exchange(question: str, name: str, arguments: dict[str, str], rng: random.Random) -> list[Message]:
    result = draw_result(name, rng)
    items = list(result.items())
    if rng.random() < 0.2:
        items.reverse()
    separators = (",", ":") if rng.random() < 0.25 else (", ", ": ")
    return [
        {"role": "user", "content": question},
        call_message(name, arguments),
        {"role": "tool", "content": json.dumps(dict(items), separators=separators)},
        {"role": "assistant", "content": answer_in_words(name, arguments, result)},
    ]


def _fill(source: str, arguments: dict[str, str]) -> str:
    for name, value in arguments.items():
        source = source.replace(name.upper(), value)
    return source


@cache
def _heldout_forms() -> frozenset[str]:
    return frozenset(normalise(source) for name in TOOL_NAMES for source in _data()[name]["heldout"])
