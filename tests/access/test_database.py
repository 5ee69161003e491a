"""What was acknowledged is there: after kills, on full disks, beside other servers and in place of damaged files."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import resource
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from jupyter_uml.access import Database
from jupyter_uml.errors import InsufficientDisk, Overloaded, UmlError

pytestmark = pytest.mark.anyio

MIGRATIONS = ("CREATE TABLE notes (text TEXT UNIQUE);",)
NEXT = (*MIGRATIONS, "ALTER TABLE notes ADD COLUMN colour TEXT; UPDATE notes SET colour = 'red';")

Open = Callable[..., Database]


def note(text: str) -> Callable[[sqlite3.Connection], None]:
    def work(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO notes (text) VALUES (?)", (text,))

    return work


def notes(connection: sqlite3.Connection) -> list[str]:
    return [row[0] for row in connection.execute("SELECT text FROM notes ORDER BY rowid")]


def moved_aside(path: Path) -> list[Path]:
    return sorted(found for found in path.parent.iterdir() if ".damaged-" in found.name or ".foreign-" in found.name)


async def test_what_was_written_is_read_here_and_elsewhere(open_database: Open) -> None:
    one, other = open_database(migrations=MIGRATIONS), open_database(migrations=MIGRATIONS)
    await one.write(note("a"))
    await other.write(note("b"))
    assert await one.read(notes) == await other.read(notes) == ["a", "b"]


async def test_writes_that_wait_share_a_commit(open_database: Open) -> None:
    database = open_database(migrations=MIGRATIONS)
    groups = []
    database.add_source(lambda: groups.append(1))  # asked once a group
    goes_on = Event()
    held = asyncio.ensure_future(database.write(lambda _: goes_on.wait(10)))
    await asyncio.sleep(0)
    writes = [asyncio.ensure_future(database.write(note(str(n)))) for n in range(300)]
    await asyncio.sleep(0)
    before = len(groups)
    goes_on.set()
    await asyncio.gather(held, *writes)
    assert len(groups) - before <= 2
    assert len(await database.read(notes)) == 300


async def test_an_error_undoes_only_what_its_own_job_did(open_database: Open) -> None:
    database = open_database(migrations=MIGRATIONS)

    def fails(connection: sqlite3.Connection) -> None:
        note("half")(connection)
        raise KeyError("mine")

    results = await asyncio.gather(
        database.write(note("a")),
        database.write(fails),
        database.write(note("a")),
        database.write(lambda c: c.execute("no SQL")),
        database.write(note("b")),
        return_exceptions=True,
    )
    assert [type(result) for result in results] == [type(None), KeyError, sqlite3.IntegrityError, UmlError, type(None)]
    assert await database.read(notes) == ["a", "b"]


async def test_a_write_that_is_cancelled_in_time_is_not_done(open_database: Open) -> None:
    database = open_database(migrations=MIGRATIONS)
    goes_on = Event()
    held = database.submit(lambda _: goes_on.wait(10))
    while not held.running():
        await asyncio.sleep(0)
    cancelled = asyncio.ensure_future(database.write(note("never")))
    await asyncio.sleep(0)
    cancelled.cancel()
    await asyncio.sleep(0)
    goes_on.set()
    await database.write(note("after"))
    assert await database.read(notes) == ["after"]


async def test_closing_writes_what_waits(path: Path) -> None:
    database = Database(path, migrations=MIGRATIONS)
    waiting = [database.submit(note(str(n))) for n in range(50)]
    database.close()
    assert all(future.exception() is None for future in waiting)
    with closing(sqlite3.connect(path)) as connection:
        assert len(notes(connection)) == 50
    with pytest.raises(UmlError, match="stopping"):
        database.submit(note("late"))


async def test_nobody_else_can_read_the_files(path: Path) -> None:
    path.parent.mkdir(mode=0o700)
    path.touch(0o666)
    path.chmod(0o666)
    before = os.umask(0)
    try:
        database = Database(path, migrations=MIGRATIONS)
        await database.write(note("a"))
        modes = {found.name: stat.S_IMODE(found.stat().st_mode) for found in path.parent.iterdir()}
        database.close()
    finally:
        os.umask(before)
    assert set(modes) >= {path.name, f"{path.name}-wal", f"{path.name}-shm"}
    assert set(modes.values()) == {0o600}


async def test_a_new_folder_is_its_owners(tmp_path: Path) -> None:
    Database(tmp_path / "new" / "access.sqlite").close()
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700


async def test_an_older_file_is_brought_up_to_date(path: Path, open_database: Open) -> None:
    old = Database(path, migrations=MIGRATIONS)
    await old.write(note("kept"))
    old.close()
    new = open_database(migrations=NEXT)
    assert await new.read(lambda c: c.execute("SELECT * FROM notes").fetchall()) == [("kept", "red")]


async def test_a_migration_that_fails_leaves_the_file_as_it_was(path: Path) -> None:
    Database(path, migrations=MIGRATIONS).close()
    with pytest.raises(UmlError):
        Database(path, migrations=(*MIGRATIONS, "CREATE TABLE more (a); CREATE TABLE notes (b);"))
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall() == [("notes",)]
        assert connection.execute("PRAGMA user_version").fetchone() == (1,)


async def test_a_newer_releases_file_is_left_alone(path: Path) -> None:
    Database(path, migrations=NEXT).close()
    before = path.read_bytes()
    with pytest.raises(UmlError, match="newer release"):
        Database(path, migrations=MIGRATIONS)
    assert path.read_bytes() == before
    assert not moved_aside(path)


# --- damage ---


def garbage(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(random.Random(1).randbytes(9000))


def another_programs(path: Path) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE theirs (a)")


def broken_in_the_middle(path: Path) -> None:
    with closing(Database(path)):
        pass
    data = bytearray(path.read_bytes())
    data[100:] = bytes(len(data) - 100)
    path.write_bytes(data)


@pytest.mark.parametrize("spoil", [garbage, another_programs, broken_in_the_middle])
async def test_what_cannot_be_used_is_moved_aside_with_an_alarm(
    path: Path, spoil: Callable[[Path], None], open_database: Open, caplog: pytest.LogCaptureFixture
) -> None:
    spoil(path)
    before = path.read_bytes()
    database = open_database(migrations=MIGRATIONS)
    await database.write(note("works"))
    (aside,) = moved_aside(path)
    assert aside.read_bytes() == before
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [record.levelno for record in caplog.records] == [logging.CRITICAL]
    assert aside.name in caplog.text


async def test_damage_that_is_found_later_is_moved_aside_too(
    path: Path, open_database: Open, caplog: pytest.LogCaptureFixture
) -> None:
    database = open_database(migrations=MIGRATIONS)
    rows = [("x" * 99 + str(n),) for n in range(500)]
    await database.write(lambda c: c.executemany("INSERT INTO notes VALUES (?)", rows))
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with path.open("r+b") as file:
        file.seek(4 * 4096)
        file.write(b"?" * 40_000)
    with pytest.raises(UmlError):
        await database.read(lambda c: c.execute("SELECT count(*) FROM notes WHERE text > 'x'").fetchone())
    await database.flush()
    assert [found.name for found in moved_aside(path) if found.stat().st_size > 40_000]
    await database.write(note("goes on"))
    assert await database.read(notes) == ["goes on"]
    assert "damaged" in caplog.text


async def test_a_file_that_was_deleted_in_use_is_begun_anew_under_its_name(
    path: Path, open_database: Open, caplog: pytest.LogCaptureFixture
) -> None:
    database = open_database(migrations=MIGRATIONS)
    await database.write(note("lost"))
    for found in path.parent.glob(f"{path.name}*"):
        found.unlink()
    await database.write(note("kept"))
    assert await database.read(notes) == ["kept"]
    with closing(sqlite3.connect(path)) as connection:
        assert notes(connection) == ["kept"]
    assert "removed or replaced" in caplog.text


# --- other processes ---


async def test_readers_wait_for_no_writer_and_the_event_loop_for_nobody(path: Path, open_database: Open) -> None:
    database = open_database(migrations=MIGRATIONS)
    await database.write(note("before"))
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        waiting = asyncio.ensure_future(database.write(note("after")))
        start = time.monotonic()
        assert await database.read(notes) == ["before"]
        assert time.monotonic() - start < 1
        assert not waiting.done()
        other.execute("COMMIT")
    await waiting
    assert await database.read(notes) == ["before", "after"]


async def test_who_holds_the_file_too_long_is_reported(
    path: Path, open_database: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jupyter_uml.access.database_file.BUSY_SECONDS", 0.05)
    database = open_database(migrations=MIGRATIONS)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Overloaded) as caught:
            await database.write(note("a"))
    assert caught.value.retry_after
    await database.write(note("b"))
    assert await database.read(notes) == ["b"]


CHILD = """
import sys
from pathlib import Path
from jupyter_uml.access import Database

