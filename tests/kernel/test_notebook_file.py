"""Notebook files of any origin: read as far as they are notebooks, and refused in one line where they are not."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from jupyter_uml.errors import InvalidRequest
from jupyter_uml.kernel import notebook_file
from jupyter_uml.kernel.notebook_file import read_notebook


def written(path: Path, *cells: Any) -> Path:
    path.write_text(json.dumps({"cells": cells, "nbformat": 4, "nbformat_minor": 5, "metadata": {}}))
    return path


def output(record: Any, text: Any = "Paris") -> dict[str, Any]:
    return {"output_type": "display_data", "data": {"text/plain": text}, "metadata": {"jupyter_uml": record}}


def code(*outputs: Any, **fields: Any) -> dict[str, Any]:
    return {"cell_type": "code", "source": "1 + 1", "outputs": list(outputs), "execution_count": 3} | fields


def test_answers_are_found_among_all_that_a_notebook_holds(tmp_path: Path) -> None:
    path = written(
        tmp_path / "a.ipynb",
        {"cell_type": "markdown", "source": "# Title"},
        code({"output_type": "stream", "name": "stdout", "text": "x"}, output({"generation": "a" * 32})),
        code(output({"generation": "b" * 32}, ["Pa", "ris"]), id="c1", source=["%%uml\n", "Where?"]),
    )
    first, second = read_notebook(path)
    assert (first.place, first.count, first.source) == (2, 3, "1 + 1")
    assert (second.id, second.source) == ("c1", "%%uml\nWhere?")
    assert [answer.text for answer in (*first.answers, *second.answers)] == ["Paris", "Paris"]
    (answer,) = second.answers
    assert answer.record is not None
    assert answer.record.generation == "b" * 32


def test_an_error_is_an_output_unless_a_magic_has_told_it(tmp_path: Path) -> None:
    error = {"output_type": "error", "ename": "KeyError", "evalue": "'a'", "traceback": ["…"]}
    refused = error | {"ename": "UmlMagicError"}
    (cell,) = read_notebook(written(tmp_path / "a.ipynb", code(error, refused, execution_count=True)))
    assert (cell.output, cell.count) == ("KeyError: 'a'", None)


@pytest.mark.parametrize(
    "cell",
    [
        1,
        {},
        {"cell_type": "code"},
        code(1, None, {}, {"metadata": 1}, {"metadata": {"jupyter_uml": None}}),
        code(id=1, source=1, execution_count="x", outputs={}),
    ],
)
def test_what_is_not_as_it_should_be_has_no_answers(tmp_path: Path, cell: Any) -> None:
    assert all(not each.answers for each in read_notebook(written(tmp_path / "a.ipynb", cell)))


@pytest.mark.parametrize("record", [1, "x", {}, {"generation": 1}, {"generation": "a", "params": [1]}])
def test_a_record_that_cannot_be_read_is_told_as_such(tmp_path: Path, record: Any) -> None:
    (cell,) = read_notebook(written(tmp_path / "a.ipynb", code(output(record))))
    (answer,) = cell.answers
    assert answer.record is None
    assert "record" in answer.fault


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "it is not JSON"),
        (b"\xff\xfe", "it is not JSON"),
        (b"[" * 100_000, "it is not JSON"),
        (b"[]", "it has no cells"),
        (b'{"cells": 1}', "it has no cells"),
        (b'{"worksheets": []}', "save it once with Jupyter"),
    ],
)
def test_what_is_no_notebook_is_refused(tmp_path: Path, content: bytes, why: str) -> None:
    path = tmp_path / "a.ipynb"
    path.write_bytes(content)
    with pytest.raises(InvalidRequest, match=why):
        read_notebook(path)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.ipynb")
    for name in ("missing.ipynb", "pipe.ipynb", "."):
        with pytest.raises(InvalidRequest, match="There is no notebook"):
            read_notebook(tmp_path / name)


def test_a_huge_file_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notebook_file, "MAX_BYTES", 100)
    with pytest.raises(InvalidRequest, match="larger than 0 MiB"):
        read_notebook(written(tmp_path / "a.ipynb", code(source="x" * 100)))
