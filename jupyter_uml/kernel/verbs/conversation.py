"""`%uml history` and `%uml reset`: the conversations of `%%uml --chat`."""

from __future__ import annotations

import argparse
from collections.abc import Iterable

from jupyter_uml.display import figures
from jupyter_uml.display.transcript import transcript_html, transcript_text
from jupyter_uml.kernel.cell_view import CellView
from jupyter_uml.kernel.notebook import Notebook
from jupyter_uml.kernel.verbs.verb import Verb


def _history(notebook: Notebook, view: CellView, options: argparse.Namespace) -> None:
    conversation = notebook.conversations.named(options.name)
    messages = [message for turn in conversation.turns for message in turn.messages]
    view.show(transcript_html(conversation.system, messages), transcript_text(conversation.system, messages))


def _reset(notebook: Notebook, view: CellView, options: argparse.Namespace) -> None:
    conversation = notebook.conversations.forget(options.name)
    name = f" {options.name}" if options.name else ""
    view.line(f"The conversation{name} is forgotten, {figures.plural(len(conversation.turns), 'turn')}.")


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", default="", metavar="NAME", help="of a cell with --chat NAME")


def _complete(notebook: Notebook, words: list[str]) -> Iterable[str]:
    return [each.name for each in notebook.conversations if each.name] if len(words) < 2 else ()


VERBS = (
    Verb(
        "history",
        "%uml history [NAME]          the conversation of the cells with --chat",
        _history,
        _arguments,
        _complete,
    ),
    Verb("reset", "%uml reset [NAME]            forget it, and begin anew", _reset, _arguments, _complete),
)
