"""The chat template of a model's file: messages in, prompt text out.

A template is a program that came with a download, so it runs in jinja2's immutable sandbox, inside the worker.
The environment is the one that `transformers.apply_chat_template` defines, which is what templates are written for.
"""

from __future__ import annotations

import json
import re
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


# Private-use characters around a part of a message that must not be read as one of the model's control tokens.
_OPEN, _CLOSE = "\ue000", "\ue001"
_QUOTED = re.compile(f"{_OPEN}(.*?){_CLOSE}", re.DOTALL)


def quote_controls(messages: Sequence[Message], controls: re.Pattern[str] | None) -> list[Message]:
    """Mark what looks like a control token in what people wrote, so that nobody can end their turn and begin
    another's. `controls` matches the texts of the model's control tokens; None: it has none."""

    def quoted(text: str) -> str:
        text = text.replace(_OPEN, "").replace(_CLOSE, "")
        return controls.sub(lambda match: f"{_OPEN}{match[0]}{_CLOSE}", text) if controls else text

    return [replace(message, content=quoted(message.content)) for message in messages]


def split_quoted(text: str) -> list[tuple[str, bool]]:
    """The rendered prompt in parts, each with whether its control tokens count."""
    parts = _QUOTED.split(text)
    return [(part, index % 2 == 0) for index, part in enumerate(parts) if part]


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
