"""The options of `%uml` and `%%uml`: parsed, or refused with one readable line."""

from __future__ import annotations

import argparse
import shlex
from difflib import get_close_matches
from typing import Any, NoReturn, get_args

from jupyter_uml.errors import InvalidRequest
from jupyter_uml.types import KvType

VERBS = ("models", "status", "help", "load", "unload")
HELP = """\
%uml models                  the models there are, and their state
%uml load NAME               load one  [--n-ctx N] [--n-parallel N] [--n-threads N] [--n-gpu-layers N]
                                       [--kv-type f16|q8_0|q4_0] [--draft-model NAME]
%uml unload NAME             give its memory back  [--force: end the answers under way]
%uml status                  what is loaded, its memory and speed

%%uml [NAME]                 the rest of the cell is a question; the answer streams in below
                             [--system "…"] [--max-tokens N] [--temperature X] [--seed N]
                             [--tools F,G: functions of this notebook that the model may call]

Without NAME, %%uml asks the model that was used last, or else the demo model. Interrupting the cell stops the answer.
"""


class _Parser(argparse.ArgumentParser):
    """Raises where argparse would print and exit."""

    def __init__(self, **options: Any) -> None:
        super().__init__(add_help=False, allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        raise InvalidRequest(f"{message[:1].upper()}{message[1:]}. `%uml` alone shows how it is used.")


def parse_line(line: str) -> argparse.Namespace:
    """`verb` and its arguments; the verb is None for an empty line."""
    words = _split(line)
    if set(words) & {"-h", "--help"}:
        words = ["help"]
    if words and words[0] not in VERBS:
        near = get_close_matches(words[0], VERBS, 1)
        meant = f"Did you mean `%uml {near[0]}`?" if near else "`%uml` alone lists the commands."
        raise InvalidRequest(f"There is no command {words[0]!r}. {meant}")
    return _line_parser().parse_args(words)


def parse_cell(line: str) -> argparse.Namespace:
    return _cell_parser().parse_args(_split(line))


def _line_parser() -> _Parser:
    parser = _Parser(prog="%uml")
    verbs = parser.add_subparsers(dest="verb", metavar="command", parser_class=_Parser)
    verbs.add_parser("models")
    verbs.add_parser("status")
    verbs.add_parser("help")
    load = verbs.add_parser("load")
    load.add_argument("model", metavar="NAME")
    for name in ("--n-ctx", "--n-parallel", "--n-threads", "--n-gpu-layers"):
        load.add_argument(name, type=_whole)
    load.add_argument("--kv-type", choices=get_args(KvType))
    load.add_argument("--draft-model", metavar="NAME")
    unload = verbs.add_parser("unload")
    unload.add_argument("model", metavar="NAME")
    unload.add_argument("--force", action="store_true")
    return parser


def _cell_parser() -> _Parser:
    parser = _Parser(prog="%%uml")
    parser.add_argument("model", nargs="?", metavar="NAME")
    parser.add_argument("--system")
    parser.add_argument("--max-tokens", type=_whole)
    parser.add_argument("--temperature", type=_number)
    parser.add_argument("--seed", type=_whole)
    parser.add_argument("--tools", type=lambda names: names.split(","), default=[])
    return parser


def _split(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError as error:
        raise InvalidRequest("A quotation mark is never closed.") from error


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from error


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from error
