"""Brings files of a repository into the cache: each one once on this machine, resumed where it was cut, and checked."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx2
from huggingface_hub import constants, hf_hub_url
from huggingface_hub.utils import (  # type: ignore[attr-defined]  # they are exported, but not declared so
    WeakFileLock,
    build_hf_headers,
    get_session,
    hf_raise_for_status,
)

from jupyter_uml import __version__
from jupyter_uml.errors import DownloadFailed
from jupyter_uml.loader.hub.cache import PartialFile, RepositoryCache
from jupyter_uml.loader.hub.faults import UnexpectedAnswerError, fault_of
from jupyter_uml.loader.hub.listing import HubFile
from jupyter_uml.loader.hub.messages import Came, Doing, FetchJob, Job, Message, Patience, Published

LIBRARY = "jupyter_uml"
_REQUEST_BYTES = 16 << 30  # content networks refuse to send more than some 50 GB at once
_TELL_SECONDS = 0.2

Send = Callable[[Message], None]


class Tries:
    """How often, and after which pause, something that went wrong is tried again."""

    def __init__(self, patience: Patience, before_wait: Callable[[], None]) -> None:
        self._patience, self._before_wait = patience, before_wait
        self._left, self._wait = patience.attempts, patience.first_wait

    def failed(self, error: Exception, *, progress: bool = False) -> None:
        """Wait until it is time for the next try. `progress`: the last one brought something.

        Raises:
            UmlError: there is no point in another one.
        """
        fault = fault_of(error)
        if progress:
            self._left, self._wait = self._patience.attempts, self._patience.first_wait
        self._left -= 1
        wait = self._wait if fault.wait is None else fault.wait
        if not fault.again or self._left <= 0 or wait > self._patience.longest_wait:
            raise fault.error from error
        self._before_wait()
        time.sleep(wait)
        self._wait *= 2


class Download:
    """The files of one job."""

    def __init__(self, job: FetchJob, send: Send) -> None:
        self._job, self._send = job, send
        self._cache = RepositoryCache(Path(job.cache or constants.HF_HUB_CACHE).expanduser(), job.repo)
        self._headers = build_hf_headers(token=token_for(job), library_name=LIBRARY, library_version=__version__)
        # What is there as a whole counts when it has been checked.
        self._there = {file: 0 if self._cache.has(file) else self._cache.bytes_of(file) for file in job.files}
        self._told: tuple[float, Doing] = (0.0, "waiting")

    def run(self) -> None:
        """
        Raises:
            UmlError: it cannot be had, or does not fit the disk.
            OSError: the cache cannot be written to.
        """
        self._cache.prepare(self._job.files)
        for file in self._job.files:
            with self._locked(file):
                if self._cache.has(file):
                    self._tell("verifying", file, 0, at_once=True)
                    self._cache.check(file)
                if not self._cache.has(file):
                    self._bring(file)
            self._tell("downloading", file, file.size_bytes, at_once=True)
        path = self._cache.publish(self._job.revision, self._job.commit, self._job.files)
        self._send(Published(str(path)))

    @contextmanager
    def _locked(self, file: HubFile) -> Iterator[None]:
        """Nobody else downloads this file; until then it is told how far they are."""
        with ExitStack() as stack:
            while True:
                try:
                    lock = WeakFileLock(self._cache.lock(file), timeout=self._job.patience.lock_poll)
                    stack.enter_context(lock)
                    break
                except TimeoutError:
                    self._tell("waiting", file, self._cache.bytes_of(file), at_once=True)
            yield

    def _bring(self, file: HubFile) -> None:
        self._tell("verifying" if self._cache.bytes_of(file) else "downloading", file, 0, at_once=True)
        with PartialFile(self._cache.partial(file), file) as partial:
            was_there = partial.size > 0
            self._fill(partial, file)
            if was_there and not partial.is_right:  # what was there may have been the fault: a disk that was cut off
                partial.clear()
                self._fill(partial, file)
            if not partial.is_right:
                partial.discard()
                raise DownloadFailed("What came is not what the hub announced: its SHA-256 is another one.")
            self._tell("verifying", file, partial.size, at_once=True)
            partial.finish(self._cache.blob(file))

    def _fill(self, partial: PartialFile, file: HubFile) -> None:
        tries = Tries(self._job.patience, lambda: self._tell("retrying", file, partial.size, at_once=True))
        while not partial.is_whole:
            before = partial.size
            try:
                self._request(partial, file)
                if partial.size == before:
                    raise UnexpectedAnswerError("an empty answer")
            except Exception as error:
                tries.failed(error, progress=partial.size > before)

    def _request(self, partial: PartialFile, file: HubFile) -> None:
        """One request for the rest. It goes to the hub each time: the addresses that it sends us to do not last."""
        url = hf_hub_url(self._job.repo, file.path, revision=self._job.commit, endpoint=self._job.endpoint)
        end = min(file.size_bytes, partial.size + _REQUEST_BYTES)
        wanted = {"Range": f"bytes={partial.size}-{end - 1}", "Accept-Encoding": "identity"}
        timeout = httpx2.Timeout(self._job.patience.silence)
        # A redirect to another host, such as a content network's, goes without our token: httpx sees to it.
        with get_session().stream("GET", url, headers=self._headers | wanted, timeout=timeout) as response:
            hf_raise_for_status(response)
            skip = _bytes_to_skip(response, partial.size)
            for chunk in response.iter_raw():
                new, skip = chunk[skip:], max(0, skip - len(chunk))
                partial.append(new[: file.size_bytes - partial.size])
                self._tell("downloading", file, partial.size)
                if partial.is_whole:
                    return

    def _tell(self, doing: Doing, file: HubFile, there: int, *, at_once: bool = False) -> None:
        now = time.monotonic()
        if at_once or doing != self._told[1] or now - self._told[0] >= _TELL_SECONDS:
            self._told = now, doing
            self._there[file] = max(there, self._there[file])
            self._send(Came(doing, file.path, sum(self._there.values())))


def token_for(job: Job) -> str | bool | None:
    """As huggingface_hub wants to have it told."""
    return False if job.token == "" else job.token


def _bytes_to_skip(response: httpx2.Response, start: int) -> int:
    """A server that does not know ranges sends all of a file.

    Raises:
        UnexpectedAnswerError: it sends another part than was asked for.
    """
    if response.status_code == 200:
        return start
    if response.status_code == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
        return 0
    raise UnexpectedAnswerError(f"status {response.status_code}")
