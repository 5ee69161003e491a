"""The body of `v1/responses`, and what it says to the engine.

A field is honoured, or accepted because it asks nothing of a model, or refused by name with the reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from jupyter_uml.errors import InvalidRequest
from jupyter_uml.protocol.body import StrictBody
from jupyter_uml.protocol.endpoint import Caller
from jupyter_uml.protocol.images import ImageReader, without_marks
from jupyter_uml.protocol.openai.completion_body import MaxTokens
from jupyter_uml.protocol.openai.reasoning import MAX_TEMPLATE_OPTIONS, Option, OptionName
from jupyter_uml.protocol.openai.sampling import JsonObjectFormat, JsonSchema, SamplingBody, TextFormat
from jupyter_uml.protocol.responses.conversation import to_messages
from jupyter_uml.protocol.responses.items import MAX_ITEMS, Item, KeptItem, MessageItem
from jupyter_uml.protocol.responses.tools import ToolChoice, Tools, to_choice
from jupyter_uml.types import MAX_TOP_LOGPROBS, GenerateRequest, Grammar, Message, ReasoningEffort

MAX_LABEL = 512  # characters
Label = Annotated[str, Field(max_length=MAX_LABEL)]
LOGPROBS = "message.output_text.logprobs"
SEALED_REASONING = "reasoning.encrypted_content"
Includable = Literal[
    "message.output_text.logprobs",
    "reasoning.encrypted_content",
    "message.input_image.image_url",
    "file_search_call.results",  # this and the following: of tools that are refused, so that there never is any
    "web_search_call.results",
    "web_search_call.action.sources",
    "computer_call_output.output.image_url",
    "code_interpreter_call.outputs",
]
REFUSED = {
    "access_programs": "it is about OpenAI's own models",
    "background": "an answer is made while its request waits",
    "background_options": "an answer is made while its request waits",
    "context_management": "conversations are not rewritten. Use truncation: auto",
    "conversation": "there are no conversation objects here. Use previous_response_id",
    "image": "images are read as they are sent",
    "moderation": "there is no moderation here",
    "prompt": "prompt templates are not kept here. Send instructions and input",
    "response_format": "this endpoint calls it text.format",
}


class SchemaFormat(JsonSchema):
    type: Literal["json_schema"]


class TextSettings(StrictBody):
    format: Annotated[TextFormat | JsonObjectFormat | SchemaFormat, Field(discriminator="type")] | None = None
    verbosity: Literal["medium"] | None = None  # models here take such a wish in words only

    def grammar(self) -> Grammar | None:
        grammar = self.format.grammar() if self.format else None
        return replace(grammar, param="text.format") if grammar else None


def _whole(summary: str | None) -> str | None:
    if summary == "concise":
        raise ValueError("nobody shortens the model's reasoning here. Ask for detailed, and it is given whole.")
    return summary


Summary = Annotated[Literal["auto", "concise", "detailed"], AfterValidator(_whole)]


class ReasoningSettings(StrictBody):
    effort: ReasoningEffort | None = None
    summary: Summary | None = None  # all of the reasoning, in the place where programs look for a summary
    generate_summary: Summary | None = None  # its old name
    context: Literal["auto"] | None = None
    mode: Literal["standard"] | None = None


class CacheOptions(StrictBody):
    """Hints to a cache that has to be told; here every prefix is kept."""

    mode: Literal["implicit", "explicit"] | None = None
    ttl: Literal["30m", "12h"] | None = None


class StreamOptions(StrictBody):
    include_obfuscation: Literal[False] | None = None


class ResponsesRequest(SamplingBody):
    input: str | Annotated[list[Item], Field(max_length=MAX_ITEMS)] | None = None
    instructions: str | None = None
    previous_response_id: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    max_output_tokens: MaxTokens | None = None
    tools: Tools | None = None
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    max_tool_calls: Annotated[int, Field(ge=1, le=1 << 24)] | None = None  # of built-in tools: there are none
    text: TextSettings | None = None
    reasoning: ReasoningSettings | None = None
    reasoning_budget: Annotated[int, Field(ge=0, le=1 << 24)] | None = None
    chat_template_kwargs: Annotated[dict[OptionName, Option], Field(max_length=MAX_TEMPLATE_OPTIONS)] | None = None
    include: Annotated[list[Includable], Field(max_length=64)] | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=MAX_TOP_LOGPROBS)] | None = None
    truncation: Literal["auto", "disabled"] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    store: bool | None = None
    metadata: (
        Annotated[
            dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=512)]], Field(max_length=16)
        ]
        | None
    ) = None
    user: Label | None = None
    safety_identifier: Label | None = None
    prompt_cache_key: Label | None = None
    prompt_cache_retention: Literal["in_memory", "24h"] | None = None
    prompt_cache_options: CacheOptions | None = None
    background: Literal[False] | None = None
    access_programs: None = None
    background_options: None = None
    context_management: None = None
    conversation: None = None
    image: None = None
    moderation: None = None
    prompt: None = None
    response_format: None = None

    @field_validator(*REFUSED, mode="before")
    @classmethod
    def _refused(cls, value: Any, info: ValidationInfo) -> Any:
        if value is not None and value is not False:
            raise ValueError(f"not supported, since {REFUSED[info.field_name or '']}.")
        return value

    @field_validator("text")
    @classmethod
    def _is_the_only_form(cls, value: TextSettings | None, info: ValidationInfo) -> TextSettings | None:
        if value is not None and value.grammar() is not None and info.data.get("grammar") is not None:
            raise ValueError("an answer follows either a grammar or a text.format")
        return value

    def given(self) -> list[Item]:
        """The items of this request.

        Raises:
            InvalidRequest: it says nothing at all.
        """
        if self.input is None and self.previous_response_id is None:
            raise InvalidRequest("input is missing.", param="input")
        if isinstance(self.input, str):
            return [MessageItem(role="user", content=self.input)]
        return list(self.input or ())

    def to_native(
        self, caller: Caller, earlier: Sequence[KeptItem], given: Sequence[KeptItem], images: ImageReader
    ) -> GenerateRequest:
        """`earlier`: the conversation that this request goes on with; `given`: what it adds.

        Raises:
            InvalidRequest: the items or the tools do not fit together.
        """
        messages = to_messages([*earlier, *given], images, len(earlier))
        if not messages:
            raise InvalidRequest("The input is empty.", param="input")
        if self.instructions is not None:
            messages.insert(0, Message("system", without_marks(self.instructions)))
        return GenerateRequest(
            caller.request_id,
            self.model,
            tuple(messages),
            params=self.sampling(self.max_output_tokens, self._logprobs()),
            parallel_tool_calls=self.parallel_tool_calls is not False,
            reasoning_effort=self.reasoning.effort if self.reasoning else None,
            reasoning_budget=self.reasoning_budget,
            template_options=tuple((self.chat_template_kwargs or {}).items()),
            **to_choice(self.tools, self.tool_choice).fields(),
            **self.handling(caller),
        )

    def handling(self, caller: Caller) -> dict[str, Any]:
        handling = super().handling(caller)
        return {**handling, "truncate": "oldest_messages"} if self.truncation == "auto" else handling

    @property
    def wants_summary(self) -> bool:
        return self.reasoning is not None and bool(self.reasoning.summary or self.reasoning.generate_summary)

    @property
    def wants_sealed_reasoning(self) -> bool:
        return SEALED_REASONING in (self.include or ())

    def _logprobs(self) -> int | None:
        asked = bool(self.top_logprobs) or LOGPROBS in (self.include or ())
        return self.top_logprobs or 0 if asked else None

    def _grammar(self) -> Grammar | None:
        return super()._grammar() or (self.text.grammar() if self.text else None)
