"""DeepSeek: R1, V2.5 and V3 put arguments into a code block, V3.1 does not, V3.2 and V4 write tags of their own."""

from __future__ import annotations

from collections.abc import Sequence

from jupyter_uml.engine.formats.named_json_calls import NamedJsonCalls
from jupyter_uml.engine.formats.tagged_calls import TaggedCalls
from jupyter_uml.engine.formats.tagged_format import TaggedFormat
from jupyter_uml.types import ToolCall

_SECTION = ("<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>")
_SEPARATOR = "<｜tool▁sep｜>"


class DeepSeekFormat(TaggedFormat):
    """A `ChatFormat` that `WritesCalls`: not all templates say how."""

    def written(self, calls: Sequence[ToolCall]) -> str:
        return self.style.spelled(calls) if isinstance(self.style, NamedJsonCalls) else ""


DEEPSEEK_R1 = DeepSeekFormat(
    "deepseek-r1",
    NamedJsonCalls(
        begins="<｜tool▁call▁begin｜>",
        named="```json",
        end="<｜tool▁call▁end｜>",
        head=rf"\w+{_SEPARATOR}(?P<name>.*?)\s*",
        written=(f"function{_SEPARATOR}NAME\n",),
        section=_SECTION,
        between="\n",
        fence=("\n", "\n```"),
        tokens=(_SEPARATOR,),
    ),
    calls_end_reasoning=True,
)
DEEPSEEK_V31 = DeepSeekFormat(
    "deepseek-v3.1",
    NamedJsonCalls("<｜tool▁call▁begin｜>", _SEPARATOR, "<｜tool▁call▁end｜>", section=_SECTION),
    calls_end_reasoning=True,
)


def _dsml(section: str) -> TaggedFormat:
    calls = TaggedCalls(
        begins=('<｜DSML｜invoke name="',),
        named='">',
        key_begins='<｜DSML｜parameter name="',
        key_ends='"',
        value_begins=">",
        value_ends="</｜DSML｜parameter>",
        ends=("</｜DSML｜invoke>",),
        section=(f"<｜DSML｜{section}>", f"</｜DSML｜{section}>"),
        attribute=lambda kind: f' string="{"true" if kind == "string" else "false"}"',
    )
    return TaggedFormat("deepseek-dsml", calls, tokens=("｜DSML｜", "<think>", "</think>"))


DEEPSEEK_V32 = _dsml("function_calls")
DEEPSEEK_V4 = _dsml("tool_calls")


def recognise(template: str) -> TaggedFormat | None:
    if "｜DSML｜" in template:
        return DEEPSEEK_V4 if "'tool_calls>" in template else DEEPSEEK_V32
    if "<｜Assistant｜>" not in template:
        return None
    return DEEPSEEK_V31 if "'<｜tool▁sep｜>' + tool['function']['arguments']" in template else DEEPSEEK_R1
