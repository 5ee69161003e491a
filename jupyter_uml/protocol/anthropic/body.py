"""The bodies of Anthropic's `v1/messages` and of its token counting.

A field is honoured or refused by name. `cache_control`, `metadata` and `service_tier` are accepted, since they ask
nothing of a model: prompts are cached by themselves.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from jupyter_uml.errors import InvalidRequest
from jupyter_uml.protocol.anthropic.content import MAX_TURNS, CacheControl, SystemText, Turn, conversation
from jupyter_uml.protocol.anthropic.tools import ToolChoiceField, Tools, tool_fields
from jupyter_uml.protocol.body import ModelBody, StrictBody
from jupyter_uml.protocol.endpoint import Caller
from jupyter_uml.protocol.images import ImageReader
from jupyter_uml.protocol.json_schema import schema_text
from jupyter_uml.protocol.openai.sampling import Share, StopString
from jupyter_uml.types import MAX_STOP_STRINGS, GenerateRequest, Grammar, ReasoningEffort, SamplingParams

# Fields of a body by which it gives fields of `SamplingParams`.
_PARAMS = {name: name for name in ("max_tokens", "temperature", "top_p", "top_k")} | {"stop_sequences": "stop"}
Effort = Literal["low", "medium", "high", "xhigh", "max"]


class ThinkingEnabled(StrictBody):
    type: Literal["enabled"]
    budget_tokens: Annotated[int, Field(ge=1, le=1 << 24)]
    display: Literal["summarized", "omitted"] | None = None


class ThinkingAdaptive(StrictBody):
    type: Literal["adaptive"]
    display: Literal["summarized", "omitted"] | None = None


class ThinkingDisabled(StrictBody):
    type: Literal["disabled"]


Thinking = Annotated[ThinkingEnabled | ThinkingAdaptive | ThinkingDisabled, Field(discriminator="type")]


class JsonFormat(StrictBody):
    type: Literal["json_schema"]
    content: dict[str, Any] = Field(alias="schema")

    @field_validator("content")
    @classmethod
    def _is_bounded(cls, value: dict[str, Any]) -> dict[str, Any]:
        schema_text(value)
        return value

    def grammar(self) -> Grammar:
        return Grammar("json_schema", schema_text(self.content))


class OutputConfig(StrictBody):
    effort: Effort | None = None
    format: JsonFormat | None = None


class ThoughtsKept(StrictBody):
    type: Literal["clear_thinking_20251015"]
    keep: Literal["all"]


class ContextManagement(StrictBody):
    """Only what leaves the conversation as it was sent."""

    edits: Annotated[list[ThoughtsKept], Field(max_length=1)] | None = None


class Metadata(StrictBody):
    user_id: Annotated[str, Field(max_length=512)] | None = None


class PromptBody(ModelBody):
    """What the prompt is made of: all that token counting needs."""

    messages: Annotated[list[Turn], Field(min_length=1, max_length=MAX_TURNS)]
    system: SystemText | None = None
    tools: Tools | None = None
    tool_choice: ToolChoiceField | None = None
    thinking: Thinking | None = None
    output_config: OutputConfig | None = None
    output_format: JsonFormat | None = None  # where `output_config.format` stood before
    cache_control: CacheControl | None = None
    context_management: ContextManagement | None = None
    mcp_servers: Annotated[list[Any], Field(max_length=0)] | None = None
    container: None = None
    thread: None = None
    speed: Literal["standard"] | None = None

    @field_validator("*", mode="before")
    @classmethod
    def _whole_numbers(cls, value: Any) -> Any:
        return int(value) if isinstance(value, float) and value.is_integer() else value

    @model_validator(mode="after")
    def _has_one_format(self) -> Self:
        if self.output_format and self.output_config and self.output_config.format:
            raise InvalidRequest("An answer has one format: leave output_format out.", param="output_format")
        return self

    def to_native(self, caller: Caller, images: ImageReader) -> GenerateRequest:
        """
        Raises:
            InvalidRequest: an image, a tool or the choice of one is wrong.
        """
        return GenerateRequest(
            id=caller.request_id,
            model=self.model,
            messages=conversation(self.system, self.messages, images),
            params=self._sampling(),
            principal=caller.principal,
            hold=caller.holding(self.keep_alive),
            given=self._given(),
            reasoning_effort=self._effort(),
            reasoning_budget=self.thinking.budget_tokens if isinstance(self.thinking, ThinkingEnabled) else None,
            **tool_fields(self.tools, self.tool_choice),
        )

    def _sampling(self) -> SamplingParams:
        return SamplingParams(grammar=self._grammar())

    def _given(self) -> frozenset[str]:
        """Which fields of `SamplingParams` the request says something about."""
        return frozenset(_PARAMS[name] for name in _PARAMS if getattr(self, name, None) is not None)

    def _grammar(self) -> Grammar | None:
        form = self.output_format or (self.output_config and self.output_config.format)
        return form.grammar() if form else None

    def _effort(self) -> ReasoningEffort | None:
        """None leaves it to the model's template. Who turns thinking on may say how much of it by `effort`."""
        if isinstance(self.thinking, ThinkingDisabled):
            return "none"
        asked = self.output_config.effort if self.output_config else None
        if asked is None:
            return "medium" if self.thinking else None
        return "xhigh" if asked == "max" else asked


class MessagesBody(PromptBody):
    """`POST v1/messages`."""

    max_tokens: Annotated[int, Field(ge=1, le=1 << 24)]
    stop_sequences: Annotated[list[StopString], Field(max_length=MAX_STOP_STRINGS)] | None = None
    stream: bool | None = None
    temperature: Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)] | None = None
    top_p: Share | None = None
    top_k: Annotated[int, Field(ge=0, le=1 << 20)] | None = None
    metadata: Metadata | None = None
    service_tier: Literal["auto", "standard_only"] | None = None

    @model_validator(mode="after")
    def _leaves_room_for_an_answer(self) -> Self:
        if isinstance(self.thinking, ThinkingEnabled) and self.thinking.budget_tokens >= self.max_tokens:
            field = "thinking.budget_tokens"
            raise InvalidRequest(f"{field}: must be less than max_tokens", param=field)
        return self

    @property
    def shows_thinking(self) -> bool:
        return getattr(self.thinking, "display", None) != "omitted"

    def _sampling(self) -> SamplingParams:
        return SamplingParams(
            max_tokens=self.max_tokens,
            temperature=self.temperature,
            top_k=self.top_k,
            top_p=self.top_p,
            stop=tuple(self.stop_sequences or ()),
            grammar=self._grammar(),
        )
