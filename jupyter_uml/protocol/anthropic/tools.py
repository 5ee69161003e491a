"""Tools as Anthropic describes them, and which of them may or must be called."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from jupyter_uml.protocol.anthropic.content import CacheControl
from jupyter_uml.protocol.body import StrictBody
from jupyter_uml.protocol.json_schema import schema_text
from jupyter_uml.protocol.tools import MAX_TOOLS, Choice, checked_tools, choose
from jupyter_uml.types import Tool

ToolName = Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{1,128}$")]


class CustomTool(StrictBody):
    """A tool that the caller runs. The arguments of a call always come in pieces as they are written."""

    type: Literal["custom"] | None = None
    name: ToolName
    description: Annotated[str, Field(max_length=1 << 17)] | None = None
    input_schema: dict[str, Any]
    strict: bool | None = None
    cache_control: CacheControl | None = None
    eager_input_streaming: bool | None = None
    defer_loading: Literal[False] | None = None
    allowed_callers: Annotated[list[Literal["direct"]], Field(max_length=1)] | None = None
    input_examples: Annotated[list[Any], Field(max_length=0)] | None = None

    @field_validator("type", mode="before")
    @classmethod
    def _is_custom(cls, value: Any) -> Any:
        if isinstance(value, str) and value != "custom":
            raise ValueError(
                f"{value[:40]!r} is a tool that Anthropic defines; here a tool is described by its own input_schema"
            )
        return value

    @field_validator("input_schema")
    @classmethod
    def _is_bounded(cls, value: dict[str, Any]) -> dict[str, Any]:
        schema_text(value)
        return value

    def to_native(self) -> Tool:
        return Tool(self.name, self.description or "", schema_text(self.input_schema), bool(self.strict))


Tools = Annotated[list[CustomTool], Field(max_length=MAX_TOOLS)]


class NoTool(StrictBody):
    type: Literal["none"]


class AutoTool(StrictBody):
    type: Literal["auto"]
    disable_parallel_tool_use: bool | None = None


class AnyTool(StrictBody):
    type: Literal["any"]
    disable_parallel_tool_use: bool | None = None


class NamedTool(StrictBody):
    type: Literal["tool"]
    name: ToolName
    disable_parallel_tool_use: bool | None = None


ToolChoiceField = Annotated[NoTool | AutoTool | AnyTool | NamedTool, Field(discriminator="type")]


def tool_fields(tools: list[CustomTool] | None, choice: ToolChoiceField | None) -> dict[str, Any]:
    """The fields of `GenerateRequest` about tools.

    Raises:
        InvalidRequest: two tools of one name, too much in all, or a choice among tools that are not there.
    """
    native = checked_tools([tool.to_native() for tool in tools or ()])
    single = bool(getattr(choice, "disable_parallel_tool_use", None))
    return {**_chosen(native, choice).fields(), "parallel_tool_calls": not single}


def _chosen(tools: tuple[Tool, ...], choice: ToolChoiceField | None) -> Choice:
    match choice:
        case NoTool():
            return choose(tools, "none")
        case AnyTool():
            return choose(tools, "required")
        case NamedTool(name=name):
            return choose(tools, "required", name)
        case _:
            return choose(tools, "auto")
