"""Phi 4 mini: one list of objects between tags."""

from __future__ import annotations

from jupyter_uml.engine.formats.json_calls import JsonCalls, JsonFormat

PHI = JsonFormat("phi", JsonCalls("<|tool_call|>", "<|/tool_call|>", listed=True), thinking=())


def recognise(template: str) -> JsonFormat | None:
    return PHI if "<|/tool|>" in template else None
