"""What goes with a question: variables of the notebook as text, and images."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from jupyter_uml.client.arguments import to_messages
from jupyter_uml.display import figures
from jupyter_uml.display.render import visible
from jupyter_uml.errors import InvalidRequest
from jupyter_uml.kernel.chat.variables import kind_of
from jupyter_uml.kernel.prompt_values import value_text
from jupyter_uml.types import Message

MAX_ATTACHED = 8  # of one question
MAX_VALUE = 200_000  # characters of one value: more fits into no context
MAX_NAME = 80  # characters of a file's name


class Attached(Protocol):
    @property
    def name(self) -> str: ...

    def told(self) -> dict[str, str]:
        """Its name and what it is, for the page."""
        ...


@dataclass(frozen=True, slots=True)
class Value:
    """A variable as it was when it was sent."""

    name: str
    kind: str
    text: str

    def told(self) -> dict[str, str]:
        return {"name": self.name, "note": self.kind}


@dataclass(frozen=True, slots=True)
class Image:
    """`data`: an encoded file."""

    name: str
    data: bytes

    def told(self) -> dict[str, str]:
        return {"name": self.name, "note": figures.size(len(self.data))}


@dataclass(frozen=True, slots=True)
class Variable:
    """Which is still to be read."""

    name: str
    kind: str

    def told(self) -> dict[str, str]:
        return {"name": self.name, "note": self.kind}


def image_of(name: str, data: bytes) -> Image:
    """
    Raises:
        InvalidRequest: it is no image that can be read, or too large.
    """
    image = Image(visible(name)[:MAX_NAME] or "image", data)
    asked("?", [image])
    return image


def value_of(name: str, names: Mapping[str, Any]) -> Value:
    """
    Raises:
        InvalidRequest: there is no such variable any more, it is too long, or cannot be made text.
    """
    if name not in names:
        raise InvalidRequest(f"There is no variable {name!r} in this notebook any more.", param=name)
    try:
        text = value_text(names[name])
    except Exception as error:  # what a value's own text raises
        raise InvalidRequest(f"{name} cannot be read as text: {type(error).__name__}.", param=name) from error
    if len(text) > MAX_VALUE:
        raise InvalidRequest(f"{name} has {len(text):,} characters; {MAX_VALUE:,} can be attached.", param=name)
    return Value(name, kind_of(names[name]), text)


def asked(text: str, attached: Sequence[Attached]) -> Message:
    """The question with all that goes with it.

    Raises:
        InvalidRequest: an image cannot be read, or there are too many.
    """
    values = [_value_text(each) for each in attached if isinstance(each, Value)]
    whole = "\n\n".join([text, *values])
    images = [each for each in attached if isinstance(each, Image)]
    if not images:
        return Message("user", whole)
    parts = [{"type": "image_url", "image_url": {"url": _url(image.data)}} for image in images]
    (message,) = to_messages([{"role": "user", "content": [*parts, {"type": "text", "text": whole}]}])
    return message


def _value_text(value: Value) -> str:
    longest = max(map(len, re.findall(r"`+", value.text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"`{value.name}` ({value.kind}):\n{fence}\n{value.text}\n{fence}"


def _url(data: bytes) -> str:
    kind = next((kind for start, kind in _KINDS.items() if data.startswith(start)), "png")
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


_KINDS = {b"\xff\xd8": "jpeg", b"GIF8": "gif", b"BM": "bmp"}  # by the beginnings of such files
