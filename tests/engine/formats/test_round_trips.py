"""Every chat template of llama.cpp's collection: what it writes for the assistant is read back as what was said."""

from __future__ import annotations

import json
import os.path
import re
from dataclasses import dataclass

import pytest

from jupyter_uml.engine.chat import ChatTemplate
from jupyter_uml.engine.formats.chat_format import ChatFormat
from jupyter_uml.engine.formats.detect import chat_format
from jupyter_uml.types import Message, ToolCall
from tests.engine.formats.answers import TOOLS, allows, check
from tests.engine.llama_sources import template, template_names

# Where a model ends its turn. Templates that cannot say all in one turn go on with another.
_ENDS = (
    "<|im_end|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|end_of_msg|>",
    "</s>",
    "<|END_OF_TURN_TOKEN|>",
    "<｜end▁of▁sentence｜>",
    "<end_of_sentence>",
    "<end_of_turn>",
    "<|end_of_text|>",
    "<|message_sep|>\n\nassistant",
    "<SPECIAL_12>",
    "<|tool_response>",
    "\n<|end|>\n",
    "[e~[",
    "<|return|>",
    "<|calls|>",
)
_END = re.compile("|".join(map(re.escape, _ENDS)))
_ASKED = Message("user", "How is the weather?")
_PARIS = ToolCall("functions.get_weather:0", "get_weather", '{"city": "Paris \\"Nord\\"", "days": 3, "tags": ["ü"]}')
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


@dataclass
class Turn:
    """`text`: what a model would have written after `opening`."""

    format: ChatFormat
    opening: str
    text: str


def rendered(name: str, message: Message) -> Turn:
    source = template(name)
    chat = ChatTemplate(source, "<s>", "</s>")
    thinks = bool(message.reasoning)
    options = {"enable_thinking": thinks, "thinking": thinks}
    results = [Message("tool", '{"sky": "clear"}', tool_call_id=call.id) for call in message.tool_calls]
    prompt = chat.render([_ASKED], tools=TOOLS, options=options)
    before = prompt.text.removesuffix(prompt.opening)
    whole = chat.render([_ASKED, message, *results], tools=TOOLS, options=options).text
    assert whole.startswith(before)
    turn = whole[len(before) :]
    opening = _whole_tags(os.path.commonprefix([turn, prompt.opening]))  # noqa: RUF071  # characters are meant
    return Turn(chat_format(source), opening, _END.split(turn[len(opening) :])[0])


def _whole_tags(text: str) -> str:
    start = max(text.rfind("<"), text.rfind("["))
    return text[:start] if start > max(text.rfind(">"), text.rfind("]")) else text


@pytest.mark.parametrize("case", TURNS)
@pytest.mark.parametrize("name", template_names())
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
