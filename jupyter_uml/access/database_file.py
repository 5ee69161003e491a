"""Opening the database file: made for its owner only, brought up to date, and moved aside where it is not ours.

Nothing here ever deletes or overwrites a file: what cannot be used gets another name, and the log says so aloud.
"""

from __future__ import annotations

import logging
import os
import re
import sqlite3
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from jupyter_uml.access.file_lock import locked_path
from jupyter_uml.errors import InsufficientDisk, Overloaded, UmlError

APPLICATION_ID = 0x756D6C31  # "uml1", in the file's header
BUSY_SECONDS = 5.0  # that another process may hold the file
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_NO_ROOM = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN)
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)

log = logging.getLogger(__name__)


class _ForeignFileError(sqlite3.DatabaseError):
    """A sound database that belongs to another program."""


def open_database(
    path: Path,
    migrations: Sequence[str],
    max_bytes: int | None = None,
    damaged: tuple[int, int] | None = None,
) -> sqlite3.Connection:
    """A connection for writing, in autocommit mode. It may be used by any one thread at a time.

    `migrations`: SQL scripts; the file's `user_version` says how many of them it has seen. `max_bytes`: the most that
    the file may take. `damaged`: the identity of a file that is known to be so.

    Raises:
        UmlError: the file is of a newer release, or the disk does not take it.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with locked_path(path.with_name(f"{path.name}.lock")):
            if damaged is not None and file_identity(path) == damaged:  # else another server was here before
                _move_aside(path, "damaged")
            try:
                return _open(path, migrations, max_bytes)
            except sqlite3.Error as error:
                if not is_damage(error):
                    raise
                _move_aside(path, "foreign" if isinstance(error, _ForeignFileError) else "damaged")
                return _open(path, migrations, max_bytes)
    except sqlite3.Error as error:
        raise storage_error(error) from error
    except OSError as error:
        raise InsufficientDisk(f"The server's records cannot be opened: {error.strerror}.") from error


def connect_for_reading(path: Path) -> sqlite3.Connection:
    """A connection that changes nothing. It never waits for a writer."""
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None)
    connection.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000:.0f}")
    connection.execute("PRAGMA query_only = 1")
    return connection


def is_damage(error: sqlite3.Error) -> bool:
    return isinstance(error, _ForeignFileError) or _primary(error) in _DAMAGE


def storage_error(error: sqlite3.Error) -> UmlError:
    """What a caller is told; the log is told more."""
    if _primary(error) in _BUSY:
        return Overloaded("Another server is writing its records. Try again.", retry_after=1)
    if _primary(error) in _NO_ROOM:
        return InsufficientDisk("The server cannot write its records: its disk is full or fails.")
    return UmlError("The server's records cannot be used; its log says why.")


def file_identity(path: Path) -> tuple[int, int]:
    """Changes when another file takes the name; (0, 0) where there is none."""
    try:
        found = path.stat()
    except OSError:
        return (0, 0)
    return (found.st_dev, found.st_ino)


def _primary(error: sqlite3.Error) -> int:
    """SQLite's plain result code, without the details of the extended one."""
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF


def _open(path: Path, migrations: Sequence[str], max_bytes: int | None) -> sqlite3.Connection:
    _make_private(path)
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        _check(connection, len(migrations))
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")  # a commit returns when it is on the disk
        connection.execute("PRAGMA secure_delete = FAST")
        connection.execute(f"PRAGMA journal_size_limit = {16 << 20}")
        _migrate(connection, migrations)
        if max_bytes is not None:
            page = connection.execute("PRAGMA page_size").fetchone()[0]
            connection.execute(f"PRAGMA max_page_count = {max(1, max_bytes // page)}")
    except BaseException:
        connection.close()
        raise
    return connection


def _make_private(path: Path) -> None:
    """SQLite gives the files beside it, `-wal` and `-shm`, the mode of the database."""
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    for name in (path, *_companions(path)):
        with suppress(FileNotFoundError):
            os.chmod(name, 0o600)


def _check(connection: sqlite3.Connection, known: int) -> None:
    """
    Raises:
        sqlite3.DatabaseError: damaged, or another program's.
        UmlError: a newer release's.
    """
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if not tables:
        return
    if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise _ForeignFileError("another program's database")
    if connection.execute("PRAGMA user_version").fetchone()[0] > known:
        raise UmlError("The server's records were written by a newer release of jupyter_uml. Install that one.")
    # The table of keys is small and worth more than the rest, where damage is found when it is come across.
    if connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'keys'").fetchone()[0]:
        look_for_damage(connection, "keys")


def look_for_damage(connection: sqlite3.Connection, table: str | int = 1) -> None:
    """`table`: its name; by default all of the file is read.

    Raises:
        sqlite3.DatabaseError: it is damaged.
    """
    verdict = connection.execute(f"PRAGMA quick_check({table})").fetchone()[0]
    if verdict != "ok":
        error = sqlite3.DatabaseError(verdict)
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise error


def _migrate(connection: sqlite3.Connection, migrations: Sequence[str]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        for script in migrations[version:]:
            for statement in _statements(script):
                connection.execute(statement)
        if version < len(migrations):
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {len(migrations)}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _statements(script: str) -> list[str]:
    """`executescript` would commit before each script. A statement ends at the semicolon at which SQLite says so."""
    found, statement = [], ""
    for piece in re.split("(?<=;)", script):
        statement += piece
        if sqlite3.complete_statement(statement):
            found.append(statement)
            statement = ""
    return found


def _move_aside(path: Path, reason: str) -> None:
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    name, n = f"{path.name}.{reason}-{stamp}", 0
    while path.with_name(name).exists():
        n += 1
        name = f"{path.name}.{reason}-{stamp}-{n}"
    for old in (path, *_companions(path)):
        with suppress(FileNotFoundError):
            os.replace(old, path.with_name(name + old.name.removeprefix(path.name)))
    log.critical(
        "%s is %s. It was moved to %s and a new one was begun: keys that it held are not valid any more.",
        path,
        "a database of another program" if reason == "foreign" else "damaged",
        name,
    )


def _companions(path: Path) -> list[Path]:
    return [path.with_name(path.name + ending) for ending in ("-wal", "-shm", "-journal")]
