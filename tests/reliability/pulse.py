"""Asks a server for Jupyter's own `api/status`, again and again, in a process of its own: `python pulse.py ROOT TOKEN`.

It asks at fixed times, however long the answers before take, so that a server which stands still is not asked less;
over connections that are open already and stay so, as browsers do. When its stdin ends it prints, as JSON, the seconds
that each answer took.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from urllib.parse import urlsplit

INTERVAL = 0.025  # seconds
CONNECTIONS = 6  # as many as a browser has to one server; more only where all are in use

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Pulse:
    def __init__(self, root: str, token: str) -> None:
        self._address = urlsplit(root)
        lines = (f"GET {self._address.path}api/status HTTP/1.1", f"Host: {self._address.netloc}")
        self._request = "\r\n".join([*lines, f"Authorization: Bearer {token}", "", ""]).encode()
        self._free: list[Connection] = []
        self.times: list[float] = []

    async def ask(self) -> None:
        began = time.perf_counter()
        reader, writer = self._free.pop() if self._free else await self._connect()
        writer.write(self._request)
        status, *lines = (await reader.readuntil(b"\r\n\r\n")).lower().split(b"\r\n")
        assert b" 200 " in status, status
        length = next(line for line in lines if line.startswith(b"content-length:"))
        await reader.readexactly(int(length.split()[1]))
        self.times.append(time.perf_counter() - began)
        self._free.append((reader, writer))

    async def connect(self) -> None:
        self._free = [await self._connect() for _ in range(CONNECTIONS)]

    async def _connect(self) -> Connection:
        return await asyncio.open_connection(self._address.hostname, self._address.port)

    def close(self) -> None:
        for _, writer in self._free:
            writer.close()


async def main(root: str, token: str) -> None:
    pulse, asked = Pulse(root, token), set[asyncio.Task[None]]()
    await pulse.connect()
    end = asyncio.ensure_future(asyncio.to_thread(sys.stdin.read))
    due = time.perf_counter()
    while not end.done():
        asked.add(asyncio.create_task(pulse.ask()))
        due += INTERVAL
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
    await asyncio.gather(*asked)
    pulse.close()
    print(json.dumps(pulse.times))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
