"""Hermes 2 and 3, Qwen 2.5 and 3, QwQ, MiMo, Granite 4, Bielik, Reka: `<tool_call>` and an object for each call."""

from __future__ import annotations

from jupyter_uml.engine.formats.json_calls import JsonCalls, JsonFormat

_CALLS = JsonCalls("<tool_call>", "</tool_call>", gap="\n", between="\n")

HERMES = JsonFormat("hermes", _CALLS, thinking=())
HERMES_THINKING = JsonFormat("hermes", _CALLS)


def recognise(template: str) -> JsonFormat | None:
    if "<tool_call>" not in template:
        return None
    return HERMES_THINKING if "</think>" in template else HERMES
