"""The cells above a question."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from jupyter_uml.kernel.cell_log import RanCell
from jupyter_uml.kernel.cells_above import MAX_OUTPUT, cells_above, notebook_path

RAN = [RanCell("c", 3, "print('c')", "c"), RanCell("a", 4, "a = 1", ""), RanCell(None, 5, "b", "2")]


@dataclass
class Log:
    ran: list[RanCell]
    running: str | None = "asks"

    def cells(self) -> list[RanCell]:
        return self.ran


def test_the_last_ones_that_ran_with_their_outputs() -> None:
    above = cells_above(Log(RAN), 2)
    assert above.count == 2
    assert above.text == (
        "Cells of the notebook, above the question:\n\n```python\na = 1\n```\n\n```python\nb\n```\nOutput:\n```\n2\n```"
    )
    assert cells_above(Log(RAN), 99).count == 3
    assert cells_above(Log([]), 3).text == ""


def test_long_outputs_keep_both_ends() -> None:
    text = cells_above(Log([RanCell(None, 1, "x", "a" * 5000 + "z" * 5000)]), 1).text
    assert len(text) < MAX_OUTPUT + 200
    assert "characters left out" in text
    assert text.count("a") > 1000 < text.count("z")


def test_a_file_tells_their_order_and_what_is_written_between_them(tmp_path: Path) -> None:
    path = tmp_path / "x.ipynb"
    cells = [
        {"id": "a", "cell_type": "code", "source": "old"},
        {"id": "m", "cell_type": "markdown", "source": ["# Plan\n", "first"]},
        {"id": "never", "cell_type": "code", "source": "not run"},
        {"id": "c", "cell_type": "code", "source": "old"},
        {"id": "asks", "cell_type": "code", "source": "%%uml"},
        {"id": "below", "cell_type": "code", "source": ""},
    ]
    path.write_text(json.dumps({"cells": cells}))
    log = Log([*RAN, RanCell("below", 6, "below", "")])
    blocks = cells_above(log, 3, path).text.split("\n\n")[1:]
    assert blocks == ["```python\na = 1\n```", "# Plan\nfirst", "```python\nprint('c')\n```\nOutput:\n```\nc\n```"]
    log.running = "not saved yet"
    assert cells_above(log, 1, path).text.endswith("```python\nbelow\n```")
    path.write_text("{")
    log.running = "asks"
    assert cells_above(log, 1, path).text.endswith("```python\nbelow\n```")


def test_where_the_file_is(tmp_path: Path) -> None:
    path = tmp_path / "x.ipynb"
    path.touch()
    assert notebook_path({}, {"JPY_SESSION_NAME": str(path)}) == path
    assert notebook_path({"__vsc_ipynb_file__": str(path)}, {}) == path
    assert notebook_path({}, {"JPY_SESSION_NAME": "console-1"}) is None
    assert notebook_path({}, {}) is None
