"""Every chat template of llama.cpp's collection: what it writes for the assistant is read back as what was said."""

from __future__ import annotations

import json
import os.path
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from functools import cache
from typing import Any, Self

import pytest

from jupyter_uml.engine import sandbox, template_traits
from jupyter_uml.engine.chat import ChatTemplate
from jupyter_uml.engine.formats.chat_format import ChatFormat
from jupyter_uml.engine.formats.detect import chat_format
from jupyter_uml.types import Message, Tool, ToolCall
from tests.engine.formats.answers import allows, check
from tests.engine.llama_sources import template, template_names

# Where a model ends its turn. Templates that cannot say all in one turn go on with another.
_ENDS = (
    "<|im_end|>",
    "<|eot_id|>",
    "<|eot|>",
    "<|eom_id|>",
    "<|end_of_msg|>",
    "</s>",
    "<|END_OF_TURN_TOKEN|>",
    "<｜end▁of▁sentence｜>",
    "<end_of_sentence>",
    "<end_of_turn>",
    "<|end_of_text|>",
    "<|message_sep|>\n\nassistant",
    "<|message_sep|>\n\nfunction result",
    "<SPECIAL_12>",
    "<|tool_response>",
    "\n<|end|>\n",
    "<|end|>\n<|user|>",
    "[e~[",
    "<|return|>",
    "<|call|>",
    "<|calls|>",
    "<seed:eos>",
    "<|observation|>",
    "\n\n<sep>",
    "<｜tool▁outputs▁begin｜>",
    "<turn|>",
    "<|role_end|>",
    "\n\nUser: ",
    "</assistant>",
    "<｜hy_eos:opensource｜>",
    '[{"sky"',
)
_END = re.compile("|".join(map(re.escape, _ENDS)))
# Every parameter is described: one template needs that.
_SCHEMA = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "description": "Which city"},
        "days": {"type": "integer", "description": "How many days"},
    },
    "required": ["city"],
}
TOOLS = (Tool("get_weather", "The weather of a city", json.dumps(_SCHEMA)),)
_ASKED = Message("user", "How is the weather?")
_PARIS = ToolCall("functions.get_weather:0", "get_weather", '{"city": "Paris \\"Nord\\"", "days": 3}')
_ROME = ToolCall("functions.get_weather:1", "get_weather", '{"city": "Rome"}')
_SAID, _THOUGHT = "It is sunny there.", "Let me see."
TURNS = {
    "content": Message("assistant", _SAID),
    "reasoning": Message("assistant", _SAID, reasoning=_THOUGHT),
    "call": Message("assistant", "", tool_calls=(_PARIS,)),
    "calls": Message("assistant", "", tool_calls=(_PARIS, _ROME)),
    "content and call": Message("assistant", _SAID, tool_calls=(_PARIS,)),
    "reasoning and call": Message("assistant", "", tool_calls=(_PARIS,), reasoning=_THOUGHT),
}

_GENERIC = "a call without a tag is one only where it is the whole answer"
_COMMAND_R_PLUS = "the template puts instructions after the conversation"
# What cannot come back, and why.
EXCEPTIONS = {
    ("Apriel-1.6-15b-Thinker-fixed", "reasoning"): "the template leaves out how its prompt begins the reasoning",
    ("CohereForAI-c4ai-command-r7b-12-2024-tool_use", "content"): "the template cannot end in the assistant's turn",
    ("CohereForAI-c4ai-command-r7b-12-2024-tool_use", "content and call"): "it takes the content for a turn of its own",
    ("NVIDIA-Nemotron-Nano-v2", "content"): "the template puts all content after <think>",
    ("NVIDIA-Nemotron-Nano-v2", "reasoning"): "the template puts all content after <think>",
    ("Reka-Edge", "content"): "a space comes between the prompt and the content",
    ("Reka-Edge", "content and call"): "a space comes between the prompt and the content",
    ("openai-gpt-oss-120b", "content and call"): "the template takes content before a call for reasoning",
    ("HuggingFaceTB-SmolLM3-3B", "content and call"): _GENERIC,
    ("google-gemma-2-2b-it", "content and call"): _GENERIC,
    ("llama-cpp-rwkv-world", "content and call"): _GENERIC,
    ("microsoft-Phi-3.5-mini-instruct", "content and call"): _GENERIC,
    **{("CohereForAI-c4ai-command-r-plus-tool_use", case): _COMMAND_R_PLUS for case in TURNS},
}

