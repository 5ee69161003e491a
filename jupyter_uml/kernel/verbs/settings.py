"""`%uml set`: what holds for all cells of the session."""

from __future__ import annotations

import argparse
from collections.abc import Iterable

from jupyter_uml.kernel.cell_view import CellView
from jupyter_uml.kernel.notebook import Notebook
from jupyter_uml.kernel.tables import Column, Table
from jupyter_uml.kernel.verbs.verb import Verb


def _set(notebook: Notebook, view: CellView, options: argparse.Namespace) -> None:
    if options.value is not None:
        notebook.settings.change(options.name, options.value)
    rows = notebook.settings.shown()
    named = options.name and options.name.replace("-", "_")
    chosen = {named: rows[named]} if named in rows else rows
    view.table(
        Table(
            [
                Column("Setting", list(chosen)),
                Column("Value", ["" if value is None else str(value) for value, _ in chosen.values()]),
                Column("What it does", [meaning for _, meaning in chosen.values()]),
            ]
        )
    )


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", metavar="NAME", help="such as temperature")
    parser.add_argument("value", nargs="?", metavar="VALUE", help="None: as the model does by itself")


def _complete(notebook: Notebook, words: list[str]) -> Iterable[str]:
    match words:
        case [_]:
            return list(notebook.settings.shown())
        case [_, "model"]:
            return notebook.known_models()
        case [_, name] if isinstance(notebook.settings.shown().get(name, (None,))[0], bool):
            return ("True", "False")
        case [_, "cache"]:
            return ("auto", "on", "off")
    return ()


_USAGE = "%uml set [NAME [VALUE]]      what holds for all cells: model, temperature, …"

VERBS = (Verb("set", _USAGE, _set, _arguments, _complete),)
