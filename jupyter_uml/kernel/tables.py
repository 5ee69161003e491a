"""Small tables, as HTML in JupyterLab's colours and as plain text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from textwrap import shorten

from jupyter_uml.display import figures
from jupyter_uml.display.colours import BAD, BUSY, DOUBTFUL, GOOD, QUIET
from jupyter_uml.display.render import escape
from jupyter_uml.kernel import notes
from jupyter_uml.types import MemoryEstimate, ModelProfile, ModelStatus

_STATE_COLOURS = {
    "loaded": GOOD,
    "queued": BUSY,
    "loading": BUSY,
    "restarting": DOUBTFUL,
    "unloading": DOUBTFUL,
    "failed": BAD,
}
LONGEST_PROMPT = 80  # characters of a system prompt that are shown
MOST_ROWS = 50
_PARTS = {  # what they are called; some are shown as one
    "weights": "Weights",
    "repacked": "Weights",
    "kv_cache": "KV cache",
    "compute": "Compute buffers",
    "outputs": "Compute buffers",
    "projector": "Projector for images",
    "draft": "Draft model",
    "adapters": "LoRA adapters",
    "process": "Process",
    "tokenizer": "Process",
    "learned": "Measured earlier",
}


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    cells: Sequence[str]
    numeric: bool = False
    dots: Sequence[str] = ()  # HTML before each cell


@dataclass(frozen=True, slots=True)
class Table:
    """`dot`: HTML before the heading. `folded`: a table of which only the heading is seen, unless it is to `unfold`."""

    columns: Sequence[Column]
    note: str = ""
    heading: str = ""
    dot: str = ""
    folded: Table | None = None
    unfold: bool = False
    how: str = ""  # readers of the plain text get to see what is folded away


def models_table(rows: Sequence[ModelStatus], *, unfold: bool = False) -> Table:
    """Those in use first; those that can never be loaded at the end, of which only the number is seen at first.

    Of many only the first ones, unless it is to `unfold`.
    """
    good = sorted((row for row in rows if row.reason is None), key=lambda row: row.state in ("available", "failed"))
    bad = [row for row in rows if row.reason is not None]
    most = len(rows) if unfold else MOST_ROWS
    return Table(_models(good[:most]), _more(good[most:]), folded=_unloadable(bad, most, unfold) if bad else None)


def named(rows: Iterable[ModelStatus], word: str) -> list[ModelStatus]:
    """Those with the word in one of their names, or in their model's."""
    word = word.casefold()
    return [row for row in rows if any(word in name.casefold() for name in (row.id, row.base or "", *row.aliases))]


def _more(rest: Sequence[ModelStatus]) -> str:
    if not rest:
        return ""
    return f"and {len(rest):,} more: `%uml models WORD` lists those with WORD in their names, `%uml models --all` all"


def _models(rows: Sequence[ModelStatus]) -> list[Column]:
    facts = [row.facts for row in rows]
    return [
        Column("Model", [row.id for row in rows]),
        state_column(rows),
        *_unless_empty("Unloads", [notes.stay_note(row) for row in rows]),
        Column("Size", [figures.size(row.size_bytes) for row in rows], numeric=True),
        *_unless_empty("Parameters", [figures.parameters(each.parameters) if each else "" for each in facts], True),
        *_unless_empty("Quantisation", [each.quantisation if each else "" for each in facts]),
        Column("Context", [_context(row) for row in rows], numeric=True),
        Column("From", [f"profile of {row.base}" if row.base else row.source for row in rows]),
        *_unless_empty("Also called", [", ".join(row.aliases) for row in rows]),
    ]


def _context(row: ModelStatus) -> str:
    """Of a model that is loaded what it has, of others what it could have."""
    if row.settings:
        return str(row.settings.n_ctx)
    return f"up to {figures.tokens(row.facts.n_ctx_train)}" if row.facts and row.facts.n_ctx_train else ""


def _unloadable(rows: Sequence[ModelStatus], most: int, unfold: bool) -> Table:
    shown = rows[:most]
    columns = [
        Column("Model", [row.id for row in shown]),
        Column("Size", [figures.size(row.size_bytes) for row in shown], numeric=True),
        Column("Cannot be loaded", [row.reason or "" for row in shown]),
    ]
    heading = f"{len(rows)} cannot be loaded"
    return Table(columns, _more(rows[most:]), heading, unfold=unfold, how="; `%uml models --all` says why")


def status_table(rows: Sequence[ModelStatus], note: str = "") -> Table:
    settings = [row.settings for row in rows]
    columns = [
        Column("Model", [row.id for row in rows]),
        state_column(rows),
        *_unless_empty("Unloads", [notes.stay_note(row) for row in rows]),
        Column("Process", [str(row.pid or "") for row in rows], numeric=True),
        Column("Memory", [figures.size(row.memory_bytes) for row in rows], numeric=True),
        *_unless_empty("On the GPU", [figures.size(row.gpu_memory_bytes) for row in rows], True),
        Column("Context", [f"{s.n_ctx} × {s.n_parallel}" if s else "" for s in settings], numeric=True),
        Column("Threads", [str(s.n_threads) if s else "" for s in settings], numeric=True),
        Column("Active", [str(row.active) for row in rows], numeric=True),
        *_unless_empty("Waiting", [str(row.waiting or "") for row in rows], True),
        Column("Speed", [figures.rate(row.tokens_per_second) for row in rows], numeric=True),
    ]
    return Table(columns, note)


