"""The line of `%uml`: which command it names, with its options, or one readable line about what is wrong with it."""

from __future__ import annotations

import argparse
from difflib import get_close_matches

from jupyter_uml.errors import InvalidRequest
from jupyter_uml.kernel.cell_options import CELL_USAGE, cell_parser
from jupyter_uml.kernel.options import Parser, split
from jupyter_uml.kernel.verbs import VERBS
from jupyter_uml.kernel.verbs.verb import Verb

HELP_VERB = "help"
NAMES = (*(verb.name for verb in VERBS), HELP_VERB)
_HELP_USAGE = "%uml help COMMAND            its options; `%uml help %%uml`: those of a question"
HELP = "\n".join([CELL_USAGE, "", *(verb.usage for verb in VERBS), _HELP_USAGE, ""])


def parse_line(line: str | list[str]) -> tuple[Verb, argparse.Namespace] | str:
    """A command and its arguments; or a text that answers the line, since it asks for help.

    `line`: what stands behind `%uml`, or its words.

    Raises:
        InvalidRequest: there is no such command, or its arguments are wrong.
    """
    first, *words = (split(line) if isinstance(line, str) else line) or [HELP_VERB]
    if first == HELP_VERB:
        return help_of(words[0]) if words else HELP
    verb = find(first)
    if {"-h", "--help"} & set(words):
        return help_of(first)
    return verb, line_parser(verb).parse_args(words)


def find(name: str) -> Verb:
    verb = next((verb for verb in VERBS if verb.name == name), None)
    if verb is None:
        near = get_close_matches(name, NAMES, 1)
        meant = f"Did you mean `%uml {near[0]}`?" if near else "`%uml` alone lists the commands."
        raise InvalidRequest(f"There is no command {name!r}. {meant}")
    return verb


def line_parser(verb: Verb) -> Parser:
    parser = Parser(prog=f"%uml {verb.name}")
    verb.arguments(parser)
    return parser


def help_of(name: str) -> str:
    """All about one command, or about the cell."""
    if name in ("%%uml", "uml", "cell"):
        return f"{CELL_USAGE}\n\n{cell_parser().format_help()}"
    if name == HELP_VERB:
        return HELP
    verb = find(name)
    return f"{verb.usage}\n\n{line_parser(verb).format_help()}"
