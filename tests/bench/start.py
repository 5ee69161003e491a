"""What the extension adds to the start of a Jupyter server: starts in turn with it and without it.

What jsonschema brings along at every start is left out (see `tests/quick_start`): it takes a second of each and varies.
"""

from __future__ import annotations

import os
import socket
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.bench.peers import free_port
from tests.bench.summary import median
from tests.bench.workloads import Figures, Scene
from tests.conftest import QUICK_START, START_SECONDS

STARTS = 5  # of each kind in a round
LOOK = 0.002  # seconds
PAUSE = 1.0  # seconds after the start, until all of it is done


@dataclass(frozen=True)
class Start:
    """Seconds. `answered`: until the server's first answer; `cpu`: what its process had computed by then; `page`: until
    JupyterLab's page, which is asked for at once; `settled`: what its process had computed a second later."""

    answered: float
    cpu: float
    page: float
    settled: float


async def start(_: Scene) -> Figures:
    """Differences of medians, in seconds."""
    with tempfile.TemporaryDirectory(prefix="uml-start-") as folder:
        _started(Path(folder), extension=True)  # files are in memory from here on, and the database is there
        pairs = [[_started(Path(folder), extension=extension) for extension in (True, False)] for _ in range(STARTS)]
    ours, without = zip(*pairs, strict=True)
    return {
        "added": _added(ours, without, "answered"),
        "added_cpu": _added(ours, without, "cpu"),
        "added_page": _added(ours, without, "page"),
        "added_afterwards": _added(ours, without, "settled"),
        "without": median([one.answered for one in without]),
    }


def _added(ours: Sequence[Start], without: Sequence[Start], part: str) -> float:
    return median([getattr(one, part) for one in ours]) - median([getattr(one, part) for one in without])


def _started(folder: Path, *, extension: bool) -> Start:
    with _server(folder, extension) as (process, port, began):
        if not _answers(port, process):
            raise RuntimeError(f"the server did not start:\n{(folder / 'server.log').read_text()[-2000:]}")
        answered, cpu = time.perf_counter() - began, _cpu_seconds(process)
        assert _answer(port, "/lab").startswith(b"HTTP/1.1 200 ")
        page = time.perf_counter() - began
        time.sleep(PAUSE)
        return Start(answered, cpu, page, _cpu_seconds(process))


@contextmanager
def _server(folder: Path, extension: bool) -> Iterator[tuple[psutil.Popen, int, float]]:
    """Its process, its port and when it was started."""
    port = free_port()
    flags = [f"--port={port}", "--ip=127.0.0.1", "--no-browser", "--allow-root", "--ServerApp.port_retries=0"]
    flags.append("--IdentityProvider.token=")  # open to all, so that the page is one
    flags.append(f"--ServerApp.jpserver_extensions=jupyter_uml={extension}")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER_", "JPY_"))}
    environment |= {f"JUPYTER_{name}_DIR": str(folder / name.lower()) for name in ("RUNTIME", "DATA", "CONFIG")}
    environment["PYTHONPATH"] = os.pathsep.join([str(QUICK_START), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "jupyter_server", *flags]
    with (folder / "server.log").open("wb") as log:
        began = time.perf_counter()
        process = psutil.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
    try:
        yield process, port, began
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(20)


def _answers(port: int, process: psutil.Popen) -> bool:
    """When it does, or does not."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if _answer(port, "/api"):
                return True
        except OSError:
            time.sleep(LOOK)
    return False


def _answer(port: int, path: str) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=START_SECONDS) as connection:
        connection.sendall(f"GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n".encode())
        return b"".join(iter(lambda: connection.recv(1 << 16), b""))


def _cpu_seconds(process: psutil.Popen) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
