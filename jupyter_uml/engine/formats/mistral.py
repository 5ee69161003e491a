"""Mistral: first one list of objects for all calls, since 2025 name and arguments of each call between tags."""

from __future__ import annotations

from jupyter_uml.engine.formats.json_calls import JsonCalls, JsonFormat
from jupyter_uml.engine.formats.named_json_calls import NamedJsonCalls
from jupyter_uml.engine.formats.tagged_format import TaggedFormat

_CALLS = NamedJsonCalls("[TOOL_CALLS]", "[ARGS]", "")
_WITH_IDS = NamedJsonCalls(
    "[TOOL_CALLS]",
    "[ARGS]",
    "",
    head=r"(?P<name>[^\[]*)(\[CALL_ID\]\w*)?",
    written=("NAME[CALL_ID]", "/[a-zA-Z0-9]{9}/"),
    tokens=("[CALL_ID]",),
)

MISTRAL_LIST = JsonFormat("mistral-list", JsonCalls("[TOOL_CALLS]", listed=True, ids=True), thinking=())
MISTRAL = TaggedFormat("mistral", _CALLS, thinking=())
MISTRAL_IDS = TaggedFormat("mistral", _WITH_IDS, thinking=())
MISTRAL_THINKING = TaggedFormat("mistral", _CALLS, thinking=("[THINK]", "[/THINK]"))


def recognise(template: str) -> TaggedFormat | None:
    if "[TOOL_CALLS]" not in template:
        return None
    if "[ARGS]" not in template:
        return MISTRAL_LIST
    if "[CALL_ID]" in template:
        return MISTRAL_IDS
    return MISTRAL_THINKING if "[THINK]" in template else MISTRAL
