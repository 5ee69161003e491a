"""`%uml pull`: bring a model from the hub, or end that."""

from __future__ import annotations

import argparse

from jupyter_uml.client import PullProgress
from jupyter_uml.errors import InvalidRequest, UmlError
from jupyter_uml.kernel import notes
from jupyter_uml.kernel.cell_view import CellView
from jupyter_uml.kernel.follow import paced
from jupyter_uml.kernel.notebook import Notebook
from jupyter_uml.kernel.quiet_error import UmlMagicError
from jupyter_uml.kernel.verbs.verb import Verb


def _pull(notebook: Notebook, view: CellView, options: argparse.Namespace) -> None:
    if options.stop:
        _stop(notebook, view, options.model)
        return
    client, row = notebook.client, PullProgress("", options.model)
    try:
        view.progress(notes.pull_heading(row))
        for row in client.background.iterate(paced(client.aio.pull(options.model))):
            view.progress(notes.pull_note(row), row.fraction, notes.pull_heading(row))
    except KeyboardInterrupt:
        view.line(f"{notes.pull_heading(row)} {notes.pull_note(row)}".rstrip())  # no bar that stands still
        command = f"%uml pull {options.model}"
        raise UmlMagicError(
            f"The download goes on in {notebook.place}; `{command}` follows it again, `{command} --stop` ends it."
        ) from None
    except UmlError:
        view.line(f"{options.model} was not pulled")
        raise
    how = f" · `%uml load {row.model}` loads it" if row.model else ""
    view.line(notes.pulled_note(row) + how)


def _stop(notebook: Notebook, view: CellView, name: str) -> None:
    client = notebook.client
    found = next((row for row in client.pulls() if row.name == name), None)
    if found is None:
        raise InvalidRequest(f"No pull of {name!r} is running.", param="model")
    client.cancel_pull(found.id)
    view.line(f"The pull of {name} is ended. What has come is kept: the next one goes on from there.")


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="OWNER/REPO[:QUANT]", help="as Hugging Face's hub calls it")
    parser.add_argument("--stop", action="store_true", help="end a pull that is under way")


_USAGE = "%uml pull OWNER/REPO[:QUANT] bring one from Hugging Face's hub  [--stop]"

VERBS = (Verb("pull", _USAGE, _pull, _arguments),)
