"""The audit file: whole lines, in time on the disk, from several servers, on full disks."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import resource
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jupyter_uml.access import AuditEvent, AuditLog, read_events
from jupyter_uml.errors import RecordsUnavailable

pytestmark = pytest.mark.anyio


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "uml" / "audit.jsonl"


@pytest.fixture
def log(path: Path) -> Iterator[AuditLog]:
    audit = AuditLog(path, tick=0.02)
    yield audit
    audit.close()


def actions(path: Path) -> list[str]:
    return [event["action"] for event in read_events(path)]


async def test_an_event_is_a_line_when_it_was_awaited(path: Path, log: AuditLog) -> None:
    await log.write(AuditEvent("key.create", "ok", "key_a", "ci", target="key_b", details={"scopes": "infer"}))
    (event,) = read_events(path)
    assert time.time() - event.pop("time") < 5
    assert event.pop("id")
    assert event == {
        "action": "key.create",
        "outcome": "ok",
        "principal_id": "key_a",
        "principal_name": "ci",
        "target": "key_b",
        "details": {"scopes": "infer"},
    }
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_what_is_on_the_disk_was_synced_before_it_was_acknowledged(
    path: Path, log: AuditLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda handle: synced.append(os.fstat(handle).st_size))
    await log.write(AuditEvent("a"))
    assert path.stat().st_size in synced


async def test_hostile_text_stays_in_its_line(path: Path, log: AuditLog) -> None:
    for text in ("a\nb", "\ud800", "\u2028", '"},{"', "\x00", "x" * 10**6):
        await log.write(AuditEvent("a", target=text, principal_name=text))
    lines = path.read_bytes().splitlines()
    assert [json.loads(line)["action"] for line in lines] == ["a"] * 6


async def test_closing_writes_what_was_noted(path: Path) -> None:
    log = AuditLog(path)
    for n in range(100):
        log.note(AuditEvent(f"{n}"))
    log.close()
    assert actions(path) == [f"{n}" for n in range(100)]


async def test_a_full_file_gets_a_number_and_the_oldest_goes(path: Path) -> None:
    log = AuditLog(path, max_bytes=1000, keep=3)
    for n in range(60):
        await log.write(AuditEvent(f"{n}", target="x" * 100))
    log.close()
    files = [path.with_name(f"{path.name}.{n}") for n in (3, 2, 1)]
    found = [action for file in (*files, path) for action in actions(file)]
    assert found == [f"{n}" for n in range(60 - len(found), 60)]
    assert all(file.stat().st_size <= 1000 for file in (*files, path))
    assert len(list(path.parent.iterdir())) == 4


async def test_a_line_that_a_kill_cut_short_spoils_no_other(path: Path) -> None:
    log = AuditLog(path)
    await log.write(AuditEvent("before"))
    with path.open("ab") as file:
        file.write(b'{"action": "to')
    await log.write(AuditEvent("after"))
    log.close()
    assert actions(path) == ["before", "after"]


async def test_a_file_that_was_moved_away_is_begun_anew(path: Path, log: AuditLog) -> None:
    await log.write(AuditEvent("old"))
    path.rename(path.with_name("shipped"))
    await log.write(AuditEvent("new"))
    assert (actions(path.with_name("shipped")), actions(path)) == (["old"], ["new"])


CHILD = """
import asyncio, sys
from pathlib import Path
from jupyter_uml.access import AuditEvent, AuditLog

async def main():
    log = AuditLog(Path(sys.argv[1]), max_bytes=int(sys.argv[3]), keep=1000)
    for n in range(int(sys.argv[4])):
        await log.write(AuditEvent(f"{sys.argv[2]}-{n}"))
        print(n, flush=True)
    log.close()

asyncio.run(main())
"""


def child(*arguments: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", CHILD, *map(str, arguments)], stdout=subprocess.PIPE)


async def test_servers_share_the_file_while_it_is_rotated(path: Path) -> None:
    children = [child(path, name, 2000, 150) for name in "abc"]
    for process in children:
        process.communicate(timeout=60)
        assert process.returncode == 0
    found = [action for file in path.parent.iterdir() for action in actions(file)]
    assert sorted(found) == sorted(f"{name}-{n}" for name in "abc" for n in range(150))


async def test_kills_lose_nothing_that_was_acknowledged(path: Path) -> None:
    acknowledged = []
    for run in range(5):
        process = child(path, run, 5000, 10**9)
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(50)]
        process.send_signal(signal.SIGKILL)
        lines += process.communicate()[0].splitlines(keepends=True)
        acknowledged += [f"{run}-{int(line)}" for line in lines if line.endswith(b"\n")]
    found = {action for file in path.parent.iterdir() for action in actions(file)}
    assert len(acknowledged) >= 250
    assert not set(acknowledged) - found


@pytest.mark.parametrize("policy", ["go_on", "refuse"])
async def test_a_full_disk(path: Path, policy: Any, caplog: pytest.LogCaptureFixture) -> None:
    log = AuditLog(path, on_full_disk=policy, tick=0.02)
    await log.write(AuditEvent("before"))
    before = path.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 50, hard))  # so that a part of a line has room
    try:
        results = await asyncio.gather(log.write(AuditEvent("lost")), return_exceptions=True)
        log.note(AuditEvent("lost, too"))
        try:
            log.check()
            refused = False
        except RecordsUnavailable:
            refused = True
        while log.trouble.lost < 2:
            await asyncio.sleep(0.01)
        assert path.read_bytes() == before, "all of a line or nothing"
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert refused == isinstance(results[0], RecordsUnavailable) == (policy == "refuse")
    while log.trouble.now:
        await asyncio.sleep(0.01)
    await log.write(AuditEvent("after"))
    log.close()
    assert actions(path) == ["before", "audit.resumed", "after"]
    assert list(read_events(path))[1]["details"] == {"lost": 2}
    assert [record.levelno for record in caplog.records] == [logging.CRITICAL, logging.WARNING]
