"""A conversation as cells of a notebook: in the one that is open, or in a file of its own. Nothing of it is run."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from jupyter_uml.display.markdown_source import parts_of, text_source
from jupyter_uml.errors import InvalidRequest
from jupyter_uml.kernel.chat.turns import Turn

Cell = dict[str, str]  # `kind`: markdown or code; `source`

_TRIES = 50  # names of files


def cells_of(turns: Iterable[Turn]) -> list[Cell]:
    """Questions as quotations, answers as text and as cells of code where they have such."""
    return [cell for turn in turns for cell in _cells(turn)]


def save(cells: Sequence[Cell], folder: Path) -> Path:
    """Write them into a new notebook; returns its path.

    Raises:
        InvalidRequest: it cannot be written there.
    """
    content = json.dumps(_notebook(cells), indent=1, ensure_ascii=False)
    stem = f"chat-{time.strftime('%Y%m%d-%H%M%S')}"
    for number in range(1, _TRIES):
        path = folder / (f"{stem}.ipynb" if number == 1 else f"{stem}-{number}.ipynb")
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(content)
        except FileExistsError:
            continue
        except OSError as error:
            raise InvalidRequest(f"{path.name} cannot be written: {error.strerror}.") from error
        return path
    raise InvalidRequest(f"There are too many notebooks {stem} already.")


def _cells(turn: Turn) -> list[Cell]:
    match turn.kind:
        case "question":
            lines = [text_source(turn.text), *(f"with {text_source(each.name)}" for each in turn.attached)]
            quoted = "\n\n".join(lines).replace("\n", "\n> ")
            return [{"kind": "markdown", "source": f"> {quoted}"}]
        case "answer":
            kinds = {"python": "code", "markdown": "markdown"}
            return [{"kind": kinds[kind], "source": source} for kind, source in parts_of(turn.text)]
    return []


def _notebook(cells: Sequence[Cell]) -> dict[str, Any]:
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return {"cells": [*map(_saved, cells)], "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}


def _saved(cell: Cell) -> dict[str, Any]:
    lines = cell["source"].splitlines(keepends=True)
    saved = {"cell_type": cell["kind"], "id": uuid.uuid4().hex[:8], "metadata": {}, "source": lines}
    return saved if cell["kind"] == "markdown" else {**saved, "execution_count": None, "outputs": []}
