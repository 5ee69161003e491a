"""What the notebooks are saved with. That they run is `make notebooks`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
LARGEST = 300_000  # bytes: they are part of every clone
# A key's secret, a token in an address, a folder of whoever ran it, a failure.
UNFIT = re.compile(r"\buml_[\w-]{40,}|[?&]token=\w|/(?:home|root|tmp|Users)/(?!ipykernel)|Traceback \(most recent call")


def outputs_of(path: Path) -> list[dict[str, Any]]:
    cells = json.loads(path.read_text("utf-8"))["cells"]
    return [output for cell in cells for output in cell.get("outputs", ())]


def texts_of(output: dict[str, Any]) -> list[str]:
    """Of all forms of an output but pictures."""
    data = {form: value for form, value in output.get("data", {}).items() if not form.startswith("image/")}
    return ["".join(text) for text in (output.get("text", ""), *data.values()) if isinstance(text, str | list)]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_small_and_fit_to_be_passed_on(path: Path) -> None:
    assert path.stat().st_size < LARGEST
    for output in outputs_of(path):
        assert output["output_type"] != "error", output
        assert output.get("name") != "stderr", output
        assert not [found for text in texts_of(output) for found in UNFIT.findall(text)]


def test_they_are_numbered_without_a_gap() -> None:
    numbers = [int(path.name[:2]) for path in NOTEBOOKS]
    assert numbers == list(range(1, len(numbers) + 1))
