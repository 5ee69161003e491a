"""The chat template of a model's file: messages in, prompt text out.

A template is a program that came with a download, so it runs in jinja2's immutable sandbox, inside the worker, for a
limited time and to a limited length: what it costs, it costs everybody whose answers this worker makes.
The environment is the one that `transformers.apply_chat_template` defines, which is what templates are written for.
"""

from __future__ import annotations

import ctypes
import json
import threading
from collections.abc import Callable, Iterable, Sequence, Sized
from dataclasses import replace
from datetime import datetime
from typing import Any, NoReturn, TypeVar

from jinja2.compiler import CodeGenerator, Frame
from jinja2.ext import loopcontrols
from jinja2.nodes import Concat
from jinja2.sandbox import ImmutableSandboxedEnvironment

from jupyter_uml.errors import InvalidRequest
from jupyter_uml.types import Message

DEADLINE = 2.0  # seconds for one compilation or rendering; real templates take a few milliseconds
SPARE_LENGTH = 1 << 20  # characters that a template may add of its own
REPEATS = 4  # times that it may write what the messages say
_LARGEST = 1 << 20  # items or bits of what one operation may make out of something small
_LONGEST = 1 << 24  # characters or items of what it may put together: more than any context holds

T = TypeVar("T")


class ChatTemplate:
    """A compiled template. `bos` and `eos` are the texts of these tokens, for templates that write them out."""

    def __init__(self, source: str, bos: str = "", eos: str = "") -> None:
        environment = _Environment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
        environment.filters["tojson"] = _tojson
        environment.globals.update(raise_exception=_raise, strftime_now=_strftime_now, bos_token=bos, eos_token=eos)
        del environment.globals["lipsum"], environment.filters["center"]
        try:
            self._template = within(DEADLINE, lambda: environment.from_string(source))
        except Exception as error:  # jinja2 folds constants: compiling runs parts of the program
            raise InvalidRequest(f"The model's chat template is broken ({type(error).__name__}).") from error

    def render(self, messages: Sequence[Message]) -> str:
        """The prompt that ends where the assistant's answer begins.

        Raises:
            InvalidRequest: the template refuses these messages (an unknown role, two user turns in a row, …), takes
                too long or writes too much.
        """
        rows = [_row(message) for message in messages]
        limit = SPARE_LENGTH + REPEATS * sum(len(message.content) for message in messages)
        pieces = self._template.generate(messages=rows, add_generation_prompt=True)
        try:
            return within(DEADLINE, lambda: _joined(pieces, limit))
        except TimeoutError as error:
            raise InvalidRequest(
                f"The model's chat template was stopped: it did not end within {DEADLINE:.0f} s.", param="messages"
            ) from error
        except _RefusedError as error:
            raise InvalidRequest(f"The model's chat template refuses this: {error}", param="messages") from error
        except Exception as error:  # a stranger's program: whatever it raises, it cannot render this
            raise InvalidRequest(
                f"The model's chat template cannot render these messages ({type(error).__name__}).", param="messages"
            ) from error


class _Generator(CodeGenerator):
    def visit_Concat(self, node: Concat, frame: Frame) -> None:  # the operator ~
        self.write("environment.measured(")
        super().visit_Concat(node, frame)
        self.write(")")


class _Environment(ImmutableSandboxedEnvironment):
    """The sandbox, and operators that cannot make something huge at one stroke, in C, where no deadline reaches."""

    code_generator_class = _Generator
    intercepted_binops = frozenset({"+", "*", "**"})

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        if _cost(operator, left, right) > (_LONGEST if operator == "+" else _LARGEST):
            raise OverflowError(operator)
        return super().call_binop(context, operator, left, right)

    def call(self, context: Any, function: Any, /, *args: Any, **kwargs: Any) -> Any:
        if any(isinstance(value, int) and abs(value) > _LARGEST for value in (*args, *kwargs.values())):
            raise OverflowError("a number is too large")
        return super().call(context, function, *args, **kwargs)

    @staticmethod
    def measured(text: str) -> str:
        if len(text) > _LONGEST:
            raise OverflowError("~")
        return text


def _cost(operator: str, left: Any, right: Any) -> int:
    """Items, characters or bits of the result, at most."""
    if isinstance(left, int) and isinstance(right, int):
        bits = (left.bit_length(), right.bit_length())
        return bits[0] * abs(right) if operator == "**" else sum(bits)
    if operator == "*":
        counts = [abs(value) if isinstance(value, int) else _length(value) for value in (left, right)]
        return counts[0] * counts[1]
    return _length(left) + _length(right)


def _length(value: Any) -> int:
    return len(value) if isinstance(value, Sized) else 1


def _joined(pieces: Iterable[str], limit: int) -> str:
    texts, length = [], 0
    for piece in pieces:
        length += len(piece)
        if length > limit:
            raise OverflowError("the rendered text is too long")
        texts.append(piece)
    return "".join(texts)


class _Expired(BaseException):
    """Raised in the middle of a template. No `Exception`: nothing in between takes it for an error of its own."""


def within(seconds: float, work: Callable[[], T]) -> T:
    """The result of `work`, which may be ended between any two of its bytecodes. Works on every thread.

    Raises:
        TimeoutError: it was not ready in time.
    """
    thread = ctypes.c_ulong(threading.get_ident())
    raise_in = ctypes.pythonapi.PyThreadState_SetAsyncExc
    timer = threading.Timer(seconds, raise_in, (thread, ctypes.py_object(_Expired)))
    timer.daemon = True
    try:
        timer.start()
        try:
            return work()
        finally:
            timer.cancel()
            timer.join()
            raise_in(thread, None)  # what the timer sent too late to be noticed; from here on nothing can come
    except _Expired:
        raise TimeoutError from None


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
