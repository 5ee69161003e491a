"""A conversation, whole, to be read."""

from __future__ import annotations

from collections.abc import Sequence

from jupyter_uml.display.colours import BUSY, LINE, QUIET
from jupyter_uml.display.highlight import PALETTE
from jupyter_uml.display.render import escape, to_html, visible
from jupyter_uml.types import Message

_WHO = {"user": "You", "assistant": "Model", "tool": "Result", "system": "System", "developer": "System"}


def transcript_html(system: str | None, messages: Sequence[Message]) -> str:
    whole = "".join(_message_html(message) for message in _with_system(system, messages))
    return f'<div style="{PALETTE}">{whole}</div>' if "var(--uml-" in whole else whole


def transcript_text(system: str | None, messages: Sequence[Message]) -> str:
    return "\n\n".join(f"{_who(message)}: {visible(_said(message))}" for message in _with_system(system, messages))


def _message_html(message: Message) -> str:
    edge = BUSY if message.role == "user" else LINE
    style = f"border-left:3px solid {edge};padding:0 0 0 .8em;margin:.6em 0;overflow-wrap:anywhere"
    who = f'<div style="color:{QUIET};font-size:var(--jp-ui-font-size1,13px)">{_who(message)}</div>'
    said = to_html(_said(message)) if message.role == "assistant" else _plain_html(_said(message))
    return f'<div style="{style}">{who}{said}</div>'


def _plain_html(text: str) -> str:
    return f'<div style="white-space:pre-wrap">{escape(text)}</div>'


def _said(message: Message) -> str:
    calls = "\n".join(f"→ `{call.name}` `{call.arguments}`" for call in message.tool_calls)
    return "\n\n".join(part for part in (message.content, calls) if part)


def _who(message: Message) -> str:
    return _WHO.get(message.role, message.role) + (
        f" of {visible(message.name)}" if message.role == "tool" and message.name else ""
    )


def _with_system(system: str | None, messages: Sequence[Message]) -> list[Message]:
    return [Message("system", system), *messages] if system else list(messages)
