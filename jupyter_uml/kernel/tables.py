"""Small tables, as HTML in JupyterLab's colours and as plain text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jupyter_uml.kernel import figures
from jupyter_uml.kernel.render import escape
from jupyter_uml.types import ModelStatus

QUIET = "color:var(--jp-ui-font-color2,GrayText)"
_STATE_COLOURS = {
    "loaded": "var(--jp-success-color1,#388e3c)",
    "loading": "var(--jp-brand-color1,#1976d2)",
    "restarting": "var(--jp-warn-color1,#f57c00)",
    "unloading": "var(--jp-warn-color1,#f57c00)",
    "failed": "var(--jp-error-color1,#d32f2f)",
}


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    cells: Sequence[str]
    numeric: bool = False
    dots: Sequence[str] = ()  # HTML before each cell


def models_columns(rows: Sequence[ModelStatus]) -> list[Column]:
    return [
        Column("Model", [row.id for row in rows]),
        state_column(rows),
        Column("Size", [figures.size(row.size_bytes) for row in rows], numeric=True),
        Column("Context", [str(row.settings.n_ctx) if row.settings else "" for row in rows], numeric=True),
        Column("From", [row.source for row in rows]),
    ]


def status_columns(rows: Sequence[ModelStatus]) -> list[Column]:
    settings = [row.settings for row in rows]
    return [
        Column("Model", [row.id for row in rows]),
        state_column(rows),
        Column("Process", [str(row.pid or "") for row in rows], numeric=True),
        Column("Memory", [figures.size(row.memory_bytes) for row in rows], numeric=True),
        Column("Context", [f"{s.n_ctx} × {s.n_parallel}" if s else "" for s in settings], numeric=True),
        Column("Threads", [str(s.n_threads) if s else "" for s in settings], numeric=True),
        Column("Active", [str(row.active) for row in rows], numeric=True),
        Column("Speed", [figures.rate(row.tokens_per_second) for row in rows], numeric=True),
    ]


def state_column(rows: Sequence[ModelStatus]) -> Column:
    words = [f"{row.state} {figures.percent(row.progress)}".strip() for row in rows]
    return Column("State", words, dots=[state_dot(row) for row in rows])


def state_dot(row: ModelStatus) -> str:
    """HTML: the state as a colour."""
    colour = _STATE_COLOURS.get(row.state, "var(--jp-border-color1,#bdbdbd)")
    return f'<span style="color:{colour}">●</span> '


def to_html(columns: Sequence[Column], note: str = "") -> str:
    head = "".join(_cell("th", column, escape(column.name)) for column in columns)
    count = len(columns[0].cells)
    body = "".join(
        "<tr>" + "".join(_cell("td", c, (c.dots[i] if c.dots else "") + escape(c.cells[i])) for c in columns) + "</tr>"
        for i in range(count)
    )
    table = f'<table style="margin:0"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
    return table + (f'<div style="{QUIET};margin-top:4px">{escape(note)}</div>' if note else "")


def _cell(tag: str, column: Column, content: str) -> str:
    return f'<{tag} style="text-align:{"right" if column.numeric else "left"}">{content}</{tag}>'


def to_text(columns: Sequence[Column], note: str = "") -> str:
    widths = [max(len(cell) for cell in (column.name, *column.cells)) for column in columns]
    lines = [
        "  ".join(
            cell.rjust(w) if c.numeric else cell.ljust(w) for cell, w, c in zip(row, widths, columns, strict=True)
        )
        for row in zip(*((column.name, *column.cells) for column in columns), strict=True)
    ]
    return "\n".join(line.rstrip() for line in [*lines, *([note] if note else [])])
