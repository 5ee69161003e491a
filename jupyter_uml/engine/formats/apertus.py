"""Apertus writes its calls as a list of JSON objects, each with the function's name for its only key."""

from __future__ import annotations

from jupyter_uml.engine.formats.named_json_calls import NamedJsonCalls
from jupyter_uml.engine.formats.tagged_format import TaggedFormat

APERTUS = TaggedFormat(
    "apertus",
    NamedJsonCalls(
        begins='{"',
        named='":',
        end="}",
        section=("<|tools_prefix|>[", "]<|tools_suffix|>"),
        between=", ",
        fence=(" ", ""),
        only_in_section=True,
    ),
    thinking=("<|inner_prefix|>", "<|inner_suffix|>"),
    tokens=("<|tools_prefix|>", "<|tools_suffix|>", "<|inner_prefix|>", "<|inner_suffix|>"),
)


def recognise(template: str) -> TaggedFormat | None:
    return APERTUS if "<|tools_prefix|>" in template else None
