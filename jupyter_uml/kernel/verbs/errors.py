"""`%uml fix` and `%uml explain`: what went wrong last, asked of a model."""

from __future__ import annotations

import argparse
from functools import partial

from jupyter_uml.kernel.ask import ask
from jupyter_uml.kernel.cell_options import CellLine, add_cell_options
from jupyter_uml.kernel.cell_view import CellView
from jupyter_uml.kernel.notebook import Notebook
from jupyter_uml.kernel.traceback_question import Wish
from jupyter_uml.kernel.verbs.verb import Verb, models


def _asked(wish: Wish, notebook: Notebook, view: CellView, options: argparse.Namespace) -> None:
    options.model = options.model or options.named_model
    ask(notebook, CellLine(options, wish), "")


VERBS = (
    Verb(
        "fix",
        "%uml fix                     the last error: what is wrong, and mended code",
        partial(_asked, "fix"),
        add_cell_options,
        models,
    ),
    Verb(
        "explain",
        "%uml explain                 the last error: what went wrong, and why",
        partial(_asked, "explain"),
        add_cell_options,
        models,
    ),
)
