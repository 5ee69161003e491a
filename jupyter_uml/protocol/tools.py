"""Tools that a model may call, and which of them it must: OpenAI's fields, and what all protocols check."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from jupyter_uml.errors import InvalidRequest
from jupyter_uml.protocol.body import StrictBody
from jupyter_uml.protocol.json_schema import schema_text
from jupyter_uml.types import Tool, ToolChoice

MAX_TOOLS = 128
MAX_TOOLS_BYTES = 1 << 19  # of all tools together
MAX_DESCRIPTION = 1 << 15  # characters
ToolName = Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]


class FunctionDefinition(StrictBody):
    name: ToolName
    description: Annotated[str, Field(max_length=MAX_DESCRIPTION)] | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None

    @field_validator("parameters")
    @classmethod
    def _is_bounded(cls, value: dict[str, Any] | None) -> dict[str, Any] | None:
        schema_text(value or {})
        return value

    def to_native(self) -> Tool:
        empty = {"type": "object", "properties": {}}
        return Tool(self.name, self.description or "", schema_text(self.parameters or empty), bool(self.strict))


class FunctionTool(StrictBody):
    type: Literal["function"]
    function: FunctionDefinition


class FunctionName(StrictBody):
    name: ToolName


class NamedTool(StrictBody):
    """`tool_choice` for one tool, and an entry of `allowed_tools`."""

    type: Literal["function"]
    function: FunctionName


class AllowedTools(StrictBody):
    mode: Literal["auto", "required"]
    tools: Annotated[list[NamedTool], Field(min_length=1, max_length=MAX_TOOLS)]


class AllowedToolsChoice(StrictBody):
    type: Literal["allowed_tools"]
    allowed_tools: AllowedTools


class ToolsBody(StrictBody):
    """The fields about tools of chat completions."""

    tools: Annotated[list[FunctionTool], Field(max_length=MAX_TOOLS)] | None = None
    tool_choice: (
        Literal["none", "auto", "required"]
        | Annotated[NamedTool | AllowedToolsChoice, Field(discriminator="type")]
        | None
    ) = None
    parallel_tool_calls: bool | None = None

    def tool_fields(self) -> dict[str, Any]:
        """The fields of `GenerateRequest`.

        Raises:
            InvalidRequest: too many or equal tools, or a choice of what is not there.
        """
        tools = checked_tools([tool.function.to_native() for tool in self.tools or ()])
        match self.tool_choice:
            case NamedTool(function=function):
                choice = choose(tools, "required", function.name)
            case AllowedToolsChoice(allowed_tools=allowed):
                choice = choose(tools, allowed.mode, allowed={tool.function.name for tool in allowed.tools})
            case mode:
                choice = choose(tools, mode or "auto")
        return choice.fields() | {"parallel_tool_calls": self.parallel_tool_calls is not False}


@dataclass(frozen=True, slots=True)
class Choice:
    """The tools that may be called, and whether one, or the one called `name`, must be."""

    choice: ToolChoice
    name: str | None
    tools: tuple[Tool, ...]

    def fields(self) -> dict[str, Any]:
        """As `GenerateRequest` names them."""
        return {"tools": self.tools, "tool_choice": self.choice, "tool_name": self.name}


def checked_tools(tools: Sequence[Tool], param: str = "tools") -> tuple[Tool, ...]:
    """The tools, if they can be told apart and are not too large together.

    Raises:
        InvalidRequest: they are not.
    """
    names = [tool.name for tool in tools]
    for place, name in enumerate(names):
        if name in names[:place]:
            raise InvalidRequest(f"{param}: two tools are called {name}.", param=f"{param}.{place}")
    if sum(len(tool.parameters) + len(tool.description) for tool in tools) > MAX_TOOLS_BYTES:
        raise InvalidRequest(f"{param}: all together are longer than {MAX_TOOLS_BYTES >> 10} KiB.", param=param)
    return tuple(tools)


def choose(
    tools: tuple[Tool, ...], choice: ToolChoice, name: str | None = None, allowed: Collection[str] | None = None
) -> Choice:
    """`name`: the tool that must be called. `allowed`: the names of those that may be called, else all.

    Raises:
        InvalidRequest: a name that no tool has, or a call is required where there are no tools.
    """
    there = {tool.name for tool in tools}
    for wanted in [*([name] if name is not None else []), *(allowed or ())]:
        if wanted not in there:
            raise InvalidRequest(f"tool_choice: there is no tool called {wanted[:64]!r}.", param="tool_choice")
    if choice == "required" and not tools:
        raise InvalidRequest("tool_choice: a call is required, and there are no tools.", param="tool_choice")
    return Choice(choice, name, tuple(tool for tool in tools if allowed is None or tool.name in allowed))
