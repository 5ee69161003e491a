"""The chat template of a model's file: messages in, prompt text out.

A template is a program that came with a download, so it runs in jinja2's immutable sandbox, inside the worker.
The environment is the one that `transformers.apply_chat_template` defines, which is what templates are written for.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, NoReturn

import jinja2
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

from jupyter_uml.errors import InvalidRequest
from jupyter_uml.types import Message


class ChatTemplate:
    """A compiled template. `bos` and `eos` are the texts of these tokens, for templates that write them out."""

    def __init__(self, source: str, bos: str = "", eos: str = "") -> None:
        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
        environment.filters["tojson"] = _tojson
        environment.globals.update(raise_exception=_raise, strftime_now=_strftime_now, bos_token=bos, eos_token=eos)
        try:
            self._template = environment.from_string(source)
        except jinja2.TemplateError as error:
            raise InvalidRequest(f"The model's chat template is broken ({type(error).__name__}).") from error

    def render(self, messages: Sequence[Message]) -> str:
        """The prompt that ends where the assistant's answer begins.

        Raises:
            InvalidRequest: the template refuses these messages (an unknown role, two user turns in a row, …).
        """
        rows = [_row(message) for message in messages]
        try:
            return self._template.render(messages=rows, add_generation_prompt=True)
        except _RefusedError as error:
            raise InvalidRequest(f"The model's chat template refuses this: {error}", param="messages") from error
        except Exception as error:  # a stranger's program: whatever it raises, it cannot render this
            raise InvalidRequest(
                f"The model's chat template cannot render these messages ({type(error).__name__}).", param="messages"
            ) from error


# Put into what people wrote, inside of what would be read as a control token; the rendered prompt is cut there and its
# pieces are tokenized one by one. One lone mark survives whatever a template does with a text: cut, split or trim it.
# A noncharacter of Unicode, so that nobody misses it.
MARK = "\ufdd0"


def guard(messages: Sequence[Message], controls: Sequence[str]) -> list[Message]:
    """The messages, unable to end their turn and begin another's. `controls`: texts of control tokens."""
    return [
        replace(m, content=_guarded(m.content, controls), name=m.name and _guarded(m.name, controls)) for m in messages
    ]


def _guarded(text: str, controls: Sequence[str]) -> str:
    text = text.replace(MARK, "")
    # Looked for one by one: a pattern of thousands of alternatives takes seconds on a hostile text.
    while present := [control for control in controls if control in text]:
        for control in present:  # what is left of one may be another: until there is none
            text = text.replace(control, control[0] + MARK + control[1:])
    return text


class _RefusedError(Exception):
    """The template called `raise_exception`."""


def _raise(message: str) -> NoReturn:
    raise _RefusedError(str(message)[:200])


def _row(message: Message) -> dict[str, Any]:
    # OpenAI renamed `system` to `developer`; templates know the old word.
    row: dict[str, Any] = {"role": "system" if message.role == "developer" else message.role}
    row["content"] = message.content
    if message.name is not None:
        row["name"] = message.name
    return row


def _tojson(value: Any, indent: int | None = None) -> str:
    # jinja2's own filter escapes < and > for HTML; models were trained on the plain form.
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _strftime_now(pattern: str) -> str:
    return datetime.now().astimezone().strftime(pattern)
