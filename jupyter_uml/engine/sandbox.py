"""Runs chat templates: programs that came with a download.

They run in jinja2's immutable sandbox, inside the worker, for a limited time and to a limited length: what they cost,
they cost everybody whose answers this worker makes. The environment is the one that `transformers.apply_chat_template`
defines, which is what templates are written for.
"""

from __future__ import annotations

import ctypes
import json
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from contextlib import suppress
from datetime import datetime
from typing import Any, NoReturn, TypeVar

from jinja2.compiler import CodeGenerator, Frame
from jinja2.ext import Extension, loopcontrols
from jinja2.meta import find_undeclared_variables
from jinja2.nodes import Concat, Node, Scope
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from jupyter_uml.errors import InvalidRequest

DEADLINE = 2.0  # seconds for one compilation or rendering; real templates take a few milliseconds
_LARGEST = 1 << 20  # items or bits of what one operation may make out of something small
_LONGEST = 1 << 24  # characters or items of what it may put together: more than any context holds

T = TypeVar("T")


class Program:
    """A compiled template. `bos` and `eos` are the texts of these tokens, for templates that write them out.

    Raises:
        InvalidRequest: it cannot be compiled.
    """

    def __init__(self, source: str, bos: str = "", eos: str = "") -> None:
        environment = _Environment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols, _Generation])
        environment.filters["tojson"] = _tojson
        environment.globals.update(raise_exception=_raise, strftime_now=_strftime_now, bos_token=bos, eos_token=eos)
        del environment.globals["lipsum"], environment.filters["center"]
        self.source = source
        self.reserved = frozenset(environment.globals)  # names that mean something already
        try:
            self._template = within(DEADLINE, lambda: environment.from_string(source))
            self.variables = frozenset(within(DEADLINE, lambda: find_undeclared_variables(environment.parse(source))))
        except Exception as error:  # jinja2 folds constants: compiling runs parts of the program
            raise InvalidRequest(f"The model's chat template is broken ({type(error).__name__}).") from error

    def run(self, variables: Mapping[str, Any], limit: int) -> str:
        """What the template writes, `limit` characters at most.

        Raises:
            InvalidRequest: the template refuses these messages (an unknown role, two user turns in a row, …), takes
                too long or writes too much.
        """
        pieces = self._template.generate({**variables, "messages": _Given(variables["messages"])})
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


class _Given(list[Any]):
    """What is not the template's own."""


class _Generator(CodeGenerator):
    def visit_Concat(self, node: Concat, frame: Frame) -> None:  # the operator ~
        self.write("environment.measured(")
        super().visit_Concat(node, frame)
        self.write(")")


class _Generation(Extension):
    """`{% generation %}…{% endgeneration %}` marks for training what the assistant says; here it means nothing."""

    tags = {"generation"}  # noqa: RUF012  # as its base class declares it

    def parse(self, parser: Parser) -> Node:
        line = next(parser.stream).lineno
        return Scope(parser.parse_statements(("name:endgeneration",), drop_needle=True), lineno=line)


class _Environment(ImmutableSandboxedEnvironment):
    """The sandbox, and operators that cannot make something huge at one stroke, in C, where no deadline reaches.

    A template may add to its own lists and take from them.
    """

    code_generator_class = _Generator
    intercepted_binops = frozenset({"+", "*", "**"})

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        own = type(obj) is list and attr in ("append", "pop") and len(obj) < _LARGEST
        return own or super().is_safe_attribute(obj, attr, value)

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


_AGAIN = 1.0  # seconds


class _Expired(BaseException):
    """Raised in the middle of a template. No `Exception`: nothing in between takes it for an error of its own."""


def within(seconds: float, work: Callable[[], T]) -> T:
    """The result of `work`, which may be ended between any two of its bytecodes. Works on every thread. What ends it is
    lost in a destructor, which prints it; then it is tried again a second later.

    Raises:
        TimeoutError: it was not ready in time.
    """
    thread = ctypes.c_ulong(threading.get_ident())
    raise_in = ctypes.pythonapi.PyThreadState_SetAsyncExc
    running = threading.Lock()  # an `Event` may be left locked by an exception in its middle
    running.acquire()

    def watch() -> None:
        left = seconds
        while not running.acquire(timeout=left):
            raise_in(thread, ctypes.py_object(_Expired))
            left = _AGAIN

    def end() -> None:
        if running.locked():
            running.release()
        watcher.join()
        raise_in(thread, None)  # what was sent too late to be noticed; from here on nothing can come

    watcher = threading.Thread(target=watch, daemon=True)
    try:
        watcher.start()
        try:
            return work()
        finally:
            end()
    except _Expired:
        is_over = False
        while not is_over:
            with suppress(_Expired):  # in the middle of which it may have come
                end()
                is_over = True
        raise TimeoutError from None


class _RefusedError(Exception):
    """The template called `raise_exception`."""


def _raise(message: str) -> NoReturn:
    raise _RefusedError(str(message)[:200])


def _tojson(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    # jinja2's own filter escapes < and > for HTML; models were trained on the plain form.
    return json.dumps(
        value,
        ensure_ascii=ensure_ascii,
        indent=indent,
        separators=separators,
        sort_keys=sort_keys,
        default=_listed,
    )


def _listed(value: Any) -> list[Any]:
    if isinstance(value, Iterator):  # what filters return
        return list(value)
    raise TypeError(type(value).__name__)


def _strftime_now(pattern: str) -> str:
    return datetime.now().astimezone().strftime(pattern)