_AT_ONCE = "the template closes reasoning that was never opened"
_LING = "the template has a line feed after some values only"
# Where a required call is written in another way than the template writes it.
OTHER_GRAMMARS = {
    ("Kimi-K3", "call"): "no empty response is asked for before the calls",
    ("Kimi-K3", "reasoning and call"): "no empty response is asked for before the calls",
    ("MiniMax-M3", "call"): _AT_ONCE,
    ("deepseek-ai-DeepSeek-V3.2", "call"): _AT_ONCE,
    ("deepseek-ai-DeepSeek-R1-Distill-Llama-8B", "call"): "the template does not close the section of calls",
    ("deepseek-ai-DeepSeek-R1-Distill-Llama-8B", "reasoning and call"): "nor here",
    ("inclusionai-ling-3.0-flash", "call"): _LING,
    ("inclusionai-ling-3.0-flash", "reasoning and call"): _LING,
    ("openai-gpt-oss-120b", "call"): "models name the recipient after the channel, the template before it",
    ("openai-gpt-oss-120b", "reasoning and call"): "as above",
    ("muse-glimmer", "reasoning and call"): "the grammar takes its tags for control tokens, which they are",
    ("upstage-Solar-Open-100B", "call"): "ids have ten letters and digits",
    ("upstage-Solar-Open-100B", "reasoning and call"): "ids have ten letters and digits",
}


class Noon(datetime):
    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        return cls(2026, 1, 1, 12, tzinfo=tz)


@pytest.fixture(autouse=True)
def stopped_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some templates tell the time, and each turn is rendered twice."""
    for module in (sandbox, template_traits):
        monkeypatch.setattr(module, "datetime", Noon)


def cases(*turns: str, but: Mapping[tuple[str, str], str]) -> list[Any]:
    """A parameter for each template and turn."""
    return [
        pytest.param(name, turn, marks=[pytest.mark.xfail(reason=reason)] if reason else [], id=f"{name} {turn}")
        for name in template_names()
        for turn in turns
        for reason in [but.get((name, turn))]
    ]


@dataclass
class Turn:
    """`text`: what a model would have written after `opening`."""

    format: ChatFormat
    opening: str
    text: str


@cache
def compiled(name: str) -> ChatTemplate:
    return ChatTemplate(template(name), "<s>", "</s>")


def rendered(name: str, message: Message) -> Turn:
    chat = compiled(name)
    thinks = bool(message.reasoning)
    options = {"enable_thinking": thinks, "thinking": thinks}
    results = [Message("tool", '{"sky": "clear"}', tool_call_id=call.id) for call in message.tool_calls]
    prompt = chat.render([_ASKED], tools=TOOLS, options=options)
    before = prompt.text.removesuffix(prompt.opening)
    whole = chat.render([_ASKED, message, *results], tools=TOOLS, options=options).text
    assert whole.startswith(before)
    turn = whole[len(before) :]
    opening = _whole_tags(os.path.commonprefix([turn, prompt.opening]))  # noqa: RUF071  # characters are meant
    return Turn(chat_format(template(name)), opening, _END.split(turn[len(opening) :])[0])


def _whole_tags(text: str) -> str:
    start = max(text.rfind("<"), text.rfind("["))
    return text[:start] if start > max(text.rfind(">"), text.rfind("]")) else text


@pytest.mark.parametrize(("name", "case"), cases(*TURNS, but=EXCEPTIONS))
def test_what_a_template_writes_is_read_back(name: str, case: str) -> None:
    message = TURNS[case]
    turn = rendered(name, message)
    calls = [(call.name, json.loads(call.arguments)) for call in message.tool_calls]
    check(
        turn.format,
        turn.text,
        opening=turn.opening,
        content=message.content if message.content in turn.text else "",
        reasoning=_THOUGHT if message.reasoning and _THOUGHT in turn.text else "",
        calls=calls[: turn.text.count("get_weather")],
    )


@pytest.mark.parametrize(("name", "case"), cases("call", "reasoning and call", but=EXCEPTIONS | OTHER_GRAMMARS))
def test_the_grammar_of_a_required_call_takes_what_a_template_writes(name: str, case: str) -> None:
    turn = rendered(name, TURNS[case])
    for tokens in (False, True):
        assert any(
            allows(turn.format, text, opening=turn.opening, tools=TOOLS, tokens=tokens)
            for text in (turn.text.strip(), turn.text.rstrip())
        )


@pytest.mark.parametrize("name", template_names())
def test_every_template_renders_a_conversation_and_can_be_gone_on_with(name: str) -> None:
    chat = compiled(name)
    text = chat.render([Message("system", "Be brief."), _ASKED]).text
    assert text.index("Be brief.") < text.index("weather?")
    begun = chat.render([_ASKED, Message("assistant", "It is ")])
    assert begun.text.endswith("It is ")
    assert "weather" not in begun.opening
