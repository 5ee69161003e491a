"""The hub, from the event loop: each question is a child process, which a closed generator ends at once."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path

from jupyter_uml.errors import DownloadFailed
from jupyter_uml.loader.hub.listing import HubFile, Listing
from jupyter_uml.loader.hub.messages import (
    Came,
    Doing,
    Failed,
    FetchJob,
    Job,
    ListJob,
    Message,
    Patience,
    Published,
    decode_message,
    encode,
)
from jupyter_uml.loader.hub.name import MAIN

log = logging.getLogger(__name__)

# What the child may see of our environment: where this user's token and cache are, and the way into the network.
_PASSED_ON = (
    *("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PYTHONPATH", "SYSTEMROOT", "HOME", "USERPROFILE", "TMPDIR"),
    *("LANG", "LC_ALL", "XDG_CACHE_HOME", "HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_ENDPOINT"),
    *("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH", "HF_HUB_DISABLE_IMPLICIT_TOKEN", "HF_HUB_OFFLINE"),
    *(name for proxy in ("http_proxy", "https_proxy", "all_proxy", "no_proxy") for name in (proxy, proxy.upper())),
    *("SSL_CERT_FILE", "SSL_CERT_DIR"),
)
# Nothing is told to the hub but what is asked of it. Its faster protocol, Xet, cannot be resumed after a kill.
_SETTINGS = {
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_UPDATE_CHECK": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_XET": "1",
    "HF_HUB_VERBOSITY": "error",
    "PYTHONUTF8": "1",
}
_MAX_LINE = 64 << 20  # of a message: a listing of very many files
_LOG_LINES = 20
_RATE_SECONDS = 5.0
_STEADY_SECONDS = 1.0  # before that a rate says nothing


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a download is. `bytes` never falls. Seconds and rate are None while they cannot be known."""

    doing: Doing
    file: str
    bytes: int
    total_bytes: int
    bytes_per_second: float | None
    seconds_left: float | None


@dataclass(frozen=True, slots=True)
class Hub:
    """`endpoint`, `token`, `cache`: None is what Hugging Face's own tools would use on this machine.

    An empty token: none is sent.
    """

    endpoint: str | None = None
    token: str | None = field(default=None, repr=False)
    cache: Path | None = None
    patience: Patience = field(default_factory=Patience)

    async def listing(self, repo: str, revision: str = MAIN) -> Listing:
        """
        Raises:
            UmlError: the hub cannot be asked, or does not show it.
        """
        job = ListJob(repo, revision, self.endpoint, self.token, self.patience)
        async with aclosing(_messages(job)) as messages:
            async for message in messages:
                if isinstance(message, Listing):
                    return message
        raise _ended()

    async def fetch(
        self, listing: Listing, files: tuple[HubFile, ...], revision: str = MAIN
    ) -> AsyncGenerator[Progress | Path, None]:
        """Have these files in the cache. The last item is the path of the first of them.

        Closing the generator stops at once; what has come is kept and the next fetch goes on from there.

        Raises:
            UmlError: they cannot be had, or do not fit the disk.
        """
        cache = str(self.cache) if self.cache else None
        job = FetchJob(listing.repo, revision, listing.commit, files, self.endpoint, self.token, cache, self.patience)
        speed = Speed(sum(file.size_bytes for file in files))
        async with aclosing(_messages(job)) as messages:
            async for message in messages:
                match message:
                    case Came():
                        yield speed.progress(message)
                    case Published(path):
                        yield Path(path)
                        return
        raise _ended()


class Speed:
    """Turns numbers of bytes into progress, at the rate of the last seconds."""

    def __init__(self, total: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._total, self._clock = total, clock
        self._most = 0
        self._past = deque[tuple[float, int]]()

    def progress(self, came: Came) -> Progress:
        now, self._most = self._clock(), max(self._most, came.bytes)
        if came.doing != "downloading":
            self._past.clear()
        self._past.append((now, self._most))
        while len(self._past) > 2 and now - self._past[1][0] >= _RATE_SECONDS:
            self._past.popleft()
        (since, before) = self._past[0]
        rate = (self._most - before) / (now - since) if now - since >= _STEADY_SECONDS else None
        left = (self._total - self._most) / rate if rate else None
        return Progress(came.doing, came.file, self._most, self._total, rate, left)


async def _messages(job: Job) -> AsyncGenerator[Message, None]:
    """What the child says; the error that it met is raised. Closing ends the child."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",
        "-m",
        "jupyter_uml.loader.hub.process",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=_environment(),
        limit=_MAX_LINE,
        process_group=0,  # an interrupt ends what it was meant for, also before the child can ignore it
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    words = asyncio.create_task(_last_words(process.stderr))
    try:
        process.stdin.write(encode(job))
        while line := await process.stdout.readline():
            message = decode_message(line)
            if isinstance(message, Failed):
                raise message.raised()
            yield message
        log.error("The process that downloads ended with %s:\n%s", await process.wait(), await words)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.stdin.close()
        await process.wait()
        await words


async def _last_words(stderr: asyncio.StreamReader) -> str:
    lines = deque[str](maxlen=_LOG_LINES)
    async for line in stderr:
        lines.append(line.decode(errors="replace").rstrip())
    return "\n".join(lines)


def _ended() -> DownloadFailed:
    return DownloadFailed("The process that downloads has been killed. What had come is kept: pull again to go on.")


def _environment() -> dict[str, str]:
    return {name: os.environ[name] for name in _PASSED_ON if name in os.environ} | _SETTINGS
