"""The options of `%uml` and `%%uml`: parsed, or refused with one readable line."""

from __future__ import annotations

import argparse
import re
import shlex
from difflib import get_close_matches
from typing import Any, NoReturn, get_args

from jupyter_uml.errors import InvalidRequest
from jupyter_uml.types import KvType
from jupyter_uml.types.duration import keep_alive_seconds

VERBS = ("models", "status", "help", "estimate", "load", "pin", "unpin", "unload", "pull", "profile")
HELP = """\
%uml models [WORD]           the models there are (with WORD in their names), and their state
                             [--all: however many, and why others cannot be loaded]
%uml status                  what is loaded, its memory and speed
%uml pull OWNER/REPO[:QUANT] bring one from Hugging Face's hub  [--stop: end that]
%uml estimate NAME           would it fit into memory, and how?  [the settings of load]
%uml load NAME               load one  [--n-ctx N] [--n-parallel N] [--n-threads N] [--n-gpu-layers N]
                                       [--kv-type f16|q8_0|q4_0] [--draft-model NAME] [--n-batch N]
                                       [--pin] [--keep-alive 10m: how long it stays without use; -1: for ever]
%uml pin NAME                load one, and keep it loaded whatever happens; %uml unpin NAME ends that
%uml unload NAME             give its memory back  [--force: end the answers under way]
%uml profile                 the models with settings of their own, under a name
%uml profile save NAME MODEL make one, or replace it  [the settings of load] [--system "…"] [--temperature X]
                                       [--top-p X] [--top-k N] [--min-p X] [--max-tokens N] [--seed N]
%uml profile delete NAME     delete one; its model stays

%%uml [NAME]                 the rest of the cell is a question; the answer streams in below
                             [--system "…"] [--max-tokens N] [--temperature X] [--seed N] [--keep-alive 10m]
                             [--tools F,G: functions of this notebook that the model may call]

Without NAME, %%uml asks the model that was used last, or else the demo model. Interrupting the cell stops the answer.
"""
SAMPLING = ("temperature", "top_p", "top_k", "min_p", "max_tokens", "seed")
SETTINGS = ("n_ctx", "n_parallel", "n_threads", "n_gpu_layers", "kv_type", "draft_model", "n_batch")


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
    models = verbs.add_parser("models")
    models.add_argument("word", nargs="?", metavar="WORD")
    models.add_argument("--all", action="store_true")
    verbs.add_parser("status")
    verbs.add_parser("help")
    _add_settings(verbs.add_parser("estimate"))
    load = verbs.add_parser("load")
    _add_settings(load)
    _add_stay(load)
    for name in ("pin", "unpin"):
        verbs.add_parser(name).add_argument("model", metavar="NAME")
    pull = verbs.add_parser("pull")
    pull.add_argument("model", metavar="OWNER/REPO[:QUANT]")
    pull.add_argument("--stop", action="store_true")
    _add_profile(verbs.add_parser("profile"))
    unload = verbs.add_parser("unload")
    unload.add_argument("model", metavar="NAME")
    unload.add_argument("--force", action="store_true")
    return parser


def _add_settings(parser: _Parser, metavar: str = "NAME") -> None:
    parser.add_argument("model", metavar=metavar)
    for name in ("--n-ctx", "--n-parallel", "--n-threads", "--n-gpu-layers", "--n-batch"):
        parser.add_argument(name, type=_whole)
    parser.add_argument("--kv-type", choices=get_args(KvType))
    parser.add_argument("--draft-model", metavar="NAME")


def _add_stay(parser: _Parser) -> None:
    parser.add_argument("--pin", action="store_true", default=None)
    parser.add_argument("--keep-alive", type=_keep_alive)


def _add_profile(parser: _Parser) -> None:
    acts = parser.add_subparsers(dest="act", metavar="save or delete", parser_class=_Parser)
    acts.add_parser("delete").add_argument("name", metavar="NAME")
    save = acts.add_parser("save")
    save.add_argument("name", metavar="NAME")
    _add_settings(save, "MODEL")
    _add_stay(save)
    save.add_argument("--system")
    for name in SAMPLING:
        kind = _whole if name in ("top_k", "max_tokens", "seed") else _number
        save.add_argument(f"--{name.replace('_', '-')}", type=kind)


def _cell_parser() -> _Parser:
    parser = _Parser(prog="%%uml")
    parser.add_argument("model", nargs="?", metavar="NAME")
    parser.add_argument("--system")
    parser.add_argument("--max-tokens", type=_whole)
    parser.add_argument("--temperature", type=_number)
    parser.add_argument("--seed", type=_whole)
    parser.add_argument("--keep-alive", type=_keep_alive)
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


def _keep_alive(text: str) -> float:
    """Seconds, of a number or a text such as 10m."""
    try:
        return keep_alive_seconds(float(text) if re.fullmatch(r"-?\d+(\.\d+)?", text) else text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{error}, not {text!r}") from error


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from error
