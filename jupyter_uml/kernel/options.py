"""What the options of all commands share: a parser that raises, the types of values, the settings of a model."""

from __future__ import annotations

import argparse
import functools
import re
import shlex
from typing import Any, NoReturn, get_args

from jupyter_uml.errors import InvalidRequest
from jupyter_uml.types import KvType
from jupyter_uml.types.duration import keep_alive_seconds

COLUMNS = 80  # of the help
SETTINGS = ("n_ctx", "n_parallel", "n_threads", "n_gpu_layers", "kv_type", "draft_model", "n_batch")
SAMPLING = ("temperature", "top_p", "top_k", "min_p", "max_tokens", "seed")
_MEANING = {
    "n_ctx": "tokens for each conversation, question and answer together",
    "n_parallel": "conversations side by side",
    "n_threads": "processor threads",
    "n_gpu_layers": "layers that the GPU computes; -1: all",
    "n_batch": "tokens of a prompt that are computed in one go",
    "temperature": "0: always the likeliest token; higher: more variety",
    "top_p": "only the likeliest tokens that have this probability together",
    "top_k": "only so many of the likeliest tokens; 0: all",
    "min_p": "only tokens with this share of the likeliest one's probability",
    "max_tokens": "the answer's greatest length",
    "seed": "the same seed, the same answer",
}


class Parser(argparse.ArgumentParser):
    """Raises where argparse would print and exit."""

    def __init__(self, **options: Any) -> None:
        wide = functools.partial(argparse.HelpFormatter, width=COLUMNS - 1, max_help_position=29)
        super().__init__(add_help=False, allow_abbrev=False, formatter_class=wide, **options)

    def error(self, message: str) -> NoReturn:
        raise InvalidRequest(f"{message[:1].upper()}{message[1:]}. `%uml` alone shows how it is used.")


def split(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError as error:
        raise InvalidRequest("A quotation mark is never closed.") from error


def add_model(parser: argparse.ArgumentParser, metavar: str = "NAME") -> None:
    parser.add_argument("model", metavar=metavar, help="a model, as `%%uml models` lists it")


def add_settings(parser: argparse.ArgumentParser, metavar: str = "NAME") -> None:
    """A model, and how it is to be loaded; what is left out, the loader decides."""
    add_model(parser, metavar)
    for name in ("n_ctx", "n_parallel", "n_threads", "n_gpu_layers", "n_batch"):
        parser.add_argument(_option(name), type=whole, metavar="N", help=_MEANING[name])
    parser.add_argument("--kv-type", choices=get_args(KvType), help="how the KV cache is stored")
    parser.add_argument("--draft-model", metavar="NAME", help="a small model of the same family, which guesses ahead")


def add_stay(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--pin", action="store_true", default=None, help="it stays loaded whatever happens")
    add_keep_alive(parser)


def add_keep_alive(parser: argparse.ArgumentParser) -> None:
    meaning = "how long it stays without use, such as 10m; -1: for ever"
    parser.add_argument("--keep-alive", type=keep_alive, metavar="TIME", help=meaning)


def add_sampling(parser: argparse.ArgumentParser) -> None:
    for name in SAMPLING:
        kind, sign = (whole, "N") if name in ("top_k", "max_tokens", "seed") else (number, "X")
        parser.add_argument(_option(name), type=kind, metavar=sign, help=_MEANING[name])


def given_settings(options: argparse.Namespace, *more: str) -> dict[str, Any]:
    return {name: value for name in (*SETTINGS, *more) if (value := getattr(options, name)) is not None}


def whole(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from error


def number(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from error


def keep_alive(text: str) -> float:
    """Seconds, of a number or a text such as 10m."""
    try:
        return keep_alive_seconds(float(text) if re.fullmatch(r"-?\d+(\.\d+)?", text) else text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{error}, not {text!r}") from error


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"
