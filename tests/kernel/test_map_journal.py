"""Answers that outlive the process that asked for them."""

import os
import stat
import sys
from pathlib import Path

import pytest

from jupyter_uml.kernel.mapping.journal import GROUP, KEPT_SECONDS, Journal, Record, key_of

RECORD = Record("ü\n{", "stop", 3, 2, 1)


def test_what_was_added_is_known_to_the_next_one(tmp_path: Path) -> None:
    first = Journal.of_run(tmp_path, "run")
    first.add("a", RECORD)
    second = Journal.of_run(tmp_path, "run")  # the first one was never closed, as after a crash
    assert second.known == {"a": RECORD}
    second.close()
    first.close()


def test_a_line_cut_short_costs_that_line_only(tmp_path: Path) -> None:
    journal = Journal.of_run(tmp_path, "run")
    for key in "abc":
        journal.add(key, RECORD)
    journal.close()
    path = tmp_path / "run.jsonl"
    whole = path.read_bytes()
    path.write_bytes(b"\xff\n[]\n1\n" + whole[:-20])
    again = Journal.of_run(tmp_path, "run")
    assert sorted(again.known) == ["a", "b"]
    again.add("c", RECORD)
    again.close()
    last = Journal.of_run(tmp_path, "run")
    assert sorted(last.known) == ["a", "b", "c"]
    last.close()


def test_a_fresh_one_forgets(tmp_path: Path) -> None:
    journal = Journal.of_run(tmp_path, "run")
    journal.add("a", RECORD)
    journal.close()
    fresh = Journal.of_run(tmp_path, "run", fresh=True)
    assert fresh.known == {}
    fresh.close()
    assert (tmp_path / "run.jsonl").read_bytes() == b""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    Journal.of_run(tmp_path, "run").close()
    assert stat.S_IMODE((tmp_path / "run.jsonl").stat().st_mode) == 0o600


def test_it_goes_to_the_disk_in_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    journal = Journal.of_run(tmp_path, "run")
    for number in range(GROUP):
        assert not journal.due
        journal.add(str(number), RECORD)
    assert journal.due
    journal.sync()
    assert not journal.due
    journal.add("last", RECORD)
    journal.close()
    assert len(synced) == 2


def test_those_that_nobody_uses_go(tmp_path: Path) -> None:
    old, young = tmp_path / "old.jsonl", tmp_path / "young.jsonl"
    for path, age in ((old, KEPT_SECONDS + 60), (young, KEPT_SECONDS - 60)):
        path.touch()
        changed = path.stat().st_mtime - age
        os.utime(path, (changed, changed))
    Journal.of_run(tmp_path, "run").close()
    assert not old.exists()
    assert young.exists()


def test_keys_are_of_the_content() -> None:
    assert key_of("a", {"x": 1, "y": [2]}) == key_of("a", {"y": [2], "x": 1})
    assert len({key_of("a", "b"), key_of("ab", ""), key_of(["a", "b"]), key_of("a", None), key_of("a")}) == 5
