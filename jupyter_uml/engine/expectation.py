"""What is expected of an answer: how it is read, what it must look like, how long it may reason."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from jupyter_uml.engine.formats.chat_format import ChatFormat, Parser
from jupyter_uml.engine.grammar import check_schema
from jupyter_uml.engine.model import Model
from jupyter_uml.engine.vocabulary import vocabulary
from jupyter_uml.errors import InvalidRequest
from jupyter_uml.types import GenerateRequest, Grammar, ReasoningEffort, Tool

# Tokens of reasoning where a template knows no effort of its own; more effort is not limited.
_BUDGETS: dict[ReasoningEffort, int] = {"none": 0, "minimal": 256, "low": 1024, "medium": 4096}
_EFFORTS = {"minimal": "low", "xhigh": "high"}  # templates know three
_BEFORE_CALLS = 4096  # where a call is required: reasoning without end would never come to it
_COMPACT = {"whitespace_flexible": False}
_LOOSE = {"whitespace_pattern": r"[ \n\t]{1,32}"}


@dataclass(frozen=True, slots=True)
class Thinking:
    """After `budget` tokens of reasoning the answer goes on with the first of `ends` that its grammar allows."""

    budget: int
    ends: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class Expectation:
    parser: Parser | None = None  # None: all is content
    grammar: Grammar | None = None
    thinking: Thinking | None = None


class Expectations:
    """Makes them for the answers of one model that writes as `chat_format` says."""

    def __init__(self, model: Model, chat_format: ChatFormat, takes: Callable[[str], bool]) -> None:
        """`takes(name)`: whether the chat template makes use of this variable."""
        self._model, self.format, self._takes = model, chat_format, takes
        marks = (
            (marker, model.tokenize(marker, add_special=False, parse_special=True)) for marker in chat_format.markers
        )
        self._marks = {tokens[0]: marker.encode() for marker, tokens in marks if len(tokens) == 1}
        own = {mark.decode() for token, mark in self._marks.items() if model.is_special(token)}
        templates = f"{model.chat_template} {model.tools_template}"
        own |= {tag for tag in model.tags if tag in templates}  # others, such as those of HTML, are just text
        self.controls = sorted({*model.controls, *own})  # what nobody but the template and the model may write

    def spell(self, token: int) -> bytes:
        """A token's bytes; those of the format's markers have some, too, though they are control tokens."""
        return self._marks.get(token) or self._model.piece(token)

    def check(self, request: GenerateRequest) -> None:
        """Refuses what this model cannot do.

        Raises:
            InvalidRequest: it does not reason, its template has no such variable, or the tool that must be called is
                not there.
        """
        wants = request.reasoning_effort not in (None, "none") or (request.reasoning_budget or 0) > 0
        if wants and not self.format.reasons:
            param = "reasoning_effort" if request.reasoning_effort else "reasoning_budget"
            raise InvalidRequest("This model does not reason. Leave the field out.", param=param)
        for name, _ in request.template_options:
            if not self._takes(name):
                raise InvalidRequest(
                    f"The model's chat template has no variable {name!r}.", param=f"chat_template_kwargs.{name}"
                )
        if request.tool_name is not None and request.tool_name not in [tool.name for tool in request.tools]:
            raise InvalidRequest(f"There is no tool {request.tool_name!r} in `tools`.", param="tool_choice")
        own = request.params.grammar is not None and request.params.grammar.kind in ("lark", "regex")
        if own and offered(request):
            raise InvalidRequest("A grammar leaves no room for tools: ask for either.", param="grammar")
        if request.tool_choice == "required" and not request.tools:
            raise InvalidRequest("A tool must be called, and none is given.", param="tool_choice")

    def options(self, request: GenerateRequest) -> dict[str, Any]:
        """Variables of the chat template that the request sets."""
        effort, silent = request.reasoning_effort, self._budget(request) == 0
        options: dict[str, Any] = {}
        if effort is not None or silent:
            options["enable_thinking"] = options["thinking"] = not silent
        if effort is not None and effort != "none":
            options["reasoning_effort"] = _EFFORTS.get(effort, effort)
        return options | dict(request.template_options)

    def closing(self, request: GenerateRequest, opening: str) -> str:
        """What the prompt must end with, so that there is no reasoning where none is wanted."""
        wanted = self._budget(request) != 0
        return "" if wanted or not self.format.parser((), opening).reasoning else self.format.end_of_reasoning

    def of(self, request: GenerateRequest, opening: str, room: int) -> Expectation:
        """`opening`: how the prompt ends; `room`: tokens that the context has left for the answer."""
        parser = self.format.parser(offered(request), opening)
        return Expectation(parser, self.grammar(request, opening), self._thinking(request, room))

    def grammar(self, request: GenerateRequest, opening: str) -> Grammar | None:
        """The grammar of the whole raw answer.

        Raises:
            InvalidRequest: a schema asks for too much.
        """
        asked, tools = request.params.grammar, offered(request)
        if must_call(request):
            named = [tool for tool in tools if request.tool_name in (None, tool.name)]
            return Grammar("lark", self._calls(request, named, opening), "tools")
        if asked is not None and asked.kind != "lark" and (self.format.reasons or tools):
            answer = self.format.answer(_body(asked), opening, vocabulary(self._model).word)
            if tools:
                answer = f"start: %lark {{\n{self._calls(request, tools, opening)}\n}} | %lark {{\n{answer}\n}}"
            return Grammar("lark", answer, "response_format")
        if asked is None and any(tool.strict for tool in tools):
            return Grammar("lark", self._calls(request, tools, opening, free=True), "tools")
        return asked

    def _calls(self, request: GenerateRequest, tools: Sequence[Tool], opening: str, free: bool = False) -> str:
        for tool in tools:
            check_schema(tool.parameters, "tools")
        word, many = vocabulary(self._model).word, request.parallel_tool_calls
        return self.format.calls(tools, opening, word, many=many, free=free)

    def _thinking(self, request: GenerateRequest, room: int) -> Thinking | None:
        budget = self._budget(request)
        if budget is None or not self.format.end_of_reasoning:
            return None
        if must_call(request) and request.reasoning_budget is None:
            budget = min(budget, room // 2)  # the call needs the rest
        end = self.format.end_of_reasoning
        texts = [end + self.format.start_of_answer, end] if self.format.start_of_answer else [end]
        ends = (self._model.tokenize(text, add_special=False, parse_special=True) for text in texts)
        return Thinking(budget, tuple(map(tuple, ends)))

    def _budget(self, request: GenerateRequest) -> int | None:
        effort = request.reasoning_effort
        if request.reasoning_budget is not None:
            return request.reasoning_budget
        budget = None
        if effort is not None and (effort == "none" or not self._takes("reasoning_effort")):
            budget = _BUDGETS.get(effort)
        return _BEFORE_CALLS if budget is None and must_call(request) else budget


def offered(request: GenerateRequest) -> Sequence[Tool]:
    """The tools that the model gets to know."""
    return () if request.tool_choice == "none" else request.tools


def must_call(request: GenerateRequest) -> bool:
    return request.tool_name is not None or request.tool_choice == "required"


def _body(grammar: Grammar) -> str:
    """The right side of a Lark rule."""
    match grammar.kind:
        case "json_schema":
            check_schema(grammar.source, "response_format")
            schema = json.loads(grammar.source)
            hints = schema.get("x-guidance", {}) if isinstance(schema, dict) else None
            if not isinstance(hints, dict):
                raise InvalidRequest("The JSON schema, or its x-guidance, is not an object.", param="response_format")
            hints = {**_COMPACT, **hints}
            return f"%json {json.dumps({**schema, 'x-guidance': hints}, ensure_ascii=False)}"
        case "json_object":
            return f"%json {json.dumps({'type': 'object', 'x-guidance': _LOOSE})}"
        case "regex":
            escaped = re.sub(r"(?s)\\.|/", lambda found: found[0] if len(found[0]) > 1 else r"\/", grammar.source)
            return f"/{escaped}/"
        case "lark":
            raise ValueError("a grammar of one's own is the whole answer's")
