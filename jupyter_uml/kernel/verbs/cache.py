"""`%uml cache`: the answers that need not be computed again, and how to forget them."""

from __future__ import annotations

import argparse

from jupyter_uml.display import figures
from jupyter_uml.kernel.answer_cache import MAX_BYTES, answer_cache
from jupyter_uml.kernel.cell_view import CellView
from jupyter_uml.kernel.notebook import Notebook
from jupyter_uml.kernel.quiet_error import UmlMagicError
from jupyter_uml.kernel.verbs.verb import Verb


def _cache(notebook: Notebook, view: CellView, options: argparse.Namespace) -> None:
    folder = answer_cache().folder
    try:
        if options.act == "clear":
            folder.clear()
            view.line("The cache is empty: every cell asks its model again.")
            return
        count, size = folder.size()
        room = f"{figures.size(size)} of at most {figures.size(MAX_BYTES)}"
        view.line(f"{figures.plural(count, 'file')} · {room} · in {folder.path}")
    except OSError as error:
        raise UmlMagicError(f"The cache's folder cannot be used: {error.strerror}.") from None


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("act", nargs="?", choices=("clear",), help="clear: forget all answers")


_USAGE = "%uml cache [clear]           answers that are not computed again: how many"

VERBS = (Verb("cache", _USAGE, _cache, _arguments, lambda _, words: ("clear",) if len(words) < 2 else ()),)
