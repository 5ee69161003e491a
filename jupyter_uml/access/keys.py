"""The keys of this user: found in microseconds, and revoked in every server of theirs within a second."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Collection, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from functools import partial

from jupyter_uml.access import key_table
from jupyter_uml.access.clock import Calendar
from jupyter_uml.access.database import Database, Work
from jupyter_uml.access.group_writer import Job
from jupyter_uml.access.key import (
    KEY_PREFIX,
    LONGEST_SECRET,
    Key,
    checked_models,
    checked_name,
    checked_scopes,
    digest,
    new_id,
    new_secret,
)
from jupyter_uml.access.principal import Limits, Principal
from jupyter_uml.errors import InvalidRequest, KeyNotFound, UmlError

REFRESH = 0.25  # seconds between two looks whether another server changed a key
USED_EVERY = 10.0  # seconds between two notes of when keys were used
LONGEST_LIFE = 100 * 365 * 86400.0  # seconds
MOST_EPHEMERAL = 1000

log = logging.getLogger(__name__)


class KeyRing:
    """Close it: it watches the database from a thread.

    What cannot be read is not guessed at: while the database fails, keys are as they were known last.
    """

    def __init__(self, database: Database, *, calendar: Calendar | None = None, refresh: float = REFRESH) -> None:
        self._database, self._calendar = database, calendar or Calendar()
        self._keys: dict[bytes, Key] = {}  # replaced as a whole: `find` needs no lock
        self._ephemeral: dict[bytes, Key] = {}
        self._revoked: dict[str, float] = {}  # here, while the disk does not know of it yet
        self._generation: int | None = None
        self._used: dict[str, float] = {}
        self._used_noted = self._noting_due = 0.0
        self._reading = threading.Lock()  # held from reading to knowing: an older state must not follow a newer one
        self._closing = threading.Event()
        database.read_now(self._refresh)
        database.add_source(self._note_used)
        self._watcher = threading.Thread(target=self._watch, args=(refresh,), name="uml-keys", daemon=True)
        self._watcher.start()

    # --- on the path of every request ---

    def find(self, secret: str) -> Principal | None:
        """Who this key is, unless it is unknown, expired or revoked.

        What is looked up is a hash of the secret: how long that takes tells nothing about any key.
        """
        if (key := self._active(secret)) is None:
            return None
        self._used[key.id] = self._calendar.now()
        return key.principal

    def is_active(self, secret: str) -> bool:
        """Whether it would be found. That is no use of it."""
        return self._active(secret) is not None

    def _active(self, secret: str) -> Key | None:
        if len(secret) > LONGEST_SECRET or not secret.startswith(KEY_PREFIX):
            return None
        hashed = digest(secret)
        key = self._keys.get(hashed) or self._ephemeral.get(hashed)
        if key is None or key.id in self._revoked or key.state(self._calendar.now()) != "active":
            return None
        return key

    # --- administration ---

    async def create(
        self,
        name: str,
        scopes: Collection[str],
        *,
        models: Sequence[str] | None = None,
        expires_in: float | None = None,
        limits: Limits | None = None,
    ) -> tuple[Key, str]:
        """The key and its secret, which nobody can show again. It is on the disk. `expires_in`: seconds.

        Raises:
            InvalidRequest: something about it is wrong; `param` names it.
            InsufficientDisk, Overloaded, UmlError: it could not be written, and there is no such key.
        """
        key, secret = self._new(name, scopes, models, expires_in, limits), new_secret()
        await self._database.write(key_table.insert(key, digest(secret)))
        await self._know()
        return key, secret

    def create_ephemeral(
        self,
        name: str,
        scopes: Collection[str],
        *,
        models: Sequence[str] | None = None,
        expires_in: float | None = None,
        limits: Limits | None = None,
        secret: str | None = None,
    ) -> tuple[Key, str]:
        """The same for this server only: the key is on no disk and dies with the process. `secret`: one that
        `new_secret` has made already.

        Raises:
            InvalidRequest: as `create`.
        """
        if len(self._ephemeral) >= MOST_EPHEMERAL:
            raise InvalidRequest(f"There are {MOST_EPHEMERAL} keys of this server already.")
        key = replace(self._new(name, scopes, models, expires_in, limits), ephemeral=True)
        secret = secret or new_secret()
        self._ephemeral[digest(secret)] = key
        return key, secret

    async def all(self) -> list[Key]:
        """All that there are, oldest first; revoked and expired ones, too.

        Raises:
            UmlError: the database cannot be read.
        """
        _, keys = await self._database.read(key_table.load)
        return sorted((self._as_of_now(key) for key in (*keys.values(), *self._ephemeral.values())), key=_created)

    async def get(self, key_id: str) -> Key:
        """
        Raises:
            KeyNotFound: no key has this id.
            UmlError: the database cannot be read.
        """
        for key in await self.all():
            if key.id == key_id:
                return key
        raise KeyNotFound(f"There is no key {key_id[:64]!r}.", param="id")

    async def revoke(self, key_id: str) -> None:
        """It is of no use any more: here at once, elsewhere within a second.

        Raises:
            KeyNotFound: no key has this id.
            InsufficientDisk, Overloaded, UmlError: it is revoked in this server until it ends, and only there.
        """
        if self._drop_ephemeral(key_id):
            return
        self._revoked[key_id] = now = self._calendar.now()
        try:
            await self._database.write(key_table.revoke(key_id, now))
        except KeyNotFound:
            self._revoked.pop(key_id, None)
            raise
        await self._know()

    async def expire(self, key_id: str, expires_in: float | None) -> None:
        """Let it end `expires_in` seconds from now; None: never. A revoked key stays revoked.

        Raises:
            KeyNotFound, InsufficientDisk, Overloaded, UmlError: nothing was changed.
        """
        await self._database.write(key_table.expire(key_id, self._deadline(expires_in)))
        await self._know()

    def close(self) -> None:
        """Before the database is closed, which then notes when the keys were used."""
        self._noting_due = 0.0
        self._closing.set()
        self._watcher.join()

    # --- what it knows ---

    def _new(
        self,
        name: str,
        scopes: Collection[str],
        models: Sequence[str] | None,
        expires_in: float | None,
        limits: Limits | None,
    ) -> Key:
        return Key(
            id=new_id(),
            name=checked_name(name),
            scopes=checked_scopes(scopes),
            models=checked_models(models),
            limits=(limits or Limits()).checked(),
            created=self._calendar.now(),
            expires_at=self._deadline(expires_in),
        )

    def _deadline(self, expires_in: float | None) -> float | None:
        if expires_in is None:
            return None
        if not 0 < expires_in <= LONGEST_LIFE:
            raise InvalidRequest("expires_in is a positive number of seconds.", param="expires_in")
        return self._calendar.now() + expires_in

    def _as_of_now(self, key: Key) -> Key:
        """With what is not on the disk yet."""
        last_used = max((t for t in (key.last_used, self._used.get(key.id)) if t is not None), default=None)
        return replace(key, last_used=last_used, revoked_at=key.revoked_at or self._revoked.get(key.id))

    def _drop_ephemeral(self, key_id: str) -> bool:
        for hashed, key in self._ephemeral.items():
            if key.id == key_id:
                del self._ephemeral[hashed]
                return True
        return False

    async def _know(self) -> None:
        """What was just written. Should reading fail, the watcher goes on trying, and says so."""
        with suppress(UmlError):
            await self._database.read(self._refresh)

    def _refresh(self, connection: sqlite3.Connection) -> None:
        with self._reading:
            if key_table.generation(connection) == self._generation:
                return
            self._generation, self._keys = key_table.load(connection)
            for key in self._keys.values():
                if key.revoked_at is not None:
                    self._revoked.pop(key.id, None)

    def _watch(self, every: float) -> None:
        failed = False
        while not self._closing.wait(every):
            try:
                self._database.read_now(self._refresh)
                failed = False
            except UmlError as error:
                if not failed:
                    log.critical("the keys cannot be read, and what was known is used on: %s", error.message)
                failed = True

    def _note_used(self) -> Job[Work] | None:
        """In the writer's thread: when keys were used, as far as it was not noted yet."""
        if time.monotonic() < self._noting_due:
            return None
        self._noting_due = time.monotonic() + USED_EVERY
        used = {key_id: moment for key_id, moment in self._used.copy().items() if moment > self._used_noted}
        if not used:
            return None
        job: Job[Work] = Job(key_table.mark_used(used))
        job.future.add_done_callback(partial(self._noted, max(used.values())))
        return job

    def _noted(self, until: float, done: Future[None]) -> None:
        if done.exception() is None:
            self._used_noted = until


def _created(key: Key) -> float:
    return key.created
