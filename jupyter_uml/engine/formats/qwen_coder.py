"""Qwen3-Coder, Qwen 3.5, Nemotron 3, Step 3.5 and others: `<tool_call><function=name><parameter=key>value…`.

Seed-OSS writes the same within `<seed:tool_call>`, MiniCPM 5 with names in quotes.
"""

from __future__ import annotations

from dataclasses import replace

from jupyter_uml.engine.formats.tagged_calls import TaggedCalls
from jupyter_uml.engine.formats.tagged_format import TaggedFormat

_CALLS = TaggedCalls(
    begins=("<tool_call>", "<function="),
    named=">",
    key_begins="<parameter=",
    key_ends="",
    value_begins=">",
    value_ends="</parameter>",
    ends=("</function>", "</tool_call>"),
    pad="\n",
)

QWEN_CODER = TaggedFormat("qwen-coder", _CALLS, thinking=())
QWEN_CODER_THINKING = TaggedFormat("qwen-coder", _CALLS)
SEED = TaggedFormat(
    "seed-oss",
    replace(
        _CALLS,
        begins=("<seed:tool_call>", "<function="),
        ends=("</function>", "</seed:tool_call>"),
        pad="",
    ),
    thinking=("<seed:think>", "</seed:think>"),
)
MINICPM = TaggedFormat(
    "minicpm",
    TaggedCalls(
        begins=('<function name="',),
        named='">',
        key_begins='<param name="',
        key_ends="",
        value_begins='">',
        value_ends="</param>",
        ends=("</function>",),
        gap="",
        cdata=True,
    ),
)


def recognise(template: str) -> TaggedFormat | None:
    if "<seed:tool_call>" in template:
        return SEED
    if '<function name="' in template and '<param name="' in template:
        return MINICPM
    if "<function=" in template and "<parameter=" in template:
        return QWEN_CODER_THINKING if "</think>" in template else QWEN_CODER
    return None
