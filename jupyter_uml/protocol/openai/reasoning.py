"""The fields about reasoning, and those that go to the chat template."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field

from jupyter_uml.protocol.body import StrictBody
from jupyter_uml.types import ReasoningEffort

MAX_TEMPLATE_OPTIONS = 32
# What a template is given by the engine; a request must not stand in for it.
OURS = frozenset(
    "messages tools documents add_generation_prompt continue_final_message bos_token eos_token raise_exception "
    "strftime_now reasoning_effort".split()
)


def _is_free(name: str) -> str:
    if name in OURS:
        raise ValueError("the server sets this variable itself")
    return name


OptionName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$"), AfterValidator(_is_free)]
Option = (
    bool
    | Annotated[int, Field(ge=-(1 << 53), le=1 << 53)]
    | Annotated[float, Field(allow_inf_nan=False)]
    | Annotated[str, Field(max_length=1024)]
)


class ReasoningBody(StrictBody):
    """`reasoning_budget`: tokens after which reasoning is ended, 0 for none."""

    reasoning_effort: ReasoningEffort | None = None
    reasoning_budget: Annotated[int, Field(ge=0, le=1 << 24)] | None = None
    chat_template_kwargs: Annotated[dict[OptionName, Option], Field(max_length=MAX_TEMPLATE_OPTIONS)] | None = None

    def reasoning(self) -> dict[str, Any]:
        """The fields of `GenerateRequest`."""
        return {
            "reasoning_effort": self.reasoning_effort,
            "reasoning_budget": self.reasoning_budget,
            "template_options": tuple((self.chat_template_kwargs or {}).items()),
        }
