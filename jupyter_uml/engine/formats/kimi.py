"""Kimi: K2 gives each call an id which holds the function's name, K3 writes typed arguments between its tags."""

from __future__ import annotations

from dataclasses import replace

from jupyter_uml.engine.formats.named_json_calls import NamedJsonCalls
from jupyter_uml.engine.formats.tagged_calls import TaggedCalls
from jupyter_uml.engine.formats.tagged_format import TaggedFormat

KIMI_K2_THINKING = TaggedFormat(
    "kimi-k2",
    NamedJsonCalls(
        begins="<|tool_call_begin|>",
        named="<|tool_call_argument_begin|>",
        end="<|tool_call_end|>",
        head=r"(?:functions\.)?(?P<name>.*?)(?::\d+)?",
        written=("functions.NAME:", "/[0-9]{1,3}/"),
        section=("<|tool_calls_section_begin|>", "<|tool_calls_section_end|>"),
    ),
    calls_end_reasoning=True,
)
KIMI_K2 = replace(KIMI_K2_THINKING, thinking=())


def _type_of(kind: str) -> str:
    return f' type="{"number" if kind == "integer" else kind}"'


KIMI_K3 = TaggedFormat(
    "kimi-k3",
    TaggedCalls(
        begins=('<|open|>call tool="',),
        named='"',
        after_name=(' index="', "/[0-9]{1,3}/", '"<|sep|>'),
        key_begins='<|open|>argument key="',
        key_ends='"',
        value_begins="<|sep|>",
        value_ends="<|close|>argument<|sep|>",
        ends=("<|close|>call<|sep|>",),
        section=("<|open|>tools<|sep|>", "<|close|>tools<|sep|>"),
        gap="",
        attribute=_type_of,
    ),
    thinking=("<|open|>think<|sep|>", "<|close|>think<|sep|>"),
    calls_end_reasoning=True,
    silent=("<|open|>response<|sep|>", "<|close|>response<|sep|>", "<|close|>message<|sep|>"),
    around_content=("<|open|>response<|sep|>", "<|close|>response<|sep|>"),
    tokens=("<|open|>", "<|close|>", "<|sep|>"),
)


def recognise(template: str) -> TaggedFormat | None:
    if "<|tool_calls_section_begin|>" in template:
        return KIMI_K2_THINKING if "</think>" in template else KIMI_K2
    return KIMI_K3 if "<|open|>" in template and "<|end_of_msg|>" in template else None
