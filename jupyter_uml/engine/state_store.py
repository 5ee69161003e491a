"""Saved KV states of one model: in RAM, and on disk so that a restart does not compute a prompt again.

store = StateStore(ram_bytes=1 << 30, folder=Path("…"), disk_bytes=8 << 30)
store.open(lambda: f"{file_sha256(model, cache)} {llama_cpp.__version__} f16")
store.put("ann", tokens, state, cuttable=True, disk=True)
state, shared = store.find("ann", prompt)
payload = store.load(state)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jupyter_uml.engine.state_folder import StateFolder
from jupyter_uml.engine.state_memory import StateMemory
from jupyter_uml.engine.stored_state import StoredState, principal_hash

SMALLEST_QUEUE = 1 << 26  # bytes

Buffer = bytes | bytearray | memoryview | np.ndarray[Any, Any]


class StateStore:
    """Two tiers of saved states. One thread calls; a second one reads the folder and writes to it."""

    def __init__(self, ram_bytes: int, folder: Path | None, disk_bytes: int) -> None:
        self._memory = StateMemory(ram_bytes)
        # States that wait to be written are mostly those of the RAM tier, so both have the same limit.
        queue = max(ram_bytes, SMALLEST_QUEUE)
        self._disk = None if folder is None or disk_bytes <= 0 else StateFolder(folder, disk_bytes, queue)

    @property
    def keeps(self) -> bool:
        """Whether there is any use in giving it a state."""
        return self._memory.limit > 0 or self._disk_works

    @property
    def ram_used(self) -> int:
        """Bytes of states in RAM, without those that only wait to be written."""
        return self._memory.used

    @property
    def disk_used(self) -> int:
        """Bytes of the folder's states, other models' too, when it was last looked at."""
        return self._disk.used if self._disk else 0

    def open(self, fingerprint: Callable[[], str]) -> None:
        """Begin to read the folder's index in the background; until that is done, nothing is found on disk.

        `fingerprint` is called there, once, and may take its time. It names all on which a state depends: the model
        file's SHA-256, the build of llama.cpp, the types of the cache, ….
        """
        if self._disk:
            self._disk.open(fingerprint)

    def put(self, principal: str, tokens: Sequence[int], state: Buffer, *, cuttable: bool, disk: bool) -> None:
        """Keep a state of `tokens`, with `disk` also in the folder. The buffer is kept: change it no more."""
        payload = (state.data if isinstance(state, np.ndarray) else memoryview(state)).cast("B").toreadonly()
        stored = StoredState.of(principal, tokens, len(payload), cuttable)
        self._memory.put(stored, payload)
        if disk and self._disk:
            self._disk.put(stored, payload)

    def find(self, principal: str, tokens: Sequence[int]) -> tuple[StoredState, int] | None:
        """The state that saves most of `tokens`, and how many of them."""
        return self._find(principal_hash(principal), tokens, disk_only=False)

    def covers(self, principal: str, tokens: Sequence[int], *, disk: bool) -> int:
        """How many of `tokens` a state holds; with `disk`, one that is or will be on disk, where there is a disk."""
        found = self._find(principal_hash(principal), tokens, disk_only=disk and self._disk_works)
        return found[1] if found else 0

    def load(self, found: StoredState) -> memoryview | None:
        """A state's bytes, read-only; None where it is gone or damaged: it is not found again, but maybe the next best.

        A checksum is verified, so what llama.cpp is given is what it gave.
        """
        payload = self._memory.load(found)
        if self._disk is None:
            return payload
        if payload is not None:
            self._disk.touch(found)
            return payload
        payload = self._disk.load(found)
        if payload is not None:
            self._memory.put(found, payload)
        return payload

    def close(self, timeout: float) -> None:
        """Finish what waits to be written; what is not on disk after `timeout` seconds is given up."""
        if self._disk:
            self._disk.close(timeout)

    @property
    def _disk_works(self) -> bool:
        return self._disk is not None and self._disk.works

    def _find(self, owner: str, tokens: Sequence[int], disk_only: bool) -> tuple[StoredState, int] | None:
        found = None if disk_only else self._memory.index.find(owner, tokens)
        on_disk = self._disk.find(owner, tokens) if self._disk else None
        if found is None or (on_disk is not None and on_disk[1] > found[1]):
            return on_disk
        return found
