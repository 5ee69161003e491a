"""State stores on real folders, and how tests use them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from jupyter_uml.engine.state_store import StateStore
from tests.conftest import wait_until

GIGABYTE = 1 << 30
PROMPT = list(range(1000, 1100))


@contextmanager
def opened(folder: Path, ram: int = 0, disk: int = GIGABYTE, fingerprint: str = "model") -> Iterator[StateStore]:
    """Without RAM by default, so that what is found comes from the disk. All writes are done when the block ends."""
    store = StateStore(ram, folder, disk)
    store.open(lambda: fingerprint)
    try:
        yield store
    finally:
        store.close(20)


def save(store: StateStore, tokens: Sequence[int], state: bytes, *, who: str = "ann", cuttable: bool = True) -> None:
    store.put(who, tokens, state, cuttable=cuttable, disk=True)


def save_alone(folder: Path, tokens: Sequence[int], state: bytes, disk: int = GIGABYTE) -> None:
    with opened(folder, disk=disk) as store:
        save(store, tokens, state)


def shared(store: StateStore, tokens: Sequence[int], who: str = "ann") -> int:
    found = store.find(who, tokens)
    return found[1] if found else 0


def loaded(store: StateStore, tokens: Sequence[int], who: str = "ann") -> bytes | None:
    """What the best state holds, as soon as the index knows one."""
    state, _ = wait_until(lambda: store.find(who, tokens))
    payload = store.load(state)
    return None if payload is None else bytes(payload)


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*/*.kv"))
