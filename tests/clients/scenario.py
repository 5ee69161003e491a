"""What every client's program asks for, and what must come.

Nothing of jupyter_uml, for `make clients` runs the programs in an environment of their own. The demo model answers
questions about jupyter_uml, and calls the tools that it was trained with.
"""

from __future__ import annotations

import json
import os
import signal
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

MODEL = "demo"
ENDLESS = "endless"  # talks until max_tokens
QUESTION = "How do I load a model?"
WEATHER = "What is the weather in Paris?"
SAID = "It is 21 degrees and sunny in "  # and a city: so small a model mixes them up, and rooms, too
LIGHT = "Turn on the kitchen light"
LIGHT_SAID = " light is on."


class Lamp(BaseModel):
    """A lamp, and nothing more: a small model would go on and on."""

    model_config = ConfigDict(extra="forbid")
    room: Literal["kitchen", "office"]
    on: bool
    watts: Literal[40, 60]


DESCRIBE = "Describe a lamp."


def get_weather(city: str) -> str:
    """Get the current weather in a city"""
    assert city == "Paris", city
    return '{"temperature": 21, "sky": "sunny"}'


def set_light(room: str, state: str) -> str:
    """Turn the light of a room on or off"""
    assert (room, state) == ("kitchen", "on"), (room, state)
    return '{"ok": true}'


def schema_of(*names: str) -> dict[str, Any]:
    """The JSON schema of a tool's arguments, in the form that strict tools must have."""
    properties = {name: {"type": "string"} for name in names}
    return {"type": "object", "properties": properties, "required": list(names), "additionalProperties": False}


SCHEMAS = {"get_weather": schema_of("city"), "set_light": schema_of("room", "state")}
FUNCTIONS = {"get_weather": get_weather, "set_light": set_light}


def openai_tools(strict: bool = True) -> list[dict[str, Any]]:
    return [
        {
            "type": "function",
            "function": {
                "name": name,
                "description": function.__doc__,
                "parameters": SCHEMAS[name],
                **({"strict": True} if strict else {}),
            },
        }
        for name, function in FUNCTIONS.items()
    ]


def call_tool(name: str, arguments: str | dict[str, Any]) -> str:
    return FUNCTIONS[name](**(json.loads(arguments) if isinstance(arguments, str) else arguments))


def run(package: str, *steps: Callable[[], object]) -> None:
    """A program: its steps in order, and one line that says so."""
    for step in steps:
        step()
    print(f"{package} {version(package)}: {', '.join(step.__name__ for step in steps)}", flush=True)


@contextmanager
def raises(kind: type[Exception], text: str) -> Iterator[None]:
    """An error of this kind must come, and say this."""
    try:
        yield
    except kind as error:
        if text not in str(error):
            raise
    else:
        raise AssertionError(f"{kind.__name__} did not come")


def uml_url() -> str:
    """The address of our routes, without `v1`."""
    return os.environ["UML_URL"]


def uml_key() -> str:
    return os.environ["UML_KEY"]


@contextmanager
def worker_killed(url: str, key: str, model: str = ENDLESS) -> Iterator[None]:
    """While the program waits for its one answer, the worker is killed. The server answers 503, and a client that
    tries again gets its answer."""
    killer = threading.Thread(target=_kill, args=(url, key, model))
    killer.start()
    try:
        yield
    finally:
        killer.join()


def _kill(url: str, key: str, model: str) -> None:
    request = urllib.request.Request(f"{url}/models/{model}", headers={"Authorization": f"Bearer {key}"})
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with urllib.request.urlopen(request, timeout=10) as response:
            row = json.load(response)
        if row["active"] and row["pid"]:
            os.kill(row["pid"], signal.SIGKILL)
            return
        time.sleep(0.005)
