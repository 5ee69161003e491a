"""Worker processes: started clean, heard line by line, and never left behind."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
from collections import deque

from jupyter_uml import ipc
from jupyter_uml.loader.last_words import cause_of_death, log_tail

LOG_LINES = 200
# What a worker may see of our environment: enough to find Python and the C library, and no secret.
_PASSED_ON = (
    *("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PYTHONPATH", "SYSTEMROOT"),
    *("HOME", "TMPDIR", "LANG", "LC_ALL", "TZ"),
    *("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "GGML_VK_VISIBLE_DEVICES"),
)
# How long a thread of llama.cpp turns round waiting for the others before it sleeps. GNU's OpenMP does so for
# milliseconds: where a kernel computes on the same cores, a decode then takes up to twenty times as long.
_SPIN = "1000"

log = logging.getLogger(__name__)

_TERMINATE_SECONDS = 2.0
_KILL_SECONDS = 30.0  # a killed process may hang in the kernel, waiting for a disk that does not answer
_LAST_WORDS_SECONDS = 0.2


class WorkerProcess:
    """The parent's end of one worker: its pid, its pipe, and the last lines that it logged."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self.pid = process.pid
        self._process, self._stdin, self._stdout = process, process.stdin, process.stdout
        self._killed_for: str | None = None
        self._ending: asyncio.Task[None] | None = None
        self._log: deque[str] = deque(maxlen=LOG_LINES)
        self._log_reader = asyncio.create_task(self._read_log(process.stderr), name=f"worker {self.pid} log")

    @classmethod
    async def spawn(cls) -> WorkerProcess:
        # -P: the working directory is a user's notebook folder and must not provide modules.
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            "-m",
            "jupyter_uml.worker",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=_environment(),
            process_group=0,  # Ctrl-C and Jupyter's interrupts go to a kernel's whole group: its models are not meant
        )
        return cls(process)

    async def last_words(self) -> str:
        """Why it ended and the end of its log, as far as they may be shown. For a worker that is dead or dying: its
        log may arrive a moment after the news of the death."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WORDS_SECONDS):
                await self._process.wait()
                await asyncio.wait([self._log_reader])
        log.warning("the worker %s ended. Its log:\n%s", self.pid, "\n".join(self._log) or "(empty)")
        cause = self._killed_for or cause_of_death(self._process.returncode)
        return "\n".join(filter(None, (cause, log_tail(self._log))))

    def post(self, message: ipc.ToWorker) -> None:
        """Send without waiting: also from the clean-up of a generator that is being closed."""
        self.post_frame(ipc.encode(message))

    def post_frame(self, frame: bytes) -> None:
        if not self._stdin.is_closing():
            self._stdin.write(frame)

    async def receive(self) -> ipc.FromWorker | None:
        """The next message; None when the worker is dead."""
        try:
            header = await self._stdout.readexactly(ipc.HEADER.size)
            (length,) = ipc.HEADER.unpack(header)
            if length > ipc.MAX_FRAME:
                raise ValueError(f"a message of {length} bytes")
            return ipc.decode_from_worker(await self._stdout.readexactly(length))
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        except ValueError as error:  # not a message of ours: whoever sends such things is as good as dead
            log.error("worker %s does not keep to the protocol: %s", self.pid, error)
            self.kill("It sent what is no message.")
            return None

    def kill(self, why: str) -> None:
        """End it at once, for a reason in words; `receive` gives None then."""
        self._killed_for = self._killed_for or why
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def close(self) -> None:
        """End the worker: ask by closing its stdin, then insist. Returns when the process is gone and reaped.

        A caller that is cancelled meanwhile changes nothing: it goes on in a task of its own.
        """
        if self._ending is None:
            self._ending = asyncio.create_task(self._end(), name=f"worker {self.pid} end")
        await asyncio.shield(self._ending)

    async def _end(self) -> None:
        with contextlib.suppress(ConnectionError):
            self._stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), _TERMINATE_SECONDS)
        except (TimeoutError, asyncio.CancelledError):  # cancelled: the loop is closing
            self.kill("It did not end when it was asked to.")
        try:
            await asyncio.wait_for(self._process.wait(), _KILL_SECONDS)
        except TimeoutError:
            log.error("the worker %s was killed and does not end: it waits for a disk or a driver", self.pid)
        await asyncio.wait([self._log_reader], timeout=_LAST_WORDS_SECONDS)
        self._log_reader.cancel()

    async def _read_log(self, stderr: asyncio.StreamReader) -> None:
        while True:
            try:
                line = await stderr.readline()
            except ValueError:  # a line beyond the buffer's limit
                continue
            if not line:
                return
            self._log.append(line.decode(errors="replace").rstrip())


def _environment() -> dict[str, str]:
    environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    # Without it a failed assertion in ggml starts a debugger, which may hang.
    spin = os.environ.get("GOMP_SPINCOUNT", _SPIN)
    return environment | {"GGML_NO_BACKTRACE": "1", "PYTHONUTF8": "1", "GOMP_SPINCOUNT": spin}
