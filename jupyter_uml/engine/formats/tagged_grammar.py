"""Lark grammars of answers, rule by rule."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from jupyter_uml.engine.formats.chat_format import Word
from jupyter_uml.engine.formats.tool_parameters import TYPES, Parameter
from jupyter_uml.errors import InvalidRequest
from jupyter_uml.types import Tool

_MOST_RULES = 5000  # a schema that refers to itself becomes as many as one likes
_ANY = "/(?s:.*)/"
_SPACE = r"[ \n\t]{1,20}"  # between two parts of JSON, where white space may stand


class TaggedGrammar:
    """A grammar that grows. Its methods add rules and return what to write for them on the right side of another."""

    def __init__(self, word: Word, markers: Sequence[str]) -> None:
        """`markers`: what may be a control token within a longer text."""
        self._word = word
        tokens = sorted((marker for marker in markers if _is_token(word(marker))), key=len, reverse=True)
        self._tokens = re.compile("|".join(map(re.escape, tokens)) or "(?!)")
        self._lines = [f"TEXT: {_ANY}"]
        self.lenient = True  # what a schema asks for and is not implemented is passed over

    def source(self, start: str) -> str:
        return "\n".join([f"start: {start}", *self._lines, ""])

    def words(self, *texts: str) -> str:
        """These texts, one after another."""
        return " ".join(self._terminals("".join(texts)))

    def choice(self, options: Iterable[str]) -> str:
        return f"({' | '.join(options)})"

    def rule(self, body: str, attributes: str = "") -> str:
        if len(self._lines) > _MOST_RULES:
            raise InvalidRequest("The schemas of the tools are too deep or too many to be followed.", param="tools")
        name = f"r{len(self._lines)}"
        self._lines.append(f"{name}{attributes}: {body}")
        return name

    def lazily(self, text: str) -> str:
        """This text, which is taken at once where any text could stand as well."""
        words = self._terminals(text)
        return " ".join([words[0] if _is_token(words[0]) else self.rule(words[0], "[lazy]"), *words[1:]])

    def up_to(self, marker: str) -> str:
        """Any text, up to the first `marker` and with it."""
        return self._ended(_ANY, marker)

    def json(self, schema: Any) -> str:
        """A JSON value."""
        asked = schema if isinstance(schema, dict) else {} if schema is not False else {"not": {}}
        options = {"whitespace_pattern": _SPACE, "lenient": self.lenient}
        return self.rule(f"%json {json.dumps({**asked, 'x-guidance': options})}")

    def arguments(self, tool: Tool) -> str:
        """A tool's arguments as one JSON object."""
        self.lenient = not tool.strict
        schema = json.loads(tool.parameters)
        return self.json({"type": "object", **schema} if isinstance(schema, dict) else {"type": "object"})

    def value(self, parameter: Parameter, end: str) -> list[tuple[str, str]]:
        """What may be written for a parameter, and `end`: the type, and its grammar, for each kind of text."""
        options = [("string", self.text(parameter, end))] if "string" in parameter.types else []
        if plain := self.plain(parameter):
            kinds = parameter.types - {"string", "integer"} or {"number"}
            options.append((min(kinds), f"{plain} {self.words(end)}"))
        return options

    def text(self, parameter: Parameter, end: str) -> str:
        """A string as it is, and `end`."""
        schema = parameter.schema if isinstance(parameter.schema, dict) else {}
        allowed = schema.get("enum", [schema["const"]] if "const" in schema else None)
        if isinstance(allowed, list):
            return f"{self.choice(_quoted(text) for text in allowed if isinstance(text, str))} {self.words(end)}"
        return self._ended(_pattern(schema), end)

    def plain(self, parameter: Parameter) -> str:
        """What is no string, as JSON; empty if it must be one, or may be anything."""
        types = sorted(parameter.types - {"string"})
        if not types or parameter.types == TYPES:
            return ""
        return self.json(parameter.schema if "string" not in parameter.types else narrowed(parameter.schema, types))

    def any_order(self, options: list[tuple[str, bool]]) -> str:
        """Each of `options` once, in any order; those that are marked must be there."""
        if len(options) > 60:  # bits of a parameter of a rule
            return " ".join(text if required else f"({text})?" for text, required in options)
        name = f"r{len(self._lines)}"
        ready = ""
        for bit in (bit for bit, (_, required) in enumerate(options) if required):
            ready = f"and(bit_set({bit}), {ready})" if ready else f"bit_set({bit})"
        lines = [f'{name}::_: "" %if {ready}' if ready else f'{name}::_: ""']
        for bit, (text, _) in enumerate(options):
            lines.append(f"  | {text} {name}::set_bit({bit}) %if bit_clear({bit})")
        self._lines.append("\n".join(lines))
        return f"{name}::0x0"

    def listed(self, options: list[tuple[str, bool]], comma: str = ",") -> str:
        """Those of `options` that are marked and perhaps others, in their order, with commas in between."""
        comma = self.words(comma)
        first, more = "", ""  # what may follow if nothing stands before, and if something does
        for text, required in reversed(options):
            rest = f"{text} {more}"
            first, more = (
                (self.rule(rest), self.rule(f"{comma} {rest}"))
                if required
                else (self.rule(f"{rest} | {first or chr(34) * 2}"), self.rule(f"({comma} {text})? {more}"))
            )
        return first

    def _ended(self, pattern: str, end: str) -> str:
        """What matches `pattern`, up to the first `end` and with it."""
        first, *rest = self._terminals(end)
        if _is_token(first):  # no text can hold it
            before = f"({pattern})?" if pattern == _ANY else pattern
            return " ".join([before, first, *rest])
        if rest:  # the text before a token, which is taken for the last of its kind
            before = self._terminal(f"({pattern}) {first}")
            return " ".join([before, *rest])
        without = "" if pattern == _ANY else f" & ~/(?s:.*){_escaped(end)}(?s:.*)/"
        return self.rule(self._terminal(f"({pattern}{without}) {first}"), "[lazy]")

    def _terminals(self, text: str) -> list[str]:
        """The terminals of a text: control tokens, and strings between them."""
        found, at = [], 0
        for token in self._tokens.finditer(text):
            found += [_quoted(text[at : token.start()])] if at < token.start() else []
            found.append(self._word(token[0]))
            at = token.end()
        return [*found, _quoted(text[at:])] if at < len(text) else found

    def _terminal(self, pattern: str) -> str:
        name = f"T{len(self._lines)}"
        self._lines.append(f"{name}: {pattern}")
        return name


