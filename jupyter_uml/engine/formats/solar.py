"""Solar Open writes messages with a kind: `<|begin|>assistant<|think|>…<|end|>`, `<|content|>`, `<|tool_calls|>`."""

from __future__ import annotations

from jupyter_uml.engine.formats.named_json_calls import NamedJsonCalls
from jupyter_uml.engine.formats.tagged_format import TaggedFormat

SOLAR = TaggedFormat(
    "solar",
    NamedJsonCalls(
        begins="<|tool_call:begin|>",
        named="<|tool_call:args|>",
        end="<|tool_call:end|>",
        head=r"[^<]*<\|tool_call:name\|>(?P<name>.*)",
        written=("/[a-z0-9]{10}/", "<|tool_call:name|>NAME"),
        section=("<|tool_calls|>", "<|calls|>"),
        tokens=("<|tool_call:name|>",),
    ),
    thinking=("<|think|>", "<|end|>"),
    after_reasoning="<|begin|>assistant",
    silent=("<|begin|>assistant", "<|content|>", "<|end|>"),
    around_content=("<|content|>", "<|end|>"),
    tokens=(
        *("<|begin|>", "<|think|>", "<|end|>", "<|content|>", "<|tool_calls|>", "<|calls|>"),
        *("<|tool_call:begin|>", "<|tool_call:name|>", "<|tool_call:args|>", "<|tool_call:end|>"),
    ),
)


def recognise(template: str) -> TaggedFormat | None:
    return SOLAR if "<|tool_call:begin|>" in template and "<|tool_call:args|>" in template else None
