"""Tools of the Responses API. Functions only: what OpenAI's own servers do for a model is refused by name."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from jupyter_uml.protocol.body import MAX_ECHO, StrictBody
from jupyter_uml.protocol.tools import MAX_TOOLS, Choice, FunctionDefinition, ToolName, checked_tools, choose


class FunctionTool(FunctionDefinition):
    """`strict` that is left out is false: arguments are as the model writes them."""

    type: Literal["function"]
    allowed_callers: Annotated[list[Literal["direct"]], Field(max_length=1)] | None = None
    defer_loading: Literal[False] | None = None
    deferred: Literal[False] | None = Field(None, alias="async")
    output_schema: None = None

    def echo(self) -> dict[str, Any]:
        """As answers repeat it."""
        said = {"description": self.description, "parameters": self.parameters, "strict": bool(self.strict)}
        return {"type": "function", "name": self.name, **said}


def _only_functions(tool: Any) -> Any:
    kind = tool.get("type") if isinstance(tool, dict) else None
    if isinstance(kind, str) and kind != "function":
        raise ValueError(f"tools of the type {kind[:MAX_ECHO]!r} are not supported. Describe a function instead.")
    return tool


Tools = Annotated[list[Annotated[FunctionTool, BeforeValidator(_only_functions)]], Field(max_length=MAX_TOOLS)]


class NamedFunction(StrictBody):
    type: Literal["function"]
    name: ToolName


class AllowedTools(StrictBody):
    """Which of the tools may be called this time."""

    type: Literal["allowed_tools"]
    mode: Literal["auto", "required"]
    tools: Annotated[list[NamedFunction], Field(min_length=1, max_length=MAX_TOOLS)]


Mode = Literal["none", "auto", "required"]
ToolChoice = Mode | Annotated[NamedFunction | AllowedTools, Field(discriminator="type")]


def to_choice(tools: list[FunctionTool] | None, choice: ToolChoice | None) -> Choice:
    """
    Raises:
        InvalidRequest: two tools have one name, or a tool is asked for that is not there.
    """
    native = checked_tools([tool.to_native() for tool in tools or ()])
    match choice:
        case NamedFunction(name=name):
            return choose(native, "required", name)
        case AllowedTools(mode=mode, tools=allowed):
            return choose(native, mode, allowed=[tool.name for tool in allowed])
        case _:
            return choose(native, choice or "auto")
