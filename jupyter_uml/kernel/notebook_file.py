"""The cells of a notebook file, and the answers that their outputs hold. It may be a stranger's: nothing is run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jupyter_uml.errors import InvalidRequest
from jupyter_uml.kernel.cell_log import error_text
from jupyter_uml.kernel.record import NAMESPACE, AnswerRecord

MAX_BYTES = 256 << 20  # a notebook with that much in it opens in no browser

_KNOWN = ("stream", "execute_result", "error")  # outputs that a kernel keeps, too


@dataclass(frozen=True, slots=True)
class SavedAnswer:
    """`text`: the answer's plain form, as it was shown. `fault`: what is wrong with a record that cannot be read."""

    text: str
    record: AnswerRecord | None
    fault: str = ""


@dataclass(frozen=True, slots=True)
class SavedCell:
    """A code cell. `place`: among all cells, the first is 1. `id`: as the kernel is told it. `count`: its execution
    count, None: it was not run. `output`: the texts of its outputs, answers last."""

    place: int
    source: str
    id: str | None = None
    count: int | None = None
    answers: tuple[SavedAnswer, ...] = ()
    output: str = ""


def read_notebook(path: Path) -> list[SavedCell]:
    """The code cells of a notebook file, in order.

    Raises:
        InvalidRequest: there is none that can be read, or it is no notebook.
    """
    content = _content(path)
    try:
        notebook = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(f"{path.name} is not a notebook: it is not JSON.") from error
    cells = notebook.get("cells") if isinstance(notebook, dict) else None
    if not isinstance(cells, list):
        old = isinstance(notebook, dict) and "worksheets" in notebook
        why = "its format is older than 4; save it once with Jupyter" if old else "it has no cells"
        raise InvalidRequest(f"{path.name} is not a notebook that can be read: {why}.")
    return list(_code_cells(cells))


def _content(path: Path) -> bytes:
    if not path.is_file():
        raise InvalidRequest(f"There is no notebook {str(path)!r}.")
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise InvalidRequest(f"{str(path)!r} cannot be read: {error.strerror}.") from error
    if len(content) > MAX_BYTES:
        raise InvalidRequest(f"{path.name} is larger than {MAX_BYTES >> 20} MiB: clear outputs that nobody needs.")
    return content


def _code_cells(cells: Sequence[Any]) -> Iterator[SavedCell]:
    for place, cell in enumerate(cells, 1):
        if isinstance(cell, dict) and cell.get("cell_type") == "code":
            yield _code_cell(place, cell)


def _code_cell(place: int, cell: Mapping[str, Any]) -> SavedCell:
    outputs, count, name = cell.get("outputs"), cell.get("execution_count"), cell.get("id")
    shown = [each for each in outputs if isinstance(each, dict)] if isinstance(outputs, list) else []
    answers = tuple(filter(None, map(_answer, shown)))
    others = [_plain(each).rstrip("\n") for each in shown if each.get("output_type") in _KNOWN]
    return SavedCell(
        place,
        _text(cell.get("source")),
        name if isinstance(name, str) else f"cell {place}",
        count if type(count) is int else None,
        answers,
        "\n".join(text for text in (*others, *(answer.text for answer in answers)) if text),
    )


def _answer(output: Mapping[str, Any]) -> SavedAnswer | None:
    """None: the output is something else."""
    metadata = output.get("metadata")
    row = metadata.get(NAMESPACE) if isinstance(metadata, dict) else None
    if row is None:
        return None
    try:
        return SavedAnswer(_plain(output), AnswerRecord.from_dict(row if isinstance(row, Mapping) else {}))
    except ValueError as error:
        return SavedAnswer(_plain(output), None, str(error))


def _plain(output: Mapping[str, Any]) -> str:
    if output.get("output_type") == "error":
        return error_text(_text(output.get("ename")), _text(output.get("evalue")))
    data = output.get("data")
    return _text(data.get("text/plain") if isinstance(data, dict) else output.get("text"))


def _text(value: Any) -> str:
    """Text in a notebook file is one string, or its lines."""
    lines = value if isinstance(value, list) else [value]
    return "".join(line for line in lines if isinstance(line, str))
