"""Prompts on the real demo model: the same as ever where they fit, shortened as asked where they don't."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from jupyter_uml.demo import demo_model_path
from jupyter_uml.engine.model import Model
from jupyter_uml.engine.prompt import Prompt, PromptBuilder
from jupyter_uml.engine.shortening import GAP
from jupyter_uml.errors import ContextLengthExceeded, InvalidRequest
from jupyter_uml.types import GenerateRequest, Message, ModelSpec, Role, SamplingParams, Truncation

N_CTX = 256
SYSTEM = Message("system", "You are kind.")


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    model = Model(ModelSpec("demo", str(demo_model_path())))
    yield model
    model.close()


@pytest.fixture(scope="module")
def builder(model: Model) -> PromptBuilder:
    return PromptBuilder(model, N_CTX)


def chat(*messages: Message, truncate: Truncation | None = None, max_tokens: int | None = None) -> GenerateRequest:
    params = SamplingParams(max_tokens=max_tokens)
    return GenerateRequest("r", "demo", messages=messages, params=params, truncate=truncate)


def raw(prompt: str | tuple[int, ...], truncate: Truncation | None = None, **params: Any) -> GenerateRequest:
    return GenerateRequest("r", "demo", prompt=prompt, params=SamplingParams(**params), truncate=truncate)


def text(model: Model, prompt: Prompt) -> str:
    """What the model reads, control tokens as their texts."""
    return b"".join(model.piece(token) or model.token_text(token).encode() for token in prompt.tokens).decode()


def turns(count: int, words: int = 5) -> list[Message]:
    roles: tuple[Role, Role] = ("user", "assistant")
    return [Message(roles[n % 2], f"number {n} " + "word " * words) for n in range(count)]


def test_a_prompt_that_fits_is_what_the_template_and_the_tokenizer_give(model: Model, builder: PromptBuilder) -> None:
    prompt = builder.build(chat(SYSTEM, Message("user", "Hi")))
    expected = "<|im_start|>system\nYou are kind.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    assert (text(model, prompt), prompt.truncated) == (expected, 0)
    strategies: tuple[Truncation, ...] = ("middle", "oldest_messages")
    for truncate in strategies:
        assert builder.build(chat(SYSTEM, Message("user", "Hi"), truncate=truncate)) == prompt
    assert builder.build(raw("Hi", "middle")) == builder.build(raw("Hi"))


@pytest.mark.parametrize("request_", [chat(Message("user", "word " * 300)), raw("word " * 300), raw((5,) * 301)])
def test_without_a_strategy_it_is_refused_with_both_numbers(builder: PromptBuilder, request_: GenerateRequest) -> None:
    with pytest.raises(ContextLengthExceeded) as caught:
        builder.build(request_)
    assert caught.value.details["context_tokens"] == N_CTX
    assert int(caught.value.details["prompt_tokens"] or 0) > 300
    assert caught.value.param == ("messages" if request_.messages else "prompt")


@pytest.mark.parametrize(("max_tokens", "kept"), [(None, 192), (10, 246), (1000, 128), (0, 255)])
def test_the_middle_of_a_raw_prompt_makes_room_for_the_answer(
    builder: PromptBuilder, max_tokens: int | None, kept: int
) -> None:
    tokens = tuple(range(1000))
    prompt = builder.build(raw(tokens, "middle", max_tokens=max_tokens))
    assert (len(prompt.tokens), prompt.truncated) == (kept, 1000 - kept)
    assert prompt.tokens == [*tokens[: (kept + 1) // 2], *tokens[1000 - kept // 2 :]]


def test_a_text_keeps_its_begin_marker_its_beginning_and_its_end(builder: PromptBuilder, model: Model) -> None:
    prompt = builder.build(raw("<|endoftext|>Once " + "word " * 380 + "the end", "middle"))
    shown = text(model, prompt)
    assert shown.startswith("<|endoftext|>Once word")
    assert shown.endswith("word the end")
    whole = model.tokenize("<|endoftext|>Once " + "word " * 380 + "the end", add_special=True, parse_special=True)
    assert len(prompt.tokens) + prompt.truncated == len(whole)


def test_a_raw_prompt_has_no_messages_to_leave_out(builder: PromptBuilder) -> None:
    with pytest.raises(InvalidRequest, match="no messages") as caught:
        builder.build(raw("Hi", "oldest_messages"))
    assert caught.value.param == "truncate"


def test_the_longest_message_is_shortened_and_shows_where(builder: PromptBuilder, model: Model) -> None:
    long = "Begin " + "grüße 🙂 " * 200 + "end"
    prompt = builder.build(chat(SYSTEM, Message("user", "Short."), Message("user", long), truncate="middle"))
    shown = text(model, prompt)
    assert "You are kind.<|im_end|>\n<|im_start|>user\nShort.<|im_end|>" in shown
    assert "user\nBegin grüße" in shown
    assert shown.endswith("end<|im_end|>\n<|im_start|>assistant\n")
    assert (shown.count(GAP), shown.count("\ufffd")) == (1, 0)
    assert 180 <= len(prompt.tokens) <= 192
    assert prompt.truncated > 500


def test_long_messages_are_cut_to_one_level(builder: PromptBuilder, model: Model) -> None:
    first, second = "first " * 300, "second " * 200
    prompt = builder.build(chat(Message("user", first), Message("user", second), truncate="middle"))
    shown = text(model, prompt)
    assert shown.count(GAP) == 2
    assert 0.4 < shown.count("first") / shown.count("second") < 2.5
    assert 170 <= len(prompt.tokens) <= 192


def test_a_control_text_in_a_cut_message_stays_text(builder: PromptBuilder, model: Model) -> None:
    prompt = builder.build(chat(Message("user", "<|im_end|>" * 400), truncate="middle"))
    (end,) = model.tokenize("<|im_end|>", add_special=False, parse_special=True)
    assert prompt.tokens.count(end) == 1


def test_the_oldest_turns_are_left_out_whole(builder: PromptBuilder, model: Model) -> None:
    messages = turns(301)
    prompt = builder.build(chat(SYSTEM, *messages, truncate="oldest_messages"))
    shown = text(model, prompt)
    assert shown.startswith("<|im_start|>system\nYou are kind.<|im_end|>\n<|im_start|>user\nnumber 2")
    assert shown.count("number 300 ") == 1
    longer = builder.build(chat(SYSTEM, *messages[-shown.count("number") - 2 :], max_tokens=1))
    assert len(prompt.tokens) <= 192 < len(longer.tokens)
    whole = PromptBuilder(model, 1 << 15).build(chat(SYSTEM, *messages))
    assert abs(len(prompt.tokens) + prompt.truncated - len(whole.tokens)) < 0.1 * len(whole.tokens)


def test_answers_of_tools_stay_with_their_question(builder: PromptBuilder, model: Model) -> None:
    old, question = turns(20), Message("user", "And now?")
    after = (Message("assistant", "I look."), Message("tool", "it is 5"))
    shown = text(model, builder.build(chat(*old, question, *after, truncate="oldest_messages")))
    assert shown.endswith(
        "<|im_start|>user\nAnd now?<|im_end|>\n<|im_start|>assistant\nI look.<|im_end|>\n"
        "<|im_start|>user\n<tool_response>\nit is 5\n</tool_response><|im_end|>\n<|im_start|>assistant\n"
    )
    assert shown.startswith("<|im_start|>user\nnumber")


def test_a_system_message_in_the_middle_is_kept(builder: PromptBuilder, model: Model) -> None:
    shown = text(model, builder.build(chat(*turns(20), SYSTEM, *turns(21), truncate="oldest_messages")))
    assert shown.count("You are kind.") == 1


@pytest.mark.parametrize("truncate", ["middle", "oldest_messages"])
def test_what_fits_without_room_to_spare_is_still_taken(builder: PromptBuilder, truncate: Truncation) -> None:
    many = [Message("system", "a " * 3)] * 23
    request = chat(*many, Message("user", "Hi"), truncate=truncate)
    assert 192 < len(builder.build(request).tokens) < 256
    assert builder.build(request) == builder.build(replace(request, truncate=None))


@pytest.mark.parametrize(
    ("truncate", "says"), [("middle", "Even with messages shortened"), ("oldest_messages", "Even without the oldest")]
)
def test_where_no_strategy_helps_both_numbers_are_told(builder: PromptBuilder, truncate: Truncation, says: str) -> None:
    with pytest.raises(ContextLengthExceeded, match=says) as caught:
        builder.build(chat(*[Message("system", "Be kind.")] * 100, Message("user", "Hi"), truncate=truncate))
    assert int(caught.value.details["prompt_tokens"] or 0) >= N_CTX == caught.value.details["context_tokens"]


@pytest.mark.parametrize("word", ["word ", "я", " ", "🙂"])
def test_megabytes_are_never_tokenized(
    builder: PromptBuilder, model: Model, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    seen: list[int] = []
    tokenize = model.tokenize

    def counted(text: str, **kwargs: bool) -> list[int]:
        seen.append(len(text.encode()))
        return tokenize(text, **kwargs)

    monkeypatch.setattr(model, "tokenize", counted)
    huge = word * 2_000_000
    started = time.monotonic()
    for request in (chat(Message("user", huge)), raw(huge)):
        with pytest.raises(ContextLengthExceeded):
            builder.build(request)
    pieces = [Message("user", huge[n : n + 1000]) for n in range(0, 1_000_000, 1000)]
    for request in (chat(Message("user", huge), truncate="middle"), raw(huge, "middle")):
        assert len(builder.build(request).tokens) <= 192
    prompt = builder.build(chat(*pieces, Message("user", "Hi"), truncate="oldest_messages"))
    assert len(prompt.tokens) <= 192
    assert prompt.truncated > 10_000
    assert max(seen) <= 16 * N_CTX
    assert time.monotonic() - started < 10


@pytest.mark.parametrize("prompt", ["", (), (1 << 20,), (-1,)])
@pytest.mark.parametrize("truncate", [None, "middle"])
def test_impossible_prompts_are_refused(
    builder: PromptBuilder, prompt: str | tuple[int, ...], truncate: Truncation | None
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        builder.build(raw(prompt, truncate))
    assert caught.value.param == "prompt"


@pytest.mark.parametrize(("template", "says"), [("{% if %}", "is broken"), (None, "has no chat template")])
def test_without_a_good_template_only_prompts_are_built(
    monkeypatch: pytest.MonkeyPatch, model: Model, template: str | None, says: str
) -> None:
    monkeypatch.setattr(model, "chat_template", template)
    builder = PromptBuilder(model, N_CTX)
    assert not builder.describe(model.info).has_chat_template
    with pytest.raises(InvalidRequest, match=says):
        builder.build(chat(Message("user", "Hi")))
    assert builder.build(raw("Hi")).tokens
