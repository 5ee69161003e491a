"""`jupyter uml profiles`: models with settings of their own, under a name; with or without a server that runs."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from inspect import cleandoc

from jupyter_uml.client import ModelProfile
from jupyter_uml.commands.server_command import ServerCommand
from jupyter_uml.commands.terminal_text import columns_of, table

_HEADINGS = ("NAME", "MODEL", "SETTINGS")
_NONE = "There is no profile. `%uml profile save NAME MODEL` in a notebook makes one, or an editor does."


class ProfilesApp(ServerCommand):
    """List the profiles."""

    name = "jupyter uml profiles"
    description = (
        "List the profiles: models with settings of their own, under a name. Each is a file uml/profiles/NAME.toml in "
        "Jupyter's configuration folder (`jupyter --config-dir`). Exit status: 0."
    )
    examples = cleandoc("""
        jupyter uml profiles
        jupyter uml profiles --json | jq -r '.profiles[] | select(.reason == null) | .id'
    """)

    async def run(self) -> None:
        async with self.client(or_here=True) as client:
            rows = await client.profiles()
        if self.as_json:
            self.print_json({"profiles": [row.to_row() for row in rows]})
        else:
            print(listed(rows, columns_of(sys.stdout)))


def listed(rows: Sequence[ModelProfile], columns: int) -> str:
    cells = [(row.id, row.model, row.reason or ", ".join(_said(row))) for row in rows]
    return table(_HEADINGS, cells, columns=columns) if cells else _NONE


def _said(row: ModelProfile) -> Iterable[str]:
    """What it asks for, the long texts only named."""
    asked = {**row.settings.asked(), **row.sampling, "keep_alive": row.keep_alive, "pin": row.pin or None}
    yield from (f"{name}={value}" for name, value in asked.items() if value is not None and name != "lora")
    yield from (f"lora={lora.id}" for lora in row.settings.lora or ())
    if row.system_prompt:
        yield "system_prompt"
