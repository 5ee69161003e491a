"""A process that promises memory as a server does: `python -m tests.loader.memory.promising_server FOLDER BYTES TIMES`.

It says `ready`, waits for a line, promises so many bytes as often as they are there, says how often that was, and
keeps its promises until its stdin ends.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from jupyter_uml.loader.memory.ledger import Ledger, Need

DECIDING_SECONDS = 0.05  # as long as a plan may take


async def main(folder: str, n_bytes: int, times: int) -> None:
    ledger = Ledger(Path(folder))
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    kept = 0
    for _ in range(times):
        async with ledger.deciding():
            machine = await ledger.machine()
            await asyncio.sleep(DECIDING_SECONDS)
            if machine.ram_available >= n_bytes:
                ledger.promise("model", Need(n_bytes))
                kept += 1
    print(kept, flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    await ledger.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
