"""Keys and usage where no server runs: read from, and written to, what this user's servers share.

A server that runs all the same knows of a change within a second.
"""

from __future__ import annotations

import os
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, cast

from jupyter_uml.access import AuditEvent, AuditLog, Database, Grouping, Key, KeyRing, Limits, Usage
from jupyter_uml.access.files import AUDIT_FILE, DATABASE_FILE
from jupyter_uml.access.rows import key_details, key_row, usage_row
from jupyter_uml.client.keys import LIMITS, ApiKey, NewKey, UsageTotal
from jupyter_uml.defaults import default_state_dir
from jupyter_uml.errors import InvalidRequest
from jupyter_uml.types.duration import lifetime_seconds


@dataclass(frozen=True, slots=True)
class LocalRecords:
    """The files are opened for each call: whoever asks twice a day holds nothing open in between.

    `folder`: where the servers keep their state.
    """

    folder: Path = field(default_factory=default_state_dir)

    async def keys(self) -> list[ApiKey]:
        async with self._opened() as records:
            return [ApiKey.from_row(_row(key)) for key in await records.keys.all()]

    async def create_key(self, asked: dict[str, Any]) -> NewKey:
        given = {**asked, "expires_in": _seconds(asked.get("expires_in"))}
        limits = Limits(**{name: given.pop(name) for name in LIMITS if name in given})
        async with self._opened() as records:
            key, secret = await records.keys.create(**given, limits=limits)
            await records.tell("key.create", key)
        return NewKey.from_row(_row(key) | {"key": secret})

    async def expire_key(self, key_id: str, expires_in: float | str | None) -> ApiKey:
        async with self._opened() as records:
            await records.keys.expire(key_id, _seconds(expires_in))
            return await records.changed("key.expire", key_id)

    async def revoke_key(self, key_id: str) -> ApiKey:
        async with self._opened() as records:
            await records.keys.revoke(key_id)
            return await records.changed("key.revoke", key_id)

    async def usage(self, query: dict[str, str]) -> list[UsageTotal]:
        names = {"since": "since", "until": "until", "key": "principal", "model": "model"}
        for name in ("since", "until"):
            _check_day(name, query.get(name))
        by = cast("list[Grouping]", [name for name in query["by"].split(",") if name])
        async with self._opened() as records:
            totals = await records.usage.sums(by, **{names[name]: query[name] for name in names if name in query})
        return [UsageTotal.from_row(usage_row(total, by)) for total in totals]

    @asynccontextmanager
    async def _opened(self) -> AsyncGenerator[_Opened, None]:
        with (
            closing(AuditLog(self.folder / AUDIT_FILE)) as audit,
            closing(Database(self.folder / DATABASE_FILE)) as database,
            closing(KeyRing(database)) as keys,
        ):
            yield _Opened(keys, Usage(database), audit)


@dataclass(frozen=True, slots=True)
class _Opened:
    keys: KeyRing
    usage: Usage
    audit: AuditLog

    async def tell(self, action: str, key: Key) -> None:
        user = f"uid {os.getuid()}" if hasattr(os, "getuid") else "owner"
        details = key_details(key)
        event = AuditEvent(action, principal_id="files", principal_name=user, target=key.id, details=details)
        await self.audit.write(event)

    async def changed(self, action: str, key_id: str) -> ApiKey:
        key = await self.keys.get(key_id)
        await self.tell(action, key)
        return ApiKey.from_row(_row(key))


def _row(key: Key) -> dict[str, Any]:
    return key_row(key, time.time())


def _check_day(name: str, day: str | None) -> None:
    try:
        if day is not None and date.fromisoformat(day).isoformat() != day:
            raise ValueError
    except ValueError as error:
        raise InvalidRequest(f"{name}: must be a day in UTC, such as 2026-11-22.", param=name) from error


def _seconds(value: float | str | None) -> float | None:
    try:
        return None if value is None else lifetime_seconds(value)
    except ValueError as error:
        raise InvalidRequest(f"expires_in: {error}.", param="expires_in") from error
