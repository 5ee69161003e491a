"""Saved states through both tiers: what is found, what survives, what goes first."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_uml.engine.state_store import StateStore
from tests.conftest import wait_until
from tests.engine.stores import GIGABYTE, PROMPT, files, loaded, opened, save, save_alone, shared


def test_the_state_that_saves_most_is_found() -> None:
    store = StateStore(GIGABYTE, None, 0)
    save(store, [1, 2, 9], b"short")
    save(store, [1, 2, 3, 4, 9], b"long")
    found = store.find("ann", [1, 2, 3, 4, 5])
    assert found is not None
    assert found[1] == 4
    assert found[0].tokens == (1, 2, 3, 4, 9)
    assert store.load(found[0]) == b"long"
    assert store.ram_used == 9
    store.close(1)


def test_nobody_finds_another_ones_state(tmp_path: Path) -> None:
    with opened(tmp_path, ram=GIGABYTE) as store:
        save(store, PROMPT, b"state")
        assert store.find("bob", PROMPT) is None
        assert store.covers("bob", PROMPT, disk=True) == 0
        assert shared(store, PROMPT) == 100


def test_a_state_that_cannot_be_cut_counts_only_as_a_whole() -> None:
    store = StateStore(GIGABYTE, None, 0)
    save(store, [1, 2, 3], b"abc", cuttable=False)
    save(store, [1, 2], b"ab", cuttable=False)
    assert shared(store, [1, 2, 9]) == 2
    assert shared(store, [1, 2, 3, 9]) == 3
    assert shared(store, [1, 9]) == 0
    assert store.ram_used == 5  # the longer one does not replace the shorter one


@pytest.mark.parametrize(
    "state", [b"\1\2\3\4", bytearray(b"\1\2\3\4"), memoryview(b"\1\2\3\4"), np.array([[1, 2], [3, 4]], np.uint8)]
)
def test_any_buffer_is_kept(state: bytes | np.ndarray[tuple[int, int], np.dtype[np.uint8]], tmp_path: Path) -> None:
    store = StateStore(GIGABYTE, tmp_path, GIGABYTE)
    store.open(lambda: "model")
    store.put("ann", [1], state, cuttable=True, disk=True)
    assert loaded(store, [1]) == b"\1\2\3\4"
    store.close(20)
    with opened(tmp_path) as again:
        assert loaded(again, [1]) == b"\1\2\3\4"


# --- On disk ----------------------------------------------------------------------------------------------------------


def test_a_state_survives_a_restart(tmp_path: Path) -> None:
    state = os.urandom(3_000_000)
    save_alone(tmp_path / "states", PROMPT, state)
    with opened(tmp_path / "states", ram=GIGABYTE) as store:
        assert loaded(store, [*PROMPT, 7]) == state
        assert store.ram_used == len(state)  # the next time it comes from RAM
        assert store.disk_used >= len(state)
        assert store.covers("ann", [*PROMPT, 7], disk=True) == 100


def test_files_are_private_and_hold_no_name(tmp_path: Path) -> None:
    with opened(tmp_path / "states") as store:
        save(store, PROMPT, b"state", who="ann@example.org")
    (path,) = files(tmp_path / "states")
    assert b"ann" not in path.read_bytes()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.parent.parent.stat().st_mode) == 0o700


def test_another_model_or_build_finds_nothing(tmp_path: Path) -> None:
    save_alone(tmp_path, PROMPT, b"state")
    with opened(tmp_path, fingerprint="another model") as store:
        save(store, [1], b"other")
        wait_until(lambda: store.find("ann", [1]))
        assert store.find("ann", PROMPT) is None
    assert len(files(tmp_path)) == 2


def test_only_what_is_to_be_on_disk_is_written(tmp_path: Path) -> None:
    with opened(tmp_path, ram=GIGABYTE) as store:
        store.put("ann", PROMPT, b"state", cuttable=True, disk=False)
        assert store.covers("ann", PROMPT, disk=True) == 0
        assert store.covers("ann", PROMPT, disk=False) == 100
        save(store, PROMPT[:50], b"half")  # in RAM the longer one does the same, on disk there is none
        assert store.covers("ann", PROMPT, disk=True) == 50
    assert len(files(tmp_path)) == 1


def test_a_longer_state_takes_the_place_of_its_beginning(tmp_path: Path) -> None:
    save_alone(tmp_path, PROMPT[:50], b"half")
    with opened(tmp_path) as store:
        wait_until(lambda: store.find("ann", PROMPT))
        save(store, PROMPT, b"whole")
        save(store, PROMPT[:70], b"needless")
    (path,) = files(tmp_path)
    assert path.read_bytes().endswith(b"whole")


def test_the_least_recently_used_file_goes_first(tmp_path: Path) -> None:
    for age, token in enumerate((3, 2, 1)):
        save_alone(tmp_path, [token], bytes([token]) * 1000)
        os.utime(next(p for p in files(tmp_path) if p.read_bytes()[-1] == token), (1e9 - age, 1e9 - age))
    limit = sum(path.stat().st_size for path in files(tmp_path)) + 500
    with opened(tmp_path, disk=limit) as store:
        assert loaded(store, [1]) == b"\1" * 1000  # the oldest one is now the one used last
        save(store, [4], b"\4" * 1000)
    assert {path.read_bytes()[-1] for path in files(tmp_path)} == {1, 3, 4}


def test_other_models_files_count_and_go_too(tmp_path: Path) -> None:
    save_alone(tmp_path, [1], bytes(1000))
    with opened(tmp_path, disk=1500, fingerprint="another model") as store:
        save(store, [2], bytes(1000))
        save(store, [3], bytes(1501))  # can never fit
    (path,) = files(tmp_path)
    with opened(tmp_path, fingerprint="another model") as store:
        assert loaded(store, [2]) == bytes(1000)
    assert path.exists()


PUTS = st.lists(st.tuples(st.sampled_from(["ann", "bob"]), st.lists(st.integers(0, 2), min_size=1, max_size=6)))


@settings(max_examples=10)
@given(st.lists(PUTS.filter(bool).map(lambda puts: puts[:4]), max_size=3))
def test_the_disk_keeps_what_a_dictionary_keeps(runs: list[list[tuple[str, list[int]]]]) -> None:
    """Each run is a process that finds what all runs before it have put."""
    plain: dict[str, list[list[int]]] = {"ann": [], "bob": []}
    with tempfile.TemporaryDirectory() as folder:
        for puts in runs:
            with opened(Path(folder)) as store:
                for who, tokens in puts:
                    save(store, tokens, bytes(tokens), who=who)
                    plain[who].append(tokens)
                for who, held in plain.items():
                    for tokens in held:
                        check_share(store, who, [*tokens[:4], 0, 1], held)


def check_share(store: StateStore, who: str, tokens: list[int], held: list[list[int]]) -> None:
    best = max(next((i for i, (a, b) in enumerate(pairs) if a != b), len(pairs)) for pairs in pairings(tokens, held))
    wait_until(lambda: shared(store, tokens, who) == best)
    payload = None
    while payload is None:  # a longer state's file may take the place of the one found, which then is found instead
        state, _ = store.find(who, tokens) or pytest.fail("found, and gone")
        payload = store.load(state)
    assert payload == bytes(state.tokens)
    assert list(state.tokens[:best]) == tokens[:best]


def pairings(tokens: list[int], held: list[list[int]]) -> list[list[tuple[int, int]]]:
    return [list(zip(tokens, one, strict=False)) for one in held]


# --- Processes --------------------------------------------------------------------------------------------------------
