"""A second server in a process of its own, which does what lines on its stdin say; run by `test_two_servers.py`.

Both run on a machine that is made to look small: `SmallMachine` says what is left of it for models.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from unittest.mock import patch

import psutil

from jupyter_uml.errors import UmlError
from jupyter_uml.loader import UniversalLoader
from jupyter_uml.loader.memory import machine
from jupyter_uml.loader.memory.ledger import Ledger
from tests.conftest import is_worker
from tests.loader.lifecycle.stage import PLAIN, staged


class SmallMachine:
    """`n_bytes` of memory, less what the workers of the processes `servers` (pids) have taken for themselves."""

    def __init__(self, n_bytes: int, *servers: int) -> None:
        self.servers, self._bytes = list(servers), n_bytes

    def available(self) -> int:
        return self._bytes - sum(_private(worker) for server in self.servers for worker in workers_of(server))

    def total(self) -> int:
        return self._bytes


def workers_of(server: int) -> list[psutil.Process]:
    """Those that it has started itself."""
    try:
        return [child for child in psutil.Process(server).children() if is_worker(child)]
    except psutil.NoSuchProcess:
        return []


def _private(process: psutil.Process) -> int:
    try:
        memory = process.memory_info()
    except psutil.Error:
        return 0
    return int(memory.rss - memory.shared)


async def obey(loader: UniversalLoader, line: str) -> str:
    verb, name = line.split()
    try:
        await (loader.load(name, PLAIN) if verb == "load" else loader.unload(name))
    except UmlError as error:
        return error.code
    return "done"


async def main(models: Path, ledger: Path) -> None:
    async with staged(models, ledger=Ledger(ledger)) as loader:
        print("ready", flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            print(await obey(loader, line), flush=True)


if __name__ == "__main__":
    models, ledger, n_bytes = sys.argv[1:]
    small = SmallMachine(int(n_bytes), os.getpid(), os.getppid())
    with (
        patch.object(machine, "available_memory", small.available),
        patch.object(machine, "total_memory", small.total),
    ):
        asyncio.run(main(Path(models), Path(ledger)))
