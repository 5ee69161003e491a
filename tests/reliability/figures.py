"""What the tests of this folder measured: each notes its figures, and `python tests/reliability/figures.py` shows them
as the rows of the table in notebooks/measurements.md."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / "test-results" / "reliability"


def note(name: str, happens: str, holds: str, **measured: Any) -> None:
    """A row of the table: what happens, what must hold then, and what was measured, by what it is called."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    row = {"happens": happens, "holds": holds, "measured": measured}
    (FOLDER / f"{name}.json").write_text(json.dumps(row, indent=1, ensure_ascii=False))


def milliseconds(seconds: float) -> str:
    return f"{seconds * 1e3:.0f} ms"


def megabytes(count: float) -> str:
    return f"{count / 1e6:+.1f} MB"


def table() -> str:
    lines = ["| what happens | what must hold | measured |", "| --- | --- | --- |"]
    for path in sorted(FOLDER.glob("*.json")):
        row = json.loads(path.read_text())
        measured = "; ".join(f"{name.replace('_', ' ')} {value}" for name, value in row["measured"].items())
        lines.append(f"| {row['happens']} | {row['holds']} | {measured} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
