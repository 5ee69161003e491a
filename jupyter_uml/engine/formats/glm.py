"""GLM 4.5 to 4.7, and Laguna, Ling, Hunyuan, Spark: `<tool_call>name<arg_key>key</arg_key><arg_value>value…`."""

from __future__ import annotations

import re
from dataclasses import replace

from jupyter_uml.engine.formats.tagged_calls import TaggedCalls
from jupyter_uml.engine.formats.tagged_format import TaggedFormat

_CALLS = TaggedCalls(
    begins=("<tool_call>",),
    named="",
    key_begins="<arg_key>",
    key_ends="</arg_key>",
    value_begins="<arg_value>",
    value_ends="</arg_value>",
    ends=("</tool_call>",),
)

GLM = TaggedFormat("glm", _CALLS)
GLM_COMPACT = TaggedFormat("glm", replace(_CALLS, gap=""))  # without line feeds between the tags


_SUFFIX = re.compile(r"HYTK = '([^']*)'")


def recognise(template: str) -> TaggedFormat | None:
    if "arg_key" not in template:
        return None
    if "tool_sep" in template:
        return _hunyuan(template)
    compact = "</arg_key><arg_value>" in template or '</arg_key>" -}}' in template
    return GLM_COMPACT if compact else GLM


def _hunyuan(template: str) -> TaggedFormat:
    """Its tags have an ending in common, which the template names: `<tool_call:opensource>`."""
    found = _SUFFIX.search(template)
    suffix = found[1] if found else ""

    def tag(name: str) -> str:
        return f"<{name}{suffix}>"

    calls = TaggedCalls(
        begins=(tag("tool_call"),),
        named=tag("tool_sep"),
        key_begins=tag("arg_key"),
        key_ends=tag("/arg_key"),
        value_begins=tag("arg_value"),
        value_ends=tag("/arg_value"),
        ends=(tag("/tool_call"),),
        section=(tag("tool_calls"), tag("/tool_calls")),
    )
    return TaggedFormat("hunyuan", calls, (tag("think"), tag("/think")))