def note(text):
    return lambda c: c.execute("INSERT INTO notes (text) VALUES (?)", (text,)) and None

database = Database(Path(sys.argv[1]), migrations=("CREATE TABLE notes (text TEXT UNIQUE);",))
"""
WRITER = (
    CHILD
    + """
count = int(sys.argv[3])
for n in range(0, count, 4):
    for future in [database.submit(note(f"{sys.argv[2]}-{n + i}")) for i in range(4)]:
        future.result()
    print(n + 3, flush=True)
database.close()
"""
)


def child(script: str, *arguments: object, **options: Any) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)


def numbers_of(writer: subprocess.Popen[bytes]) -> list[int]:
    out, errors = writer.communicate(timeout=60)
    assert not errors, errors.decode()
    return [int(line) for line in out.splitlines() if line]


async def test_several_servers_share_the_file(path: Path, open_database: Open) -> None:
    writers = [child(WRITER, path, name, 200) for name in "abc"]
    for writer in writers:
        assert numbers_of(writer)[-1] == 199
    found = await open_database(migrations=MIGRATIONS).read(notes)
    assert sorted(found) == sorted(f"{name}-{n}" for name in "abc" for n in range(200))


@pytest.mark.timeout(180)
async def test_fifty_kills_lose_nothing_that_was_acknowledged(path: Path, open_database: Open) -> None:
    chance = random.Random(6)
    acknowledged = []
    for run in range(50):
        writer = child(WRITER, path, run, 1 << 30)
        assert writer.stdout is not None
        if run % 5:  # every fifth dies somewhere in its start
            acknowledged += [f"{run}-{n}" for n in range(int(writer.stdout.readline()) + 1)]
        time.sleep(chance.uniform(0, 0.06))
        writer.send_signal(signal.SIGKILL)
        lines = numbers_of(writer)
        acknowledged += [f"{run}-{n}" for n in range(lines[-1] + 1)] if lines else []
    database = open_database(migrations=MIGRATIONS)
    found = set(await database.read(notes))
    assert len(acknowledged) > 1000
    assert not set(acknowledged) - found
    assert await database.read(lambda c: c.execute("PRAGMA integrity_check").fetchone()) == ("ok",)
    assert not moved_aside(path)


# --- full disks ---


async def test_a_full_disk_is_an_error_of_its_own_and_passes(open_database: Open) -> None:
    database = open_database(migrations=MIGRATIONS, max_bytes=64 << 10)
    await database.write(note("first"))
    with pytest.raises(InsufficientDisk):
        await database.write(note("x" * (128 << 10)))
    small, large = await asyncio.gather(
        database.write(note("small")), database.write(note("y" * (128 << 10))), return_exceptions=True
    )
    assert small is None, "it has room, whatever came with it"
    assert isinstance(large, InsufficientDisk)
    await database.write(lambda c: c.execute("DELETE FROM notes WHERE text = 'first'") and None)
    assert await database.read(notes) == ["small"]


LIMITED = (
    CHILD
    + """
from jupyter_uml.errors import InsufficientDisk
n = 0
try:
    while True:
        database.submit(note(f"{n}" + "x" * 5000)).result()
        print(n, flush=True)
        n += 1
except InsufficientDisk:
    database.close()
"""
)


async def test_a_disk_that_becomes_full_loses_nothing_that_was_acknowledged(path: Path, open_database: Open) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (300 << 10, 300 << 10))

    writer = child(LIMITED, path, preexec_fn=limit)
    out, errors = writer.communicate(timeout=60)
    assert writer.returncode == 0, errors.decode()
    count = int(out.splitlines()[-1]) + 1
    assert count > 10
    assert len(await open_database(migrations=MIGRATIONS).read(notes)) == count
