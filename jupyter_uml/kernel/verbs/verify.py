"""`%uml verify`: are the answers that a notebook shows what its models answer now?"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from jupyter_uml.errors import InvalidRequest
from jupyter_uml.kernel.cell_author import CellAuthor
from jupyter_uml.kernel.cell_view import CellView
from jupyter_uml.kernel.notebook import Notebook
from jupyter_uml.kernel.notebook_file import SavedCell, read_notebook
from jupyter_uml.kernel.quiet_error import UmlMagicError
from jupyter_uml.kernel.verbs.verb import Verb
from jupyter_uml.kernel.verify import Comparison, verified
from jupyter_uml.kernel.verify_report import is_bad, verdict, verify_json, verify_table


def _verify(notebook: Notebook, view: CellView, options: argparse.Namespace) -> None:
    path = _own_notebook(notebook) if options.notebook is None else Path(options.notebook).expanduser()
    cells = _of_session(notebook) if path is None else read_notebook(path)
    count = sum(bool(cell.answers) for cell in cells)
    if not count:
        raise InvalidRequest(_nothing_in(path))
    found: list[Comparison] = []
    try:
        _compare(notebook, view, cells, path, found, quiet=options.json)
    except KeyboardInterrupt:
        raise UmlMagicError(f"Stopped after {len(found)} of {count}. {_sentence(found)}".strip()) from None
    finally:
        _show(view, found, path, as_json=options.json)
    if is_bad(found):
        raise UmlMagicError(_sentence(found))


def _compare(
    notebook: Notebook,
    view: CellView,
    cells: Sequence[SavedCell],
    path: Path | None,
    found: list[Comparison],
    quiet: bool,
) -> None:
    count = sum(bool(cell.answers) for cell in cells)
    comparisons = verified(notebook.client, cells, CellAuthor(notebook, cells, path))
    while len(found) < count:
        if not quiet:
            view.progress(f"Asking again: {len(found) + 1} of {count} …", len(found) / count)
        found.append(next(comparisons))


def _show(view: CellView, found: Sequence[Comparison], path: Path | None, as_json: bool) -> None:
    if as_json:
        print(json.dumps(verify_json(found, None if path is None else str(path)), indent=2))
    elif found:
        view.table(verify_table(found, f"{_sentence(found)} · {_source(path)}"))


def _sentence(found: Sequence[Comparison]) -> str:
    return f"{verdict(found)}." if found else ""


def _source(path: Path | None) -> str:
    if path is None:
        return "the answers of this session"
    saved = datetime.fromtimestamp(path.stat().st_mtime)
    return f"{path.name} as saved on {saved:%Y-%m-%d at %H:%M:%S}"


def _own_notebook(notebook: Notebook) -> Path | None:
    """The file of the notebook that this kernel runs; None where it runs none.

    Raises:
        InvalidRequest: it has another name by now.
    """
    known = notebook.names.get("__vsc_ipynb_file__") or os.environ.get("JPY_SESSION_NAME") or ""
    path = Path(str(known))
    if path.suffix != ".ipynb":
        return None
    if not path.is_file():
        raise InvalidRequest(f"{path.name} is not where it was when this kernel began: `%uml verify NAME.ipynb`.")
    return path


def _of_session(notebook: Notebook) -> Sequence[SavedCell]:
    """What has been run here, with its answers."""
    answers = {cell.place: cell.answers for cell in notebook.answers}
    return [
        SavedCell(ran.number, ran.source, ran.cell, ran.number, answers.pop(ran.number, ()), ran.output)
        for ran in notebook.log.cells()
    ]


def _nothing_in(path: Path | None) -> str:
    if path is None:
        return "This session has no answers yet. `%uml verify NAME.ipynb` looks into a notebook."
    return f"{path.name} has no recorded answers: run its cells with %%uml, and save it."


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("notebook", nargs="?", metavar="NAME.ipynb", help="without one: this notebook, as it was saved")
    parser.add_argument("--json", action="store_true", help="what was found as JSON, for programs")


def _notebooks(notebook: Notebook, words: list[str]) -> list[str]:
    return sorted(path.name for path in Path().glob("*.ipynb")) if len(words) < 2 else []


_USAGE = "%uml verify [NAME.ipynb]     ask a notebook's questions again: is all the same?"

VERBS = (Verb("verify", _USAGE, _verify, _arguments, _notebooks),)
