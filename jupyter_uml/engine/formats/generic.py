"""Any model: tools are described in words, and a call is a JSON object that is the whole answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from jupyter_uml.engine.formats.bare_json import BareCalls, BareFormat
from jupyter_uml.types import Tool, ToolCall

_CALLS = BareCalls(("```json", "```"), ("```",))
_EXAMPLE = ToolCall("", "NAME_OF_THE_FUNCTION", '{"NAME_OF_AN_ARGUMENT": VALUE}')

GENERIC = BareFormat("generic", _CALLS, thinking=())
GENERIC_THINKING = BareFormat("generic", _CALLS)


def described(tools: Sequence[Tool], written: Callable[[Sequence[ToolCall]], str]) -> str:
    """What a model is told that knows nothing of tools. `written`: how it is to write calls."""
    functions = "\n".join(
        json.dumps(
            {"name": tool.name, "description": tool.description, "parameters": json.loads(tool.parameters)},
            ensure_ascii=False,
        )
        for tool in tools
    )
    return (
        f"You can call these functions (each with the JSON schema of its arguments):\n{functions}\n\n"
        f"To call one, answer with nothing but this:\n{written([_EXAMPLE])}\n\n"
        "You will then get its result. Call a function only where it helps; else answer in words."
    )


def recognise(template: str) -> BareFormat | None:
    return GENERIC_THINKING if "</think>" in template else GENERIC
