"""`%uml profile`: models with settings of their own, under a name."""

from __future__ import annotations

import argparse
from collections.abc import Iterable

from jupyter_uml.kernel import tables
from jupyter_uml.kernel.cell_view import CellView
from jupyter_uml.kernel.notebook import Notebook
from jupyter_uml.kernel.options import SAMPLING, Parser, add_sampling, add_settings, add_stay, given_settings
from jupyter_uml.kernel.verbs.verb import Verb


def _profile(notebook: Notebook, view: CellView, options: argparse.Namespace) -> None:
    notebook.profiles_changed()
    if options.act == "save":
        _save(notebook, view, options)
    elif options.act == "delete":
        view.line(f"The profile {notebook.client.delete_profile(options.name).name} is deleted.")
    elif rows := notebook.client.profiles():
        view.table(tables.profiles_table(rows))
    else:
        view.line('There is no profile yet. `%uml profile save NAME MODEL --system "…"` makes one.')


def _save(notebook: Notebook, view: CellView, options: argparse.Namespace) -> None:
    sampling = {name: value for name in SAMPLING if (value := getattr(options, name)) is not None}
    said = {"system_prompt": options.system, "sampling": sampling, **given_settings(options, "pin", "keep_alive")}
    saved = notebook.client.save_profile(options.name, options.model, **said)
    view.line(f"{saved.id} is {saved.model} with settings of its own · `%%uml {saved.id}` asks it")


def _arguments(parser: argparse.ArgumentParser) -> None:
    acts = parser.add_subparsers(dest="act", metavar="save|delete", parser_class=Parser)
    acts.add_parser("delete", help="delete one; its model stays").add_argument("name", metavar="NAME")
    save = acts.add_parser("save", help="make one, or replace it")
    save.add_argument("name", metavar="NAME")
    add_settings(save, "MODEL")
    add_stay(save)
    save.add_argument("--system", metavar="TEXT", help="what the model is told before every conversation")
    add_sampling(save)


def _complete(notebook: Notebook, words: list[str]) -> Iterable[str]:
    match words:
        case [_]:
            return ("save", "delete")
        case [_, "delete"]:
            return notebook.known_profiles()
        case [_, "save", _]:
            return notebook.known_models()
    return ()


_USAGE = """\
%uml profile                 models with settings of their own, under a name
%uml profile save NAME MODEL make one  [--system "…"] [--temperature X] …
%uml profile delete NAME     delete one; its model stays"""

VERBS = (Verb("profile", _USAGE, _profile, _arguments, _complete),)
