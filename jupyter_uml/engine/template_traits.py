"""What a chat template can do, found out by giving it small conversations."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from copy import deepcopy
from datetime import datetime
from functools import cached_property
from typing import Any

from jupyter_uml.engine.sandbox import Program
from jupyter_uml.errors import InvalidRequest

Row = dict[str, Any]

_LIMIT = 1 << 20  # characters
# Words that no template writes by itself.
_SYSTEM, _USER, _SAID = "qsystemq", "quserq", "qsaidq"
_TOOL, _PARAMETER, _KEY, _VALUE, _RESULT = "qtoolq", "qparameterq", "qkeyq", "qvalueq", "qresultq"
_ARGUMENTS = {_KEY: _VALUE}
_TOOLS = [
    {
        "type": "function",
        "function": {
            "name": _TOOL,
            "description": "qaboutq",
            "parameters": {
                "type": "object",
                "properties": {_PARAMETER: {"type": "string", "description": "qmeaningq"}},
            },
        },
    }
]
LONG_ID, SHORT_ID = "call_0123456789abcdef", "q12345678"


class Traits:
    """Of one template. Each is found out when it is first asked for, in a few milliseconds."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._too_slow = False  # then it is not asked again

    # --- messages ---

    @cached_property
    def system(self) -> bool:
        """It knows messages of the system."""
        text = self._render([{"role": "system", "content": self.content(_SYSTEM)}, self._user])
        return text is not None and _SYSTEM in text

    @cached_property
    def strings(self) -> bool:
        """Contents may be strings; else they are lists of parts. Where neither comes out, strings do no harm."""
        return _USER in (self._render([{"role": "user", "content": _USER}]) or "") or _USER not in (
            self._render([{"role": "user", "content": parts(_USER)}]) or ""
        )

    @cached_property
    def image(self) -> str | None:
        """What it writes for an image; None where it knows none, or writes nothing."""
        plain = self._render([{"role": "user", "content": parts(_USER, _SAID)}])
        seen = self._render([{"role": "user", "content": [*parts(_USER), {"type": "image"}, *parts(_SAID)]}])
        if plain is None or seen is None or _USER not in seen or _SAID not in seen or len(seen) <= len(plain):
            return None
        start = next((at for at, (a, b) in enumerate(zip(plain, seen, strict=False)) if a != b), len(plain))
        written = seen[start : start + len(seen) - len(plain)]
        if seen != plain[:start] + written + plain[start:] or "type" in written:  # the parts were printed as they are
            return None
        return written.strip() or None

    # --- tools ---

    @cached_property
    def no_tools(self) -> list[Row] | None:
        """What stands for no tools: None, or an empty list."""
        return None if self._rendered([{"role": "user", "content": _USER}], None) is not None else []

    @cached_property
    def tools(self) -> bool:
        """It tells the model which tools there are."""
        text = self._render([self._user], tools=True)
        return text is not None and _TOOL in text and _PARAMETER in text

    @cached_property
    def calls(self) -> bool:
        """It writes the calls of the assistant."""
        return self._arguments is not None

    @cached_property
    def results(self) -> bool:
        """It knows messages of tools."""
        rows = [self._user, self._call_row() if self.calls else {"role": "assistant", "content": _SAID}, self._result]
        return _RESULT in (self._render(rows, tools=True) or "")

    @cached_property
    def text_arguments(self) -> bool:
        """Arguments may be JSON text, which it then writes as it is; else they are objects."""
        return self._arguments == "text"

    @cached_property
    def no_content(self) -> str | None:
        """The content of a message that has calls only: "" or None."""
        return self._empty

    @cached_property
    def content_with_calls(self) -> bool:
        """One message may have both."""
        text = self._render([self._user, self._call_row(_SAID), self._result], tools=True) or ""
        return _SAID in text and _VALUE in text

    @cached_property
    def turns_in_a_row(self) -> bool:
        """The assistant may speak, and then call something, in two messages."""
        said = {"role": "assistant", "content": self.content(_SAID)}
        rows = [self._user, said, self._call_row(), self._result, said, self._user]
        return _VALUE in (self._render(rows, tools=True) or "")

    @cached_property
    def many_calls(self) -> bool:
        """One message may have several calls."""
        row = self._call_row()
        row["tool_calls"] = [self._call(SHORT_ID, self._given()), self._call("q87654321", self._given())]
        second = {**self._result, "tool_call_id": "q87654321"}
        text = self._render([self._user, row, self._result, second], tools=True)
        return text is not None and text.count(_VALUE) > 1

    @cached_property
    def short_ids(self) -> bool:
        """The id of a call must have nine letters and digits."""
        row = self._call_row(identifier=LONG_ID)
        rows = [self._user, row, {**self._result, "tool_call_id": LONG_ID}]
        return self.calls and self._render(rows, tools=True) is None

    # --- conversations ---

    def content(self, text: str) -> str | list[Row]:
        return text if self.strings else parts(text)

    @cached_property
    def _user(self) -> Row:
        return {"role": "user", "content": self.content(_USER)}

    @property
    def _result(self) -> Row:
        content = self.content(_RESULT)
        return {"role": "tool", "name": _TOOL, "tool_call_id": SHORT_ID, "content": content}

    @cached_property
    def _arguments(self) -> str | None:
        """How arguments must be given: "text", "object", or None where calls do not come out at all."""
        return self._forms[0]

    @cached_property
    def _empty(self) -> str | None:
        return self._forms[1]

    @cached_property
    def _forms(self) -> tuple[str | None, str | None]:
        for empty in ("", None):
            as_object = self._with_arguments(_ARGUMENTS, empty)
            as_text = self._with_arguments(json.dumps(_ARGUMENTS), empty)
            if as_object is not None and f"'{_KEY}'" in as_object:  # printed as Python would
                as_object = None
            if as_text is not None and f'\\"{_KEY}' in as_text:  # JSON within JSON
                as_text = None
            if as_text is not None and as_object in (as_text, None):
                return "text", empty
            if as_object is not None:
                return "object", empty
        return None, ""

    def _with_arguments(self, arguments: Any, empty: str | None) -> str | None:
        row: Row = {"role": "assistant", "content": empty, "tool_calls": [self._call(SHORT_ID, arguments)]}
        text = self._render([self._user, row, self._result], tools=True)
        if text is None:
            text = self._render([self._user, row], tools=True)
        return text if text is not None and _VALUE in text and _KEY in text else None

    def _given(self) -> Any:
        return json.dumps(_ARGUMENTS) if self._arguments == "text" else _ARGUMENTS

    def _call_row(self, content: str = "", identifier: str = SHORT_ID, **fields: Any) -> Row:
        said = self.content(content) if content else self._empty
        calls = [self._call(identifier, self._given())]
        return {"role": "assistant", "content": said, "tool_calls": calls, **fields}

    @staticmethod
    def _call(identifier: str, arguments: Any) -> Row:
        return {"id": identifier, "type": "function", "function": {"name": _TOOL, "arguments": arguments}}

    def _render(self, rows: Sequence[Mapping[str, Any]], tools: bool = False) -> str | None:
        return self._rendered(rows, deepcopy(_TOOLS) if tools else self.no_tools)

    def _rendered(self, rows: Sequence[Mapping[str, Any]], given: list[Row] | None) -> str | None:
        variables = {"messages": rows, "tools": given, "add_generation_prompt": True}
        if self._too_slow:
            return None
        try:
            return self._program.run(variables | customary(self._program, given), _LIMIT)
        except InvalidRequest as error:
            self._too_slow = isinstance(error.__cause__, TimeoutError)
            return None


def customary(program: Program, tools: Sequence[Row] | None) -> dict[str, str]:
    """Further variables, which some templates expect."""
    now = datetime.now().astimezone()
    values = {
        "functions": json.dumps([tool["function"] for tool in tools or ()], ensure_ascii=False, indent=2),
        "datetime": now.strftime("%b %d %Y %H:%M:%S %Z"),
        "date_string": now.strftime("%d %b %Y"),
    }
    return {name: value for name, value in values.items() if name in program.variables}


def parts(*texts: str) -> list[Row]:
    """A content as a list of its parts."""
    return [{"type": "text", "text": text} for text in texts]
