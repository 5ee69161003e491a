"""Granite 3: one list of objects. (Granite 4 writes as Hermes does.)"""

from __future__ import annotations

from jupyter_uml.engine.formats.json_calls import JsonCalls, JsonFormat

GRANITE = JsonFormat("granite", JsonCalls("<|tool_call|>", listed=True))


def recognise(template: str) -> JsonFormat | None:
    return GRANITE if "<|start_of_role|>" in template and "<|tool_call|>" in template else None
