"""Nemotron Nano 2, Apriel, Firefunction and GigaChat: objects, or one list of them, between tags of their own."""

from __future__ import annotations

from jupyter_uml.engine.formats.json_calls import JsonCalls, JsonFormat

NEMOTRON = JsonFormat("nemotron", JsonCalls("<TOOLCALL>", "</TOOLCALL>", listed=True))
FIREFUNCTION = JsonFormat("firefunction", JsonCalls("functools", listed=True), thinking=())
APRIEL = JsonFormat("apriel", JsonCalls("<tool_calls>", "</tool_calls>", listed=True, ids=True), thinking=())
APRIEL_THINKING = JsonFormat(
    "apriel",
    JsonCalls("<tool_calls>", "</tool_calls>", listed=True, ids=True),
    thinking=("Here are my reasoning steps:", "[BEGIN FINAL RESPONSE]"),
    calls_end_reasoning=True,
    silent=("[END FINAL RESPONSE]",),
)
GIGACHAT = JsonFormat("gigachat", JsonCalls("<|function_call|>"), thinking=())
GIGACHAT_ROLES = JsonFormat(
    "gigachat",
    JsonCalls("<|message_sep|>\n\nfunction call<|role_sep|>\n"),
    thinking=(),
    tokens=("<|message_sep|>", "<|role_sep|>"),
)


def recognise(template: str) -> JsonFormat | None:
    if "<TOOLCALL>" in template:
        return NEMOTRON
    if " functools[" in template:
        return FIREFUNCTION
    if "<tool_calls>[" in template:
        return APRIEL_THINKING if "Here are my reasoning steps:" in template else APRIEL
    if "<|role_sep|>" in template and "function call" in template:
        return GIGACHAT if "<|function_call|>" in template else GIGACHAT_ROLES
    return None
