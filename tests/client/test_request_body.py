"""Native requests as OpenAI bodies: what the server reads is what was asked for."""

from __future__ import annotations

import json
import struct
import zlib
from dataclasses import MISSING, fields, replace
from typing import Any

import pytest

from jupyter_uml.client.request_body import CALL_PREFIX, request_body, request_path
from jupyter_uml.protocol.body import parse
from jupyter_uml.protocol.endpoint import Caller
from jupyter_uml.protocol.openai import messages as chat_messages
from jupyter_uml.protocol.openai.chat import ChatCompletionBody
from jupyter_uml.protocol.openai.completions import TextCompletionBody
from jupyter_uml.types import IMAGE_MARK, GenerateRequest, Grammar, Hold, Message, SamplingParams, Tool, ToolCall


def _png() -> bytes:
    def part(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", header) + part(b"IDAT", zlib.compress(b"\0\1\2\3")) + part(b"IEND", b"")


PARAMS = SamplingParams(
    max_tokens=3, temperature=0.5, top_k=4, top_p=0.5, min_p=0.1, seed=0, presence_penalty=0.2, frequency_penalty=0.3,
    repeat_penalty=1.1, repeat_last_n=-1, stop=("a", "b"), ignore_eos=True, logit_bias=((5, -100.0), (7, 1.5)),
    logprobs=2, grammar=Grammar("regex", "[0-9]+"), typical_p=0.9, top_n_sigma=1.0, xtc_probability=0.1,
    xtc_threshold=0.2, dry_multiplier=0.8, dry_base=2.0, dry_allowed_length=3, dry_penalty_last_n=99,
    dry_sequence_breakers=("x",), mirostat=2, mirostat_tau=4.0, mirostat_eta=0.2, dynatemp_range=0.3,
    dynatemp_exponent=1.5,
)  # fmt: skip
TOOL = Tool("get_weather", "The weather.", '{"type":"object","properties":{"city":{"type":"string"}}}', strict=True)
CALL = ToolCall("call_1", "get_weather", '{"city": "Paris"}')
CHAT = GenerateRequest(
    "0" * 24,
    "demo",
    messages=(
        Message("system", "Be brief.", "editor"),
        Message("user", f"What is {IMAGE_MARK}{IMAGE_MARK} this?", images=(_png(), _png())),
        Message("assistant", "I look.", tool_calls=(CALL, replace(CALL, id="call_2")), reasoning="Hm."),
        Message("tool", "sunny", "get_weather", tool_call_id="call_1"),
    ),
    params=PARAMS,
    principal="me",
    priority="batch",
    truncate="oldest_messages",
    context_shift=True,
    deterministic=True,
    tools=(TOOL, replace(TOOL, name="other", strict=False)),
    tool_choice="required",
    tool_name="other",
    parallel_tool_calls=False,
    reasoning_effort="low",
    reasoning_budget=5,
    template_options=(("enable_thinking", False), ("style", "x")),
    hold=Hold(600.0),
    given=frozenset({"temperature"}),
)
# The server counts variants, answers to one prompt, of which these clients ask for one; a label travels in a header.
NOT_IN_THE_BODY = {"variant", "label", "gap"}
TEXT = GenerateRequest("0" * 24, "demo", prompt=(1, 2, 3), suffix="end", params=PARAMS, principal="me")


def as_the_server_reads(request: GenerateRequest) -> GenerateRequest:
    content = json.dumps(request_body(request)).encode()
    model = {"v1/chat/completions": ChatCompletionBody, "v1/completions": TextCompletionBody}[request_path(request)]
    (native,) = parse(model, content).to_native(Caller(request.principal, request.id))  # type: ignore[attr-defined]
    return native


@pytest.mark.parametrize("request_", [CHAT, TEXT, replace(TEXT, prompt="Once")])
def test_everything_that_was_asked_for_arrives(request_: GenerateRequest) -> None:
    assert as_the_server_reads(request_) == request_
    assert CALL_PREFIX == chat_messages.CALL_PREFIX


def test_no_field_is_forgotten_above() -> None:
    examples: dict[type, list[Any]] = {
        GenerateRequest: [CHAT, TEXT],
        SamplingParams: [PARAMS],
        Message: list(CHAT.messages),
        Tool: [TOOL],
    }
    for cls, values in examples.items():
        for field in fields(cls):
            default = field.default_factory() if field.default_factory is not MISSING else field.default
            given = any(getattr(value, field.name) != default for value in values)
            assert given or field.name in NOT_IN_THE_BODY, f"{cls.__name__}.{field.name}"


@pytest.mark.parametrize(
    "grammar",
    [
        Grammar("json_object"),
        Grammar("json_schema", '{"type":"object","x-guidance":{"lenient":true}}'),
        Grammar("lark", 'start: "yes" | "no"'),
    ],
)
def test_grammars_arrive(grammar: Grammar) -> None:
    request = replace(CHAT, params=SamplingParams(grammar=grammar))
    assert as_the_server_reads(request).params.grammar == grammar


@pytest.mark.parametrize("choice", ["none", "required"])
def test_choices_of_tools_arrive(choice: Any) -> None:
    request = replace(CHAT, tool_choice=choice, tool_name=None)
    assert as_the_server_reads(request) == request


def test_what_is_left_at_its_default_stays_out() -> None:
    request = GenerateRequest("r1", "demo", messages=(Message("user", "hi"),))
    assert request_body(request) == {
        "model": "demo",
        "stream": True,
        "stream_options": {"include_usage": True},
        "messages": [{"role": "user", "content": "hi"}],
    }


def test_a_default_that_was_asked_for_is_sent() -> None:
    """Else a profile's own value would take its place."""
    params = SamplingParams(presence_penalty=0.0)
    request = GenerateRequest("r1", "demo", prompt="x", params=params, given=frozenset({"presence_penalty", "seed"}))
    body = request_body(request)
    assert body["presence_penalty"] == 0.0
    assert "seed" not in body
    assert "presence_penalty" in (as_the_server_reads(request).given or ())


def test_a_prompt_without_a_limit_ends_as_the_profile_says_or_at_the_context() -> None:
    """OpenAI's own default for completions is 16 tokens; natively there is none."""
    native = as_the_server_reads(GenerateRequest("r1", "demo", prompt="x"))
    assert native.params == SamplingParams()
    assert native.given == frozenset()
