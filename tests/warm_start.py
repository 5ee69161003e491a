"""Programs forked from a process that has imported what they need, which is most of what their starts cost.

Nothing else is shared: each has arguments, environment, folder and output of its own, as if Python had just started.
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

# Not the extension itself: its class knows the user's folders from when it is imported.
IMPORTED = ["jupyter_server.serverapp", "jupyter_uml.server.parts", "jupyter_uml.commands.keys"]


class Forked:
    """A process that runs `program`, with as much of `subprocess.Popen` as is used of it. What it writes is added to
    the files `output` and `errors`."""

    def __init__(
        self,
        program: Callable[[], object],
        arguments: Sequence[str],
        environment: Mapping[str, str],
        *,
        folder: Path,
        output: Path,
        errors: Path,
    ) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(IMPORTED)
        given = (program, list(arguments), dict(environment), folder, (output, errors))
        self._process = context.Process(target=_run, args=given, daemon=True)
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired(self._process.name, timeout or 0)
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        if self._process.exitcode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def _run(
    program: Callable[[], object],
    arguments: list[str],
    environment: dict[str, str],
    folder: Path,
    outputs: tuple[Path, Path],
) -> None:
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    installed = [path for path in sys.path if path.startswith((sys.prefix, sys.base_prefix))]
    sys.path[:] = [str(folder), *filter(None, environment.get("PYTHONPATH", "").split(os.pathsep)), *installed]
    sys.argv = arguments
    for number, path in enumerate(outputs, 1):
        output = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(output, number)
        os.close(output)
    try:
        program()
    finally:
        atexit._run_exitfuncs()