def _is_token(word: str) -> bool:
    return word.startswith("<[")


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def narrowed(schema: Any, types: list[str]) -> Any:
    """The schema without the types that are none of `types`, which have no strings."""
    if not isinstance(schema, dict):
        return {"type": types}
    narrowed = {**schema, "type": types}
    if "enum" in schema:
        narrowed["enum"] = [value for value in schema["enum"] if not isinstance(value, str)]
    return narrowed


def _pattern(schema: dict[str, Any]) -> str:
    """What the schema asks of a string, as a terminal."""
    parts = []
    low, high = schema.get("minLength", 0), schema.get("maxLength")
    if low or high is not None:
        parts.append(f"/(?s:.{{{low},{'' if high is None else high}}})/")
    if isinstance(schema.get("pattern"), str):
        pattern = schema["pattern"]
        start = "" if pattern.startswith("^") else "(?s:.*)"
        end = "" if pattern.endswith("$") and not pattern.endswith("\\$") else "(?s:.*)"
        inner = re.sub(r"(?<!\\)/", r"\\/", pattern.removeprefix("^"))
        parts.append(f"/{start}(?:{inner if end else inner.removesuffix('$')}){end}/")
    return " & ".join(parts) or _ANY


def _escaped(text: str) -> str:
    return re.escape(text).replace("/", "\\/").replace("\n", "n")
