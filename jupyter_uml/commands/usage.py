"""`jupyter uml usage`: what was used, by key, model and day; also where no server runs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from inspect import cleandoc
from typing import Any

from traitlets import Unicode

from jupyter_uml.client import AsyncUniversalClient, UsageTotal
from jupyter_uml.client.keys import ALL_GROUPS
from jupyter_uml.commands.records_command import RecordsCommand, key_of, words
from jupyter_uml.commands.terminal_text import columns_of, table
from jupyter_uml.errors import KeyNotFound

_FIGURES = ("requests", "errors", "tokens_in", "tokens_out", "tokens_cached", "duration")
_HEADINGS = {
    "tokens_in": "TOKENS IN",
    "tokens_out": "OUT",
    "tokens_cached": "CACHED",
    "duration": "SECONDS",
}


class UsageApp(RecordsCommand):
    """Say what was used."""

    name = "jupyter uml usage"
    description = (
        "Requests and tokens, summed up by key, model and day (in UTC). Of the tokens in, those cached did not have to "
        "be computed again. Exit status: 0."
    )
    examples = cleandoc("""
        jupyter uml usage
        jupyter uml usage --by key --since 2026-11-01
        jupyter uml usage --key course --by day,model --json
    """)
    aliases = {  # noqa: RUF012  as traitlets wants it
        **RecordsCommand.aliases,
        **{name: f"UsageApp.{name}" for name in ("by", "since", "until", "key", "model")},
    }
    by = Unicode(",".join(ALL_GROUPS), help="What to sum up by: key, model, day, or some of them.").tag(config=True)
    since = Unicode(help="The first day, such as 2026-11-22. Empty: since there is a record.").tag(config=True)
    until = Unicode(help="The last day. Empty: today.").tag(config=True)
    key = Unicode(help="Only this one, by its id or name; `jupyter` is you, in Jupyter.").tag(config=True)
    model = Unicode(help="Only this one.").tag(config=True)

    async def run(self) -> None:
        by: Any = words(self.by)  # the other side knows which there are
        days: dict[str, Any] = {"since": self.since or None, "until": self.until or None}
        async with self.client(or_here=True) as client:
            key = await _key_id(client, self.key) if self.key else None
            totals = await client.usage(by, **days, key=key, model=self.model or None)
        if self.as_json:
            self.print_json({"by": by, "usage": [asdict(total) for total in totals]})
        else:
            print(listed(totals, by, columns_of(sys.stdout)))


async def _key_id(client: AsyncUniversalClient, word: str) -> str:
    """Of what is no key any more, or never was, there may be usage all the same."""
    try:
        return key_of(await client.keys(), word).id
    except KeyNotFound:
        return word


def listed(totals: Sequence[UsageTotal], by: Sequence[str], columns: int) -> str:
    """A table, with the sums of all rows below."""
    if not totals:
        return "Nothing was used."
    groups = [name for group in ALL_GROUPS if group in by for name in (("name", "key") if group == "key" else (group,))]
    names = [*groups, *_FIGURES]
    headings = [_HEADINGS.get(name, name.upper()) for name in names]
    rows = [[_cell(getattr(total, name)) for name in names] for total in totals]
    if groups and len(totals) > 1:
        sums = [_cell(sum(getattr(total, name) for total in totals)) for name in _FIGURES]
        rows.append(["in all", *[""] * (len(groups) - 1), *sums])
    return table(headings, rows, set(headings[len(groups) :]), columns)


def _cell(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.1f}" if isinstance(value, float) else str(value)
