"""How many tokens a request will take, before anybody has counted them. Rather too many than too few."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from jupyter_uml.types import (
    EmbedRequest,
    GenerateRequest,
    PromptRequest,
    RankRequest,
    ScoreRequest,
    SideRequest,
)

BYTES_PER_TOKEN = 3  # of UTF-8: English has about four, most other languages about three
_PER_MESSAGE = 8  # tokens that the chat template puts around it
_PER_IMAGE = 256
_USUAL_ANSWER = 256  # where nothing is said about its length


def prompt_tokens(request: GenerateRequest | SideRequest[Any]) -> int:
    """What the model has to read. Turning texts into tokens or prompts takes nothing of it."""
    match request:
        case GenerateRequest():
            return _of_prompt(request)
        case EmbedRequest() | ScoreRequest():
            return sum(map(_of_text, request.inputs))
        case RankRequest():
            return sum(map(_of_text, request.documents)) + len(request.documents) * _of_text(request.query)
        case _:
            return 0


def expected_tokens(request: GenerateRequest | SideRequest[Any]) -> int:
    """With the answer; at least 1."""
    answer = (request.params.max_tokens or _USUAL_ANSWER) if isinstance(request, GenerateRequest) else 0
    return max(1, prompt_tokens(request) + answer)


def prompt_text(request: GenerateRequest | SideRequest[Any]) -> str:
    """For records, where prompts are kept."""
    match request:
        case GenerateRequest():
            if request.gap is not None:
                return request.gap.prefix
            if request.prompt is not None:
                return _shown(request.prompt)
            return "\n".join(f"{message.role}: {message.content}" for message in request.messages)
        case EmbedRequest() | ScoreRequest():
            return "\n".join(map(_shown, request.inputs))
        case RankRequest():
            return "\n".join((request.query, *request.documents))
        case PromptRequest():
            return prompt_text(request.request)
        case _:
            return ""


def _of_prompt(request: GenerateRequest) -> int:
    tokens = _of_text(request.prompt or "") + _of_text(request.suffix or "")
    tokens += _of_texts((request.gap.prefix, request.gap.suffix)) if request.gap else 0
    tokens += sum(_of_texts((tool.name, tool.description, tool.parameters)) for tool in request.tools)
    for message in request.messages:
        calls = (text for call in message.tool_calls for text in (call.name, call.arguments))
        tokens += _of_texts((message.content, message.reasoning or "", *calls))
        tokens += _PER_MESSAGE + _PER_IMAGE * len(message.images)
    return tokens


def _of_texts(texts: Iterable[str]) -> int:
    return sum(map(_of_text, texts))


def _of_text(text: str | tuple[int, ...]) -> int:
    if not isinstance(text, str):
        return len(text)
    size = len(text) if text.isascii() else len(text.encode(errors="replace"))
    return -(-size // BYTES_PER_TOKEN)


def _shown(text: str | tuple[int, ...]) -> str:
    return text if isinstance(text, str) else " ".join(map(str, text))
