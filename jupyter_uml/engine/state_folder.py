"""Saved KV states on disk: `root/<fingerprint>/<name>.kv`, written and looked through by a background thread.

Several processes may share the folder, for the same model or for others. The file system is their only meeting place:
a file is whole or not there, its modification time says when it was used last, and its absence is no error. Whatever
goes wrong with the disk is logged once, and costs a prompt that is computed again.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from math import inf
from pathlib import Path

from jupyter_uml.engine.state_file import MAGIC, AbandonedWrite, DamagedState, read_header, read_state, write_state
from jupyter_uml.engine.state_space import SUFFIX, make_room
from jupyter_uml.engine.stored_state import StateIndex, StoredState

LOOK_SECONDS = 2.0  # how old the index may be, with regard to other processes, when a state is looked for
RETRY_SECONDS = 60.0  # how long nothing is written after the disk refused

log = logging.getLogger(__name__)


class StateFolder:
    """Thread-safe. `limit`: bytes of all files below `root`; `queue_limit`: bytes of states waiting to be written."""

    def __init__(self, root: Path, limit: int, queue_limit: int) -> None:
        self._root, self._limit, self._queue_limit = root, limit, queue_limit
        self._folder: Path | None = None  # until the fingerprint is known
        self._thread: threading.Thread | None = None
        self._changed = threading.Condition()  # guards all that follows
        self._index = StateIndex()  # of files, and of what will be one
        self._files: dict[str, StoredState] = {}  # by file name
        self._refused: set[str] = set()  # names of files that could not be read
        self._waiting: dict[StoredState, memoryview] = {}  # oldest first
        self._touched: set[StoredState] = set()
        self._look, self._closing, self._abandoned = False, False, False
        self._looked, self._counted, self._idle_until = -inf, -inf, -inf  # on the monotonic clock
        self._logged: set[str] = set()
        self.used = 0  # bytes

    @property
    def works(self) -> bool:
        """Whether states are written now."""
        return time.monotonic() >= self._idle_until

    def open(self, fingerprint: Callable[[], str]) -> None:
        self._thread = threading.Thread(target=self._run, args=(fingerprint,), name="kv-states", daemon=True)
        self._thread.start()

    def close(self, timeout: float) -> None:
        with self._changed:
            self._closing = True
            self._abandoned = self._folder is None and not self._waiting
            self._changed.notify()
        if self._thread is not None and not self._abandoned:
            self._thread.join(timeout)
        self._abandoned = True

    def find(self, owner: str, tokens: Sequence[int]) -> tuple[StoredState, int] | None:
        with self._changed:
            if time.monotonic() - self._looked > LOOK_SECONDS and not self._look:
                self._look = True
                self._changed.notify()
            return self._index.find(owner, tokens)

    def put(self, state: StoredState, payload: memoryview) -> None:
        """Write the state soon, unless one that is there does the same."""
        with self._changed:
            if not self.works or self._closing or state.size > self._limit:
                return
            better = self._index.replaces(state)
            if better is not None:
                self._touched.add(better)
                return
            self._give_up([other for other in self._waiting if state.replaces(other)])
            self._waiting[state] = payload
            self._index.add(state)
            while len(self._waiting) > 1 and sum(waiting.size for waiting in self._waiting) > self._queue_limit:
                self._give_up([next(iter(self._waiting))])
            self._changed.notify()

    def touch(self, state: StoredState) -> None:
        """Count the state as used now, where it is on disk."""
        with self._changed:
            self._touched.add(state)

    def load(self, state: StoredState) -> memoryview | None:
        """Read a state, its checksum verified."""
        with self._changed:
            waiting, folder = self._waiting.get(state), self._folder
        if waiting is not None or folder is None:
            return waiting
        name = state.name + SUFFIX
        try:
            found, payload = read_state(folder / name)
            if found != state:
                raise DamagedState(name)
        except FileNotFoundError:  # another process removed it
            self._forget(name)
        except (OSError, DamagedState) as error:
            self._refuse(folder / name, error)
        else:
            self.touch(state)
            return payload
        return None

    # --- The background thread ----------------------------------------------------------------------------------------

    def _run(self, fingerprint: Callable[[], str]) -> None:
        try:
            folder = self._folder = self._root / _folder_name(fingerprint())
        except Exception as error:  # the caller's function: without its answer no file can be named
            self._report("Computed prompts are not kept on disk", error)
            self._stop_writing(inf)
            return
        with suppress(OSError):
            self._make_room(0)
        self._look_through(folder)
        while self._next_job():
            while (job := self._next_write()) is not None:
                self._touch_files(folder)
                self._write(folder, *job)
            self._look_through(folder)
        self._touch_files(folder)

    def _next_job(self) -> bool:
        """Wait until there is something to do; False at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._look or self._closing)
            return not self._abandoned and (bool(self._waiting) or not self._closing)

    def _next_write(self) -> tuple[StoredState, memoryview] | None:
        with self._changed:
            return None if self._abandoned else next(iter(self._waiting.items()), None)

    def _write(self, folder: Path, state: StoredState, payload: memoryview) -> None:
        try:
            self._make_room(state.size)
            write_state(folder / (state.name + SUFFIX), state, payload, lambda: self._abandoned)
        except AbandonedWrite:
            return
        except OSError as error:
            self._report("A computed prompt could not be kept on disk", error)
            self._stop_writing(time.monotonic() + RETRY_SECONDS)
            return
        self.used += state.size
        with self._changed:
            self._waiting.pop(state, None)
            self._remember(state)
            needless = [other for other in self._index.replaced_by(state) if other not in self._waiting]
        for other in needless:
            self._delete(folder / (other.name + SUFFIX))

    def _make_room(self, size: int) -> None:
        """Counting 2,000 files takes 17 ms of the interpreter, so what was counted a moment ago is relied on."""
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        now = time.monotonic()
        scarce = self.used + size > self._limit or shutil.disk_usage(self._root).free < size
        if scarce or now - self._counted > LOOK_SECONDS:
            self.used, self._counted = make_room(self._root, size, self._limit), now

    def _look_through(self, folder: Path) -> None:
        """Take notice of what was added and removed, by other processes and by eviction."""
        with self._changed:
            self._look, self._looked = False, time.monotonic()
            known = self._files.keys() | self._refused
        try:
            names = {name for name in os.listdir(folder) if name.endswith(SUFFIX)}
        except FileNotFoundError:
            names = set()
        except OSError as error:
            self._report("Prompts that are kept on disk cannot be read", error)
            return
        for name in known - names:
            self._forget(name)
        for name in names - known:
            if not self._abandoned:
                self._notice(folder / name)

    def _notice(self, path: Path) -> None:
        try:
            state = read_header(path).state
            if state.name + SUFFIX != path.name:
                raise DamagedState(path.name)
        except FileNotFoundError:
            return
        except (OSError, DamagedState) as error:
            self._refuse(path, error)
            return
        with self._changed:
            self._remember(state)

    def _touch_files(self, folder: Path) -> None:
        with self._changed:
            touched, self._touched = self._touched, set()
        for state in touched:
            with suppress(OSError):
                os.utime(folder / (state.name + SUFFIX))

    # --- The index ----------------------------------------------------------------------------------------------------

    def _remember(self, state: StoredState) -> None:
        name = state.name + SUFFIX
        self._refused.discard(name)
        self._files[name] = state
        self._index.add(state)

    def _forget(self, name: str) -> None:
        """The file is gone."""
        with self._changed:
            self._refused.discard(name)
            state = self._files.pop(name, None)
            if state is not None and state not in self._waiting:
                self._index.remove(state)

    def _delete(self, path: Path) -> None:
        self._forget(path.name)
        with suppress(OSError):
            path.unlink(missing_ok=True)

    def _refuse(self, path: Path, error: Exception) -> None:
        """Don't read this file again; where it is damaged, delete it."""
        self._report("A prompt that was kept on disk is damaged or cannot be read", error)
        if isinstance(error, DamagedState):
            self._delete(path)
        self._forget(path.name)
        with self._changed:
            self._refused.add(path.name)

    def _give_up(self, states: Sequence[StoredState]) -> None:
        """Don't write these. What is already a file stays one."""
        for state in states:
            self._waiting.pop(state, None)
            if state.name + SUFFIX not in self._files:
                self._index.remove(state)

    def _stop_writing(self, until: float) -> None:
        with self._changed:
            self._idle_until = until
            self._give_up(list(self._waiting))

    def _report(self, what: str, error: Exception) -> None:
        if what not in self._logged:
            self._logged.add(what)
            log.warning("%s (%s).", what, getattr(error, "strerror", None) or type(error).__name__)


def _folder_name(fingerprint: str) -> str:
    """Other versions of the format and machines with another byte order have other folders too."""
    return hashlib.sha256(MAGIC + f"{sys.byteorder}\n{fingerprint}".encode()).hexdigest()[:40]
