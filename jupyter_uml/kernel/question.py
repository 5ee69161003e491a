"""What a cell asks: its options and its text, made into a request. Nothing is sent, shown or remembered here."""

from __future__ import annotations

import argparse
import inspect
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from jupyter_uml.client.arguments import to_messages, to_request, to_tool_fields
from jupyter_uml.client.parsed import form_of
from jupyter_uml.display import figures
from jupyter_uml.errors import InvalidRequest
from jupyter_uml.kernel.cell_options import CellLine, parse_cell
from jupyter_uml.kernel.cells_above import Above
from jupyter_uml.kernel.conversation import Conversation
from jupyter_uml.kernel.interpolation import Filled, check_reading, fill_in
from jupyter_uml.kernel.options import SAMPLING, keep_alive
from jupyter_uml.kernel.settings import Settings
from jupyter_uml.kernel.words import words_of
from jupyter_uml.types import GenerateRequest, GenerationLabel, Message
from jupyter_uml.types.generations import MAX_QUESTION

if TYPE_CHECKING:
    from jupyter_uml.client.schemas import TypedJSON

_CELL = re.compile(r"\s*%%uml\b[ \t]*([^\n]*)\n?(.*)", re.DOTALL)
_OBJECT = {"type": "object"}  # what `--json` asks for


@dataclass(frozen=True, slots=True)
class Around:
    """What a question stands in. `names`: of the notebook. `settings`: of the session. `cell`: the id of the one that
    asks. `reads_only`: nothing of the notebook is called to put it together."""

    names: Mapping[str, Any]
    settings: Settings
    chat: Conversation | None = None
    above: Above | None = None
    cell: str | None = None
    reads_only: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """`request`: with an empty model where the cell names none. `asked`: the message. `options`: with those of the
    conversation and the session. `form`: of the answer.

    `notes`: what a person should know of how it was put together.
    """

    request: GenerateRequest
    asked: Message
    options: argparse.Namespace
    functions: tuple[Callable[..., Any], ...] = ()
    form: TypedJSON | None = None
    notes: tuple[str, ...] = ()


def question_of(source: str, names: Mapping[str, Any], reads_only: bool = False) -> tuple[CellLine, str] | None:
    """The line and the text of a `%%uml` cell; None: it is another kind of cell.

    Raises:
        InvalidRequest: its line is wrong.
    """
    found = _CELL.match(source)
    return (parse_cell(words_of(found[1], names, reads_only)), found[2]) if found else None


def compose(options: argparse.Namespace, text: str, around: Around) -> Question:
    """
    Raises:
        InvalidRequest: the cell is empty, or asks for what is not in the notebook.
    """
    if not text.strip():
        raise InvalidRequest("The cell is empty: write the question below the line with %%uml.")
    options, chat = _filled_up(options, around), around.chat
    text = text.strip()
    filled = Filled(text) if options.raw else fill_in(text, around.names, around.reads_only)
    above = [around.above.text] if around.above and around.above.text else []
    asked = Message("user", "\n\n".join([*above, filled.text]))
    functions = tuple(_function(around.names, name) for name in options.tools)
    form = form_of(_OBJECT if options.json else _schema(around, options.schema))
    request = to_request(
        uuid.uuid4().hex,
        options.model or "",
        _sampling(options),
        schema=None if form is None else form.schema,
        messages=to_messages([*(chat.before(around.cell) if chat else ()), asked], options.system),
        label=GenerationLabel("cell", around.cell, text[:MAX_QUESTION]),
        **to_tool_fields(functions, "auto"),
    )
    return Question(request, asked, options, functions, form, tuple(_notes(filled, around)))


def _filled_up(options: argparse.Namespace, around: Around) -> argparse.Namespace:
    """What the cell leaves open, as the conversation has it, or the session."""
    options = argparse.Namespace(**vars(options))
    if options.system is None and around.chat is not None:
        options.system = around.chat.system
    return around.settings.fill(options)


def _sampling(options: argparse.Namespace) -> dict[str, Any]:
    stays = options.keep_alive  # a text where it is one of the session's settings
    return {
        **{name: getattr(options, name) for name in SAMPLING},
        "keep_alive": keep_alive(stays) if isinstance(stays, str) else stays,
        "stop": tuple(options.stop) or None,
        "reasoning_effort": options.reasoning,
        "deterministic": options.deterministic or None,
    }


def _notes(filled: Filled, around: Around) -> Iterator[str]:
    if filled.names:
        yield f"with {', '.join(filled.names)}"
    if filled.slips:
        yield f"not defined: {', '.join(f'{{{name}}}' for name in filled.slips)}"
    if around.above is not None:
        yield f"with {figures.plural(around.above.count, 'cell')} above"
    if around.chat is not None:
        name = f" “{around.chat.name}”" if around.chat.name else ""
        yield f"turn {around.chat.place(around.cell) + 1} of the chat{name}"


def _function(names: Mapping[str, Any], name: str) -> Callable[..., Any]:
    found = names.get(name)
    if not callable(found):
        raise InvalidRequest(f"There is no function {name!r} in this notebook.", param="tools")
    if inspect.iscoroutinefunction(found):
        raise InvalidRequest(f"{name} is asynchronous: a cell can call plain functions only.", param="tools")
    return cast(Callable[..., Any], found)


def _schema(around: Around, expression: str | None) -> Any:
    """A type, such as `City` or `list[City]`, or a dict."""
    if expression is None:
        return None
    try:
        if around.reads_only:
            check_reading(expression)
        found = eval(expression, dict(around.names))
    except Exception as error:
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InvalidRequest(f"--schema {expression}: {said}.", param="schema") from error
    if found is None:
        raise InvalidRequest(f"--schema {expression}: None is no type.", param="schema")
    return found
