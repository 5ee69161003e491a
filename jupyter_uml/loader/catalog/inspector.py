"""Reads model files in a child process with a deadline: neither a hanging disk nor a hostile file stops the server."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, Self

from jupyter_uml.errors import UmlError
from jupyter_uml.loader.catalog.facts_cache import FactsCache, FoundFile, Identity
from jupyter_uml.loader.catalog.file_facts import FileFacts
from jupyter_uml.loader.catalog.gguf_file import BrokenFile, GgufFile, GgufTensor

SECONDS = 10.0  # for one header; a disk that has been asleep takes a few
START_SECONDS = 30.0  # for Python, on a machine that is busy
_END_SECONDS = 2.0
AGAIN_SECONDS = 60.0  # after which a file is tried again whose reading failed for a reason outside of it
GROWING_SECONDS = 5.0  # between two looks into a file that is being written
_MAX_ANSWER = 256 << 20  # bytes
_PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PYTHONPATH", "SYSTEMROOT", "HOME", "LANG", "LC_ALL")

Want = Literal["facts", "header", "sha256"]
log = logging.getLogger(__name__)


class Unreadable(UmlError):
    """A file could not be read in time, or not at all; later it may be."""


class Inspector:
    """Lives on one event loop. `cache` is filled, and saved when a batch is done."""

    def __init__(self, cache: FactsCache, *, seconds: float = SECONDS) -> None:
        self.cache = cache
        self._seconds = seconds
        self._failed: dict[Identity, float] = {}  # when
        self._read_at: dict[Path, float] = {}
        self._hashing: dict[Identity, asyncio.Task[str]] = {}
        self._one_at_a_time, self._one_sum_at_a_time = asyncio.Lock(), asyncio.Lock()

    def unread(self, files: Iterable[FoundFile]) -> list[FoundFile]:
        """Those whose facts are not known; without those that failed, or that were read and changed, a moment ago."""
        now = time.monotonic()
        self._failed = {file: at for file, at in self._failed.items() if now - at < AGAIN_SECONDS}
        self._read_at = {path: at for path, at in self._read_at.items() if now - at < GROWING_SECONDS}
        unknown = (file for file in files if self.cache.facts(file.identity) is None)
        return [file for file in unknown if file.identity not in self._failed and file.path not in self._read_at]

    async def read(self, files: Iterable[FoundFile]) -> int:
        """Read the facts of these files into the cache; those that are known cost nothing. How many were read.

        What cannot be read in time is left out, with all that is in the same folder, and is tried again later.
        """
        async with self._one_at_a_time:
            if not (unread := self.unread(files)):
                return 0
            hanging = set[Path]()
            async with _Reader() as reader:
                for file in unread:
                    if file.path.parent in hanging:
                        self._failed[file.identity] = time.monotonic()
                    elif not await self._read_one(reader, file):
                        hanging.add(file.path.parent)
            await asyncio.to_thread(self.cache.save)
            return len(unread)

    async def _read_one(self, reader: _Reader, file: FoundFile) -> bool:
        """False: it took too long, or the reader did not survive it."""
        self._read_at[file.path] = time.monotonic()
        try:
            row = await reader.ask("facts", file.path, self._seconds)
            self.cache.put_facts(file.identity, FileFacts.from_dict(row))
        except BrokenFile as error:
            self.cache.put_facts(file.identity, BrokenFile(error.reason))  # without its traceback
        except OSError:
            self._failed[file.identity] = time.monotonic()
        except Unreadable:
            self._failed[file.identity] = time.monotonic()
            log.warning("%s could not be read within %.0f s", file.path, self._seconds)
            return False
        return True

    async def headers(self, paths: Iterable[Path]) -> list[GgufFile]:
        """All that the headers of these files say, not cached.

        Raises:
            BrokenFile: llama.cpp would not load it.
            OSError, Unreadable: it cannot be read now.
        """
        async with _Reader() as reader:
            return [_header(path, await reader.ask("header", path, self._seconds)) for path in paths]

    async def sha256(self, file: FoundFile) -> str:
        """The checksum of a file's content, in hexadecimal digits: cached, or computed beside all other work.

        Raises:
            OSError, Unreadable: as `headers`; also when the file changes meanwhile.
        """
        if known := self.cache.sha256(file.identity):
            return known
        if file.identity not in self._hashing:
            task = asyncio.create_task(self._hash(file), name="sha256")
            self._hashing[file.identity] = task
            task.add_done_callback(lambda task: self._hashed(file.identity, task))
        return await asyncio.shield(self._hashing[file.identity])

    def _hashed(self, identity: Identity, task: asyncio.Task[str]) -> None:
        del self._hashing[identity]
        if not task.cancelled():
            task.exception()  # whoever asked may be gone

    async def _hash(self, file: FoundFile) -> str:
        async with self._one_sum_at_a_time, _Reader() as reader:
            sha256 = str(await reader.ask("sha256", file.path, None))
            if Identity.of(await asyncio.to_thread(os.stat, file.path)) != file.identity:
                raise Unreadable("The file changed while its checksum was computed.")
            self.cache.put_sha256(file.identity, sha256)
            await asyncio.to_thread(self.cache.save)
            return sha256

    async def close(self) -> None:
        for task in (tasks := list(self._hashing.values())):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _Reader:
    """A child process that answers one request after another; started again where one did not survive."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._end()

    async def ask(self, want: Want, path: Path, seconds: float | None) -> Any:
        """
        Raises:
            BrokenFile, OSError: what became of the file.
            Unreadable: there is no answer in time, or ever.
        """
        process = self._process or await self._begin()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            async with asyncio.timeout(seconds):
                process.stdin.write(json.dumps({"want": want, "path": str(path)}).encode() + b"\n")
                await process.stdin.drain()
                line = await process.stdout.readline()
        except (TimeoutError, ConnectionError, ValueError) as error:
            await self._end()
            raise Unreadable("The file could not be read in time.") from error
        if not line.endswith(b"\n"):
            await self._end()
            raise Unreadable("The process that reads the file ended.")
        return _result(json.loads(line))

    async def _begin(self) -> asyncio.subprocess.Process:
        """Returns when the process is up: so a deadline is one for the file alone."""
        process = self._process = await _spawn()
        assert process.stdout is not None
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.stdout.readline(), START_SECONDS)
        return process

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        # While a disk hangs, a process that reads from it cannot end: asyncio reaps it when it does.
        ended = asyncio.create_task(process.wait(), name="end of file reader")
        try:
            await asyncio.wait([ended], timeout=_END_SECONDS)
        except asyncio.CancelledError:  # whoever cancels wants nothing to be left, and it has been killed already
            await asyncio.wait([ended], timeout=_END_SECONDS)
            raise
        finally:
            ended.cancel()


async def _spawn() -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",  # the working directory must not provide modules
        "-m",
        "jupyter_uml.loader.catalog.file_reader",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={name: os.environ[name] for name in _PASSED_ON if name in os.environ} | {"PYTHONUTF8": "1"},
        limit=_MAX_ANSWER,
        process_group=0,  # an interrupt of a kernel that has no server ends no reading
    )


def _header(path: Path, row: dict[str, Any]) -> GgufFile:
    metadata = {key: tuple(value) if isinstance(value, list) else value for key, value in row["metadata"].items()}
    tensors = tuple(GgufTensor(name, tuple(shape), *rest) for name, shape, *rest in row["tensors"])
    return GgufFile(path, row["size"], metadata, tensors)


def _result(answer: dict[str, Any]) -> Any:
    if "broken" in answer:
        raise BrokenFile(answer["broken"])
    if "failed" in answer:
        raise OSError(answer["failed"], os.strerror(answer["failed"]))
    return answer["result"]
