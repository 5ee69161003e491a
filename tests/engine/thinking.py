"""A model that reasons: the demo model behind a template that opens its answers' reasoning."""

from __future__ import annotations

import struct

KEY = b"tokenizer.chat_template"
TURNS = (
    "{%- for message in messages %}{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}"
    "{%- endfor %}"
)
TEMPLATE = TURNS + (
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}"
    "{%- if enable_thinking is not defined or enable_thinking %}{{- '<think>\\n' }}"
    "{%- else %}{{- '<think>\\n\\n</think>\\n\\n' }}{%- endif %}{%- endif %}"
)


def thinking(content: bytes, template: str = TEMPLATE) -> bytes:
    """A GGUF file's bytes, with another chat template in place of its own, which must be longer."""
    start = content.index(KEY) + len(KEY)
    kind, length = struct.unpack_from("<IQ", content, start)
    assert kind == 8, "not a string"
    padded = template.encode() + b"{#" + b"-" * (length - len(template.encode()) - 4) + b"#}"
    assert len(padded) == length, "the template is too long"
    begin = start + struct.calcsize("<IQ")
    return content[:begin] + padded + content[begin + length :]
