"""An answer as a page shows it, whole: its reasoning, its text, the tools that it calls."""

from __future__ import annotations

import re
from typing import Protocol

from jupyter_uml.display.colours import LINE, QUIET
from jupyter_uml.display.markdown import GrowingMarkdown, escape, to_html, visible
from jupyter_uml.types import ToolCall

__all__ = ["escape", "to_html", "visible"]

CODE = f"border-left:2px solid {LINE};padding-left:.8em;margin:.5em 0;white-space:pre-wrap"
MAX_RESULT = 2000  # characters of a call's result that are shown
# The beginning of an object or a list: a Markdown parser would take it for prose.
_JSON = re.compile(r'\s*(?:\{\s*["}]|\[\s*[\[{"\]\d])')
_REASONED = f"border-left:2px solid {LINE};padding-left:.8em"


class Written(Protocol):
    """An answer, whole or as far as it has come."""

    @property
    def text(self) -> str: ...

    @property
    def reasoning(self) -> str: ...

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]: ...


def answer_html(answer: Written) -> str:
    """Safe HTML of all of it: the reasoning, which folds when the answer itself begins, the text, the tool calls."""
    text = code_html(answer.text) if is_json(answer.text) else to_html(answer.text)
    return _composed(answer, text, to_html(answer.reasoning) if answer.reasoning else "")


class GrowingAnswer:
    """An answer that is being written, as HTML: what is finished of it is not rendered again."""

    def __init__(self) -> None:
        self._text, self._reasoning = GrowingMarkdown(), GrowingMarkdown()

    def html(self, answer: Written) -> str:
        """As far as it has come: as `answer_html`, but that a link by reference may be known later only."""
        text = code_html(answer.text) if is_json(answer.text) else self._text.whole(answer.text)
        return _composed(answer, text, self._reasoning.whole(answer.reasoning) if answer.reasoning else "")


def _composed(answer: Written, text: str, reasoning: str) -> str:
    parts = [text]
    if reasoning:
        open_ = "" if answer.text or answer.tool_calls else " open"
        thoughts = f'<div style="{_REASONED}">{reasoning}</div>'
        parts.insert(0, f'<details style="color:{QUIET}"{open_}><summary>Reasoning</summary>{thoughts}</details>')
    if answer.tool_calls:
        parts.append(code_html(calls_text(answer)))
    return "".join(parts)


def answer_text(answer: Written) -> str:
    """The plain form, without the reasoning."""
    return visible("\n".join(part for part in (answer.text, calls_text(answer)) if part))


def calls_text(answer: Written) -> str:
    return "\n".join(f"→ {call.name} {call.arguments}" for call in answer.tool_calls)


def is_json(text: str) -> bool:
    """Whether an answer that begins so is an object or a list, and no prose."""
    return _JSON.match(text) is not None


def code_html(text: str) -> str:
    """Safe HTML of text that is shown as it is."""
    return f'<pre style="{CODE}"><code>{escape(text)}</code></pre>'


def result_html(content: str) -> str:
    """Safe HTML of what a called function gave back."""
    return f"<div>{code_html(result_text(content))}</div>"  # else JupyterLab indents it


def result_text(content: str) -> str:
    more = len(content) - MAX_RESULT
    return visible(f"← {content[:MAX_RESULT]}" + (f" … ({more:,} more characters)" if more > 0 else ""))
