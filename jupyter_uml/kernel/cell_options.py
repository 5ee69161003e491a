"""The line of a `%%uml` cell: what is asked of whom, and how."""

from __future__ import annotations

import argparse
import builtins
from keyword import iskeyword
from typing import NamedTuple, get_args

from jupyter_uml.errors import InvalidRequest
from jupyter_uml.kernel.options import Parser, add_keep_alive, add_sampling, split, whole
from jupyter_uml.kernel.traceback_question import WISHES, Wish
from jupyter_uml.types import ReasoningEffort

CELL_USAGE = """\
%%uml [NAME] [OPTIONS]       the rest of the cell is a question; {expression} is
                             what it is in the notebook, {"a": 1} stays so
  --system "…" --temperature X --max-tokens N --seed N --top-p X --stop "…"
  --var NAME                 the answer as a variable; _uml is the last one
  --schema TYPE              a pydantic model or the like; the answer is one
  --json                     the answer as any JSON object
  --tools F,G                functions that the model may call, once you say so
  --chat [NAME]              go on with the conversation of earlier cells
  --cells N                  show the model the N cells above, too
  --no-cache --raw           compute it anew; leave {expressions} as they are
%%uml fix, %%uml explain     the last error; what you add goes with it"""


class CellLine(NamedTuple):
    """`wish`: what is to be done about the last error, where the cell is about that."""

    options: argparse.Namespace
    wish: Wish | None = None


def parse_cell(line: str | list[str]) -> CellLine:
    """The line behind `%%uml`, or its words.

    Raises:
        InvalidRequest: something in it is wrong.
    """
    words = split(line) if isinstance(line, str) else line
    wish = next((wish for wish in WISHES if words[:1] == [wish]), None)
    options = cell_parser().parse_args(words[1:] if wish else words)
    if options.model and options.named_model:
        raise InvalidRequest(f"Two models are named: {options.model} and {options.named_model}.", param="model")
    options.model = options.model or options.named_model
    return CellLine(options, wish)


def cell_parser() -> Parser:
    parser = Parser(prog="%%uml")
    add_cell_options(parser)
    return parser


def add_cell_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", nargs="?", metavar="NAME", help="the model; without: the last one, or the demo")
    named = "the same, for a model that is called fix or explain"
    parser.add_argument("--model", dest="named_model", metavar="NAME", help=named)
    parser.add_argument("--system", metavar="TEXT", help="what the model is told before the question")
    add_sampling(parser)
    parser.add_argument("--stop", action="append", default=[], metavar="TEXT", help="end before this; may be repeated")
    efforts = get_args(ReasoningEffort)
    parser.add_argument("--reasoning", choices=efforts, metavar="EFFORT", help=f"think: {', '.join(efforts)}")
    _add_what_comes(parser)
    _add_what_goes(parser)
    again = "the same tokens again, whatever else runs; slower"
    parser.add_argument("--deterministic", action="store_const", const=True, help=again)
    cached = "answer from the cache if it is there, however it was asked"
    parser.add_argument("--cache", action="store_const", const="on", help=cached)
    parser.add_argument("--no-cache", action="store_const", const="off", dest="cache", help="compute it anew")
    add_keep_alive(parser)


def _add_what_comes(parser: argparse.ArgumentParser) -> None:
    variable = "the variable for the answer's text, or its object"
    parser.add_argument("--var", type=_variable, metavar="NAME", help=variable)
    kinds = parser.add_mutually_exclusive_group()
    form = "the answer's form: a pydantic model, dataclass, TypedDict, list[…], or JSON schema"
    kinds.add_argument("--schema", metavar="TYPE", help=form)
    kinds.add_argument("--json", action="store_true", help="the answer is a JSON object")


def _add_what_goes(parser: argparse.ArgumentParser) -> None:
    tools = "functions of the notebook that the model may call; you are asked first"
    parser.add_argument("--tools", type=_names, default=[], metavar="F,G", help=tools)
    parser.add_argument("--yes", action="store_const", const=True, dest="allow_tools", help="call them without asking")
    chat = "a conversation that goes on over cells; with a name, one of several"
    parser.add_argument("--chat", nargs="?", const="", metavar="NAME", help=chat)
    parser.add_argument("--cells", type=whole, metavar="N", help="the N cells above go with the question")
    parser.add_argument("--raw", action="store_true", help="leave {expressions} in the text as they are")


def _variable(text: str) -> str:
    if not text.isidentifier() or iskeyword(text) or text.startswith("__"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a name for a variable")
    if hasattr(builtins, text):
        raise argparse.ArgumentTypeError(f"{text} is a name of Python's own, which the answer would hide")
    return text


def _names(text: str) -> list[str]:
    return [name for name in (part.strip() for part in text.split(",")) if name]
