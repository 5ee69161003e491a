"""Cohere: Command R7B and what came after it write a list of actions between tokens, Command R+ in a code block."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from jupyter_uml.engine.formats.json_calls import JsonCalls
from jupyter_uml.engine.formats.tagged_format import TaggedFormat
from jupyter_uml.engine.formats.tagged_grammar import TaggedGrammar
from jupyter_uml.types import Tool

_SPACE = r"\s{0,16}"


@dataclass(frozen=True)
class Actions(JsonCalls):
    """`[{"tool_name": …, "parameters": …}, …]`, where each call may have a number."""

    numbered: bool = True
    otherwise: tuple[str, ...] = ()  # further ways to write the opener

    @property
    def openers(self) -> tuple[str, ...]:  # type: ignore[override]
        return (self.opener, *self.otherwise)

    def grammar(self, grammar: TaggedGrammar, tools: Sequence[Tool], opener: int, many: bool) -> str:
        calls = [grammar.rule(self._call(grammar, tool)) for tool in tools]
        call = grammar.rule(f"/\\{{{_SPACE}/ {grammar.choice(calls)} /{_SPACE}\\}}/")
        more = f"(/,{_SPACE}/ {call})*" if many else ""
        return f"/{_SPACE}\\[{_SPACE}/ {call} {more} /{_SPACE}\\]/ {grammar.words(self.end)}"

    def _call(self, grammar: TaggedGrammar, tool: Tool) -> str:
        number = [grammar.words('"tool_call_id": "'), '/[0-9]{1,3}",\\s{0,16}/'] if self.numbered else []
        name, parameters = grammar.words(f'"tool_name": {json.dumps(tool.name)}'), grammar.words('"parameters": ')
        return " ".join([*number, name, f"/,{_SPACE}/", parameters, grammar.arguments(tool)])


_THINKING = ("<|START_THINKING|>", "<|END_THINKING|>")
_RESPONSE = ("<|START_RESPONSE|>", "<|END_RESPONSE|>")
_TEXT = ("<|START_TEXT|>", "<|END_TEXT|>")
_ACTIONS = Actions("<|START_ACTION|>", "<|END_ACTION|>", listed=True)

COMMAND_R7B = TaggedFormat(
    "command-r7b", _ACTIONS, _THINKING, thinks_again=True, silent=_RESPONSE, around_content=_RESPONSE
)
COHERE_2 = TaggedFormat("cohere-2", _ACTIONS, _THINKING, thinks_again=True, silent=_TEXT, around_content=_TEXT)
COMMAND_R_PLUS = TaggedFormat(
    "command-r-plus",
    Actions(
        "Action:\n```json",
        "```",
        listed=True,
        numbered=False,
        otherwise=("Action: ```json", "Action:```json"),
    ),
    thinking=(),
)


def recognise(template: str) -> TaggedFormat | None:
    if "<|START_ACTION|>" in template:
        return COHERE_2 if "<|START_TEXT|>" in template else COMMAND_R7B
    return COMMAND_R_PLUS if "<|CHATBOT_TOKEN|>" in template and "Action:" in template else None
