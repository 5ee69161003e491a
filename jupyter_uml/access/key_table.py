"""The keys' table: SQL, and nothing but."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from typing import Any

from jupyter_uml.access.key import Key
from jupyter_uml.access.principal import ALL_SCOPES, Limits
from jupyter_uml.errors import InvalidRequest, KeyNotFound

MOST_KEYS = 10_000

_COLUMNS = "id, name, scopes, models, limits, created, expires_at, revoked_at, last_used"


def load(connection: sqlite3.Connection) -> tuple[int, dict[bytes, Key]]:
    """The generation, and all keys by the digest of their secret."""
    rows = connection.execute(f"SELECT digest, {_COLUMNS} FROM keys ORDER BY created")
    return generation(connection), {row[0]: _key(row[1:]) for row in rows}


def generation(connection: sqlite3.Connection) -> int:
    """Another number whenever a key was made or changed."""
    return int(connection.execute("SELECT value FROM keys_generation").fetchone()[0])


def insert(key: Key, digest: bytes) -> Callable[[sqlite3.Connection], None]:
    def work(connection: sqlite3.Connection) -> None:
        _make_room(connection, key.created)
        scopes, models = json.dumps(sorted(key.scopes)), json.dumps(key.models) if key.models is not None else None
        limits = json.dumps(key.limits.given())
        row = (key.id, key.name, scopes, models, limits, key.created, key.expires_at, None, None, digest)
        connection.execute(f"INSERT INTO keys ({_COLUMNS}, digest) VALUES (?,?,?,?,?,?,?,?,?,?)", row)

    return work


def revoke(key_id: str, time: float) -> Callable[[sqlite3.Connection], None]:
    """A key that was revoked before stays revoked since then."""
    return _change(key_id, "revoked_at = coalesce(revoked_at, ?)", time)


def expire(key_id: str, time: float | None) -> Callable[[sqlite3.Connection], None]:
    return _change(key_id, "expires_at = ?", time)


def mark_used(times: dict[str, float]) -> Callable[[sqlite3.Connection], None]:
    """By the key's id. Of several servers the last one to see it is right."""
    rows = [(time, key_id) for key_id, time in times.items()]

    def work(connection: sqlite3.Connection) -> None:
        connection.executemany("UPDATE keys SET last_used = max(coalesce(last_used, 0), ?) WHERE id = ?", rows)

    return work


def _change(key_id: str, assignment: str, value: float | None) -> Callable[[sqlite3.Connection], None]:
    def work(connection: sqlite3.Connection) -> None:
        if not connection.execute(f"UPDATE keys SET {assignment} WHERE id = ?", (value, key_id)).rowcount:
            raise KeyNotFound(f"There is no key {key_id[:64]!r}.", param="id")

    return work


def _make_room(connection: sqlite3.Connection, now: float) -> None:
    """The key that was revoked or expired first gives its place."""
    if connection.execute("SELECT count(*) FROM keys").fetchone()[0] < MOST_KEYS:
        return
    ended = "SELECT id, coalesce(revoked_at, expires_at) AS ended FROM keys WHERE ended <= ? ORDER BY ended LIMIT 1"
    if not connection.execute(f"DELETE FROM keys WHERE id IN (SELECT id FROM ({ended}))", (now,)).rowcount:
        raise InvalidRequest(f"There are {MOST_KEYS} keys already. Revoke one that is not needed.")


def _key(row: tuple[Any, ...]) -> Key:
    key_id, name, scopes, models, limits, created, expires_at, revoked_at, last_used = row
    return Key(
        id=key_id,
        name=name,
        scopes=ALL_SCOPES & frozenset(json.loads(scopes)),
        models=None if models is None else tuple(json.loads(models)),
        limits=Limits.from_dict(json.loads(limits)),
        created=created,
        expires_at=expires_at,
        revoked_at=revoked_at,
        last_used=last_used,
    )
