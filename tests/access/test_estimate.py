"""How many tokens a request may take, guessed from its texts."""

from __future__ import annotations

from typing import Any

import pytest

from jupyter_uml.access import expected_tokens, prompt_text, prompt_tokens
from jupyter_uml.types import (
    EmbedRequest,
    Gap,
    GenerateRequest,
    Message,
    RankRequest,
    SamplingParams,
    ScoreRequest,
    TokenizeRequest,
    Tool,
    ToolCall,
)


def chat(*messages: Message, **fields: Any) -> GenerateRequest:
    return GenerateRequest("1", "m", messages, **fields)


@pytest.mark.parametrize(
    ("request_", "least", "most"),
    [
        (GenerateRequest("1", "m", prompt="word " * 300), 300, 600),
        (GenerateRequest("1", "m", prompt=tuple(range(77))), 77, 77),
        (GenerateRequest("1", "m", prompt="", suffix="x" * 300), 100, 100),
        (GenerateRequest("1", "m", gap=Gap("x" * 300, "y" * 300)), 200, 200),
        (chat(Message("user", "x" * 300)), 100, 120),
        (chat(Message("user", "日本語" * 100)), 300, 320),
        (chat(Message("user", "\udcff" * 3)), 1, 20),  # half of a surrogate is no reason to fail
        (chat(Message("user", "", images=(b"png",))), 200, 300),
        (chat(Message("assistant", "", tool_calls=(ToolCall("1", "f", "x" * 300),))), 100, 120),
        (chat(Message("user", ""), tools=(Tool("f", parameters="x" * 300),)), 100, 120),
        (EmbedRequest("1", "m", ("x" * 30, (1, 2, 3))), 13, 13),
        (ScoreRequest("1", "m", ("x" * 30,)), 10, 10),
        (RankRequest("1", "m", "x" * 30, ("y" * 30, "z" * 30)), 40, 40),
        (TokenizeRequest("1", "m", ("x" * 3000,)), 0, 0),  # the model computes nothing
    ],
)
def test_every_text_counts(request_: Any, least: int, most: int) -> None:
    assert least <= prompt_tokens(request_) <= most


def test_the_answer_counts_as_it_was_asked_for() -> None:
    short, long = (GenerateRequest("1", "m", prompt="Hi", params=SamplingParams(max_tokens=n)) for n in (5, 500))
    assert expected_tokens(long) - expected_tokens(short) == 495
    assert expected_tokens(GenerateRequest("1", "m", prompt="Hi")) > 100
    assert expected_tokens(TokenizeRequest("1", "m", ("x",))) == 1


def test_what_is_kept_of_a_prompt() -> None:
    assert prompt_text(chat(Message("system", "Be brief."), Message("user", "Hi"))) == "system: Be brief.\nuser: Hi"
    assert prompt_text(EmbedRequest("1", "m", ("one", (1, 2)))) == "one\n1 2"
