"""The command: gathers the facts, examines them, prints."""

from __future__ import annotations

import shutil
from inspect import cleandoc

from jupyter_uml.commands.command import JSON_FLAG, Command
from jupyter_uml.commands.doctor.checks import examine
from jupyter_uml.commands.doctor.gathering import gather
from jupyter_uml.commands.doctor.report import as_json, as_text, runs
from jupyter_uml.commands.terminal_text import has_colours


class DoctorApp(Command):
    """Say what this machine can run and what is wrong with it."""

    name = "jupyter uml doctor"
    description = (
        "Look at the CPU, the memory, GPUs, disks, the installation and the models, and say what is wrong, with the "
        "remedy, and what this machine can run. Nothing is changed. Exit status: 0 models run, whatever could be "
        "better; 1 something keeps them from running."
    )
    examples = cleandoc("""
        jupyter uml doctor
        jupyter uml doctor --json | jq -r '.findings[] | select(.level == "error") | .message'
    """)
    flags = JSON_FLAG

    async def run(self) -> None:
        catalog = self.catalog()
        service = self.service(catalog)
        try:
            facts = await gather(catalog, service.loader, self.folders(), self.memory_limit())
        finally:
            await service.aclose()
            await catalog.close()
        findings = examine(facts)
        if self.as_json:
            self.print_json(as_json(facts, findings))
        else:
            print(as_text(facts, findings, shutil.get_terminal_size().columns, has_colours()))
        if not runs(findings):
            self.exit(1)
