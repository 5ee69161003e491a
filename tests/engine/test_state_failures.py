"""What other processes, kills, damaged files and full disks cost a state store: nothing but time."""

from __future__ import annotations

import logging
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from jupyter_uml.engine import state_folder
from jupyter_uml.engine.state_file import read_state
from jupyter_uml.engine.state_folder import StateFolder
from jupyter_uml.engine.state_store import StateStore
from jupyter_uml.engine.stored_state import StoredState
from tests.conftest import wait_until
from tests.engine.stores import GIGABYTE, PROMPT, files, loaded, opened, save, save_alone


@pytest.fixture
def always_looking(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other processes' changes are noticed at once."""
    monkeypatch.setattr(state_folder, "LOOK_SECONDS", 0.0)


# --- In RAM -----------------------------------------------------------------------------------------------------------


def run_python(code: str, folder: Path, limit: int | None = None) -> subprocess.CompletedProcess[str]:
    """Run `code` in another process; its files cannot become larger than `limit` bytes."""

    def limited() -> None:
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    return subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        capture_output=True,
        text=True,
        timeout=60,
        preexec_fn=limited,
        check=False,
    )


SAVE_IN_ANOTHER_PROCESS = """
import sys
from pathlib import Path
from jupyter_uml.engine.state_store import StateStore
store = StateStore(0, Path(sys.argv[1]), 1 << 30)
store.open(lambda: "model")
store.put("ann", [1, 2, 3], b"theirs", cuttable=True, disk=True)
store.close(20)
"""


