"""What the bodies of chat and text completions share."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from jupyter_uml.protocol.body import StrictBody
from jupyter_uml.protocol.openai.sampling import SamplingBody
from jupyter_uml.types import GenerateRequest

MAX_ANSWERS = 8  # to one prompt
MaxTokens = Annotated[int, Field(ge=1, le=1 << 24)]
Count = Annotated[int, Field(ge=1, le=MAX_ANSWERS)]


class StreamOptions(StrictBody):
    include_usage: bool = False
    include_obfuscation: Literal[False] | None = None


class CompletionBody(SamplingBody):
    n: Count | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    user: str | None = None

    @field_validator("stream_options")
    @classmethod
    def _needs_a_stream(cls, value: StreamOptions | None, info: ValidationInfo) -> StreamOptions | None:
        if value is not None and not info.data.get("stream"):
            raise ValueError("needs stream to be true")
        return value

    @property
    def wants_usage(self) -> bool:
        return self.stream_options is not None and self.stream_options.include_usage


def several(requests: Iterable[GenerateRequest], count: int) -> list[GenerateRequest]:
    """Each request `count` times, under ids of their own, as variants that draw differently."""
    made: list[GenerateRequest] = []
    for request in requests:
        for variant in range(count):
            number = len(made)
            id_ = f"{request.id}.{number}" if number else request.id
            made.append(replace(request, id=id_, variant=variant))
    return made