def profiles_table(rows: Sequence[ModelProfile]) -> Table:
    columns = [
        Column("Profile", [row.id for row in rows]),
        Column("Model", [row.model for row in rows]),
        *_unless_empty("Settings", [_listed(_asked(row)) for row in rows]),
        *_unless_empty("Sampling", [_listed(row.sampling) for row in rows]),
        *_unless_empty(
            "System prompt", [shorten(row.system_prompt or "", LONGEST_PROMPT, placeholder=" …") for row in rows]
        ),
        *_unless_empty("Of no use", [row.reason or "" for row in rows]),
    ]
    return Table(columns)


def _asked(row: ModelProfile) -> dict[str, object]:
    stay = {"keep_alive": row.keep_alive, "pin": row.pin or None}
    return {**row.settings.asked(), **{name: value for name, value in stay.items() if value is not None}}


def _listed(values: Mapping[str, object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())


def estimate_table(estimate: MemoryEstimate) -> Table:
    """The verdict, and what the memory is for."""
    sums: dict[str, list[int]] = {}
    for part in estimate.parts:
        if part.needed:
            row = sums.setdefault(_PARTS.get(part.name, part.name), [0, 0])
            row[0] += part.ram
            row[1] += part.gpu
    rows = {name: both for name, both in sums.items() if any(both)}
    rows["Together"] = [sum(ram for ram, _ in rows.values()), sum(gpu for _, gpu in rows.values())]
    columns = [
        Column("What for", list(rows)),
        Column("Memory", [figures.size(ram) for ram, _ in rows.values()], numeric=True),
        *_unless_empty("On the GPU", [figures.size(gpu) if gpu else "" for _, gpu in rows.values()], True),
    ]
    return Table(columns, notes.fit_note(estimate), f"{estimate.model} {estimate.verdict}", verdict_dot(estimate))


def _unless_empty(name: str, cells: Sequence[str], numeric: bool = False) -> list[Column]:
    return [Column(name, cells, numeric)] if any(cells) else []


def state_column(rows: Sequence[ModelStatus]) -> Column:
    words = [f"{row.state} {figures.percent(row.progress)}".strip() for row in rows]
    return Column("State", words, dots=[state_dot(row) for row in rows])


def state_dot(row: ModelStatus) -> str:
    """HTML: the state as a colour."""
    return dot(_STATE_COLOURS.get(row.state, "var(--jp-border-color1,#bdbdbd)"))


def verdict_dot(estimate: MemoryEstimate) -> str:
    """HTML: whether it fits, as a colour."""
    return dot(BAD if not estimate.fits else GOOD if estimate.as_wished and not estimate.unloads else DOUBTFUL)


def dot(colour: str) -> str:
    return f'<span style="color:{colour}">●</span> '


def to_html(table: Table) -> str:
    """Where the columns have no cells, only what stands around them."""
    parts = [f'<div style="margin-bottom:4px">{table.dot}{escape(table.heading)}</div>' if table.heading else ""]
    parts.append(_noted_grid(table))
    if table.folded:
        inner = _noted_grid(table.folded)
        style = f"color:{QUIET};margin-top:6px"
        open_ = " open" if table.folded.unfold else ""
        parts.append(
            f'<details style="{style}"{open_}><summary>{escape(table.folded.heading)}</summary>{inner}</details>'
        )
    return "".join(parts)


def _noted_grid(table: Table) -> str:
    style = f"color:{QUIET};margin-top:4px;white-space:pre-line"
    note = f'<div style="{style}">{escape(table.note)}</div>' if table.note else ""
    return _grid(table.columns) + note


def _grid(columns: Sequence[Column]) -> str:
    if not columns[0].cells:
        return ""
    head = "".join(_cell("th", column, escape(column.name)) for column in columns)
    body = "".join(
        "<tr>" + "".join(_cell("td", c, (c.dots[i] if c.dots else "") + escape(c.cells[i])) for c in columns) + "</tr>"
        for i in range(len(columns[0].cells))
    )
    return f'<table style="margin:0"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def _cell(tag: str, column: Column, content: str) -> str:
    style = "text-align:right;white-space:nowrap" if column.numeric else "text-align:left"
    return f'<{tag} style="{style}">{content}</{tag}>'


def to_text(table: Table) -> str:
    """What is folded away is left out, but for its heading."""
    lines = [table.heading, *_lines(table.columns), table.note]
    if folded := table.folded:
        lines += [folded.heading, *_lines(folded.columns)] if folded.unfold else [folded.heading + folded.how]
    return "\n".join(line for line in lines if line)


def _lines(columns: Sequence[Column]) -> list[str]:
    if not columns[0].cells:
        return []
    widths = [max(len(cell) for cell in (column.name, *column.cells)) for column in columns]
    lines = [
        "  ".join(
            cell.rjust(w) if c.numeric else cell.ljust(w) for cell, w, c in zip(row, widths, columns, strict=True)
        )
        for row in zip(*((column.name, *column.cells) for column in columns), strict=True)
    ]
    return [line.rstrip() for line in lines]