@pytest.mark.usefixtures("always_looking")
def test_two_processes_share_a_folder(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with opened(tmp_path) as store:
        save(store, [7, 8], b"ours")
        assert run_python(SAVE_IN_ANOTHER_PROCESS, tmp_path).returncode == 0
        assert loaded(store, [1, 2, 3, 4]) == b"theirs"
        state, _ = store.find("ann", [1, 2, 3]) or (None, 0)
        assert state is not None
        for path in files(tmp_path):
            path.unlink()  # as another process does to make room
        assert store.load(state) is None
        assert store.find("ann", [1, 2, 3]) is None
        wait_until(lambda: store.find("ann", [7, 8]) is None)
    assert not caplog.records


KILLED_WHILE_WRITING = """
import os, signal, sys
from pathlib import Path
from jupyter_uml.engine import state_file
from jupyter_uml.engine.stored_state import StoredState
state_file.PIECE = 1 << 16
pieces = iter(range(5))
def abandoned():
    return next(pieces, None) is None and os.kill(os.getpid(), signal.SIGKILL)
folder = next(Path(sys.argv[1]).iterdir())
state = StoredState.of("ann", [1, 2, 3], 1 << 20, True)
state_file.write_state(folder / f"{state.name}.kv", state, memoryview(bytes(1 << 20)), abandoned)
"""


def test_a_write_that_was_killed_leaves_nothing_to_load(tmp_path: Path) -> None:
    save_alone(tmp_path, [7], b"state")
    assert run_python(KILLED_WHILE_WRITING, tmp_path).returncode == -signal.SIGKILL
    (left,) = tmp_path.glob("*/*.tmp")
    assert 0 < left.stat().st_size < 1 << 20
    with opened(tmp_path) as store:
        assert loaded(store, [7]) == b"state"
        assert store.find("ann", [1, 2, 3]) is None
    assert left.exists()  # it might be another process's that is still writing
    os.utime(left, (1e9, 1e9))
    with opened(tmp_path) as store:
        wait_until(lambda: not left.exists())
        assert loaded(store, [7]) == b"state"


# --- Damage -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", [0, 7, 9, 13, 20, 200, 500, -3000, -1])
def test_a_changed_byte_is_noticed(tmp_path: Path, place: int, caplog: pytest.LogCaptureFixture) -> None:
    save_alone(tmp_path, PROMPT, bytes(5000))
    (path,) = files(tmp_path)
    content = bytearray(path.read_bytes())
    content[place] ^= 0x10
    path.write_bytes(content)
    check_that_nothing_is_loaded(tmp_path, path)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


@pytest.mark.parametrize("length", [0, 3, 15, 16, 100, 4000, 5500, 9000])
def test_another_length_is_noticed(tmp_path: Path, length: int) -> None:
    save_alone(tmp_path, PROMPT, bytes(5000))
    (path,) = files(tmp_path)
    os.truncate(path, length)
    check_that_nothing_is_loaded(tmp_path, path)


def check_that_nothing_is_loaded(folder: Path, path: Path) -> None:
    """The damaged file is removed, by the index or by the first load."""
    with opened(folder) as store:
        state = wait_until(lambda: store.find("ann", PROMPT) or not path.exists())
        if isinstance(state, tuple):
            assert store.load(state[0]) is None
        assert store.find("ann", PROMPT) is None
        assert not path.exists()


def test_one_ones_file_under_another_ones_name_is_refused(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        save(store, [1, 2, 3], b"ann's", who="ann")
        save(store, [1, 2, 3], b"bob's", who="bob")
        wait_until(lambda: len(files(tmp_path)) == 2)
        one, other = files(tmp_path)
        shutil.copy(one, other)
        assert {loaded(store, [1, 2, 3], "ann"), loaded(store, [1, 2, 3], "bob")} in (
            {b"ann's", None},
            {b"bob's", None},
        )


FULL_DISK = """
import sys
from pathlib import Path
from jupyter_uml.engine.state_store import StateStore
store = StateStore(1 << 30, Path(sys.argv[1]), 1 << 30)
store.open(lambda: "model")
for token in range(3):
    store.put("ann", [token, 5], bytes(1 << 20), cuttable=True, disk=True)
store.close(20)
assert store.covers("ann", [1, 5], disk=True) == 2
assert len(store.load(store.find("ann", [1, 5])[0])) == 1 << 20
"""


def test_a_disk_without_room_costs_one_warning(tmp_path: Path) -> None:
    done = run_python(FULL_DISK, tmp_path, limit=500_000)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("could not be kept") == 1
    assert not list(tmp_path.glob("*/*"))


def test_a_folder_that_cannot_be_made_costs_one_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").touch()
    with opened(tmp_path / "file" / "states", ram=GIGABYTE) as store:
        save(store, PROMPT, b"state")
        wait_until(lambda: "could not be kept" in caplog.text)
        save(store, [1], b"more")
        assert loaded(store, PROMPT) == b"state"
    assert len([record for record in caplog.records if "could not be kept" in record.message]) == 1


def test_a_folder_that_vanishes_is_made_again(tmp_path: Path) -> None:
    with opened(tmp_path / "states") as store:
        save(store, [1], b"one")
        wait_until(lambda: files(tmp_path / "states"))
        shutil.rmtree(tmp_path / "states")
        assert store.load(wait_until(lambda: store.find("ann", [1]))[0]) is None
        save(store, [2], b"two")
    with opened(tmp_path / "states") as store:
        assert loaded(store, [2]) == b"two"


def test_a_model_without_a_fingerprint_has_no_disk(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = StateStore(GIGABYTE, tmp_path, GIGABYTE)
    store.open((tmp_path / "missing").read_text)
    wait_until(lambda: "not kept on disk" in caplog.text)
    save(store, PROMPT, b"state")
    assert store.covers("ann", PROMPT, disk=True) == 100  # or the caller would save it again and again
    assert loaded(store, PROMPT) == b"state"
    store.close(20)


# --- The queue --------------------------------------------------------------------------------------------------------


def test_states_that_wait_are_bounded_and_can_be_loaded(tmp_path: Path) -> None:
    known = threading.Event()
    folder = StateFolder(tmp_path, GIGABYTE, queue_limit=2500)
    folder.open(lambda: "model" if known.wait(20) else "")
    states = [StoredState.of("ann", [token], 1000, True) for token in range(5)]
    for state in states:
        folder.put(state, memoryview(state.key * 250))
    assert [folder.find(state.principal, state.tokens) for state in states] == [None] * 3 + [(s, 1) for s in states[3:]]
    assert folder.load(states[4]) == states[4].key * 250
    large = StoredState.of("ann", [9], 5000, True)  # one is written whatever its size
    folder.put(large, memoryview(bytes(5000)))
    known.set()
    folder.close(20)
    (path,) = files(tmp_path)
    assert read_state(path) == (large, bytes(5000))


def test_closing_does_not_wait_longer_than_it_may(tmp_path: Path) -> None:
    known = threading.Event()
    store = StateStore(2500, tmp_path, GIGABYTE)
    store.open(lambda: "model" if known.wait(20) else "")
    save(store, [1], b"one")
    store.close(0.01)
    known.set()
    wait_until(lambda: "kv-states" not in {thread.name for thread in threading.enumerate()})
    assert not files(tmp_path)
