"""API keys: `GET keys` lists them, `POST keys` makes one, `POST keys/{id}` changes its expiry, `DELETE` revokes it."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

from jupyter_uml.access import Key, Limits, Principal, Scope
from jupyter_uml.access.key import LONGEST_NAME, MOST_PATTERNS
from jupyter_uml.access.principal import LARGEST_LIMIT
from jupyter_uml.access.rows import key_details, key_row
from jupyter_uml.errors import InvalidRequest, PermissionDenied, RecordsUnavailable
from jupyter_uml.protocol.body import StrictBody
from jupyter_uml.server.base import UmlHandler
from jupyter_uml.server.grant import Grant, granted, may_prolong
from jupyter_uml.types import duration

Limit = Annotated[int, Field(ge=1, le=LARGEST_LIMIT)] | None
Pattern = Annotated[
    str, Field(max_length=200), WithJsonSchema({"type": "string", "pattern": r"^[A-Za-z0-9._:/*?-]{1,200}$"})
]
_SECONDS = {"type": "number", "exclusiveMinimum": 0, "maximum": duration.MAX_SECONDS}
_TEXT = {"type": "string", "pattern": duration.PATTERN, "maxLength": duration.MAX_TEXT}
ExpiresIn = Annotated[float, BeforeValidator(duration.lifetime_seconds), WithJsonSchema({"anyOf": [_SECONDS, _TEXT]})]


class NewKeyRequest(StrictBody):
    """`models`: ids, or patterns with * and ?; without it all. `expires_in`: seconds, or a text such as "30d"."""

    name: Annotated[str, Field(min_length=1, max_length=LONGEST_NAME)]
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=16)]
    models: Annotated[list[Pattern], Field(min_length=1, max_length=MOST_PATTERNS)] | None = None
    expires_in: ExpiresIn | None = None
    requests_per_minute: Limit = None
    requests_per_hour: Limit = None
    burst: Limit = None
    tokens_per_minute: Limit = None
    max_concurrent: Limit = None

    def grant(self) -> Grant:
        limits = Limits(
            self.requests_per_minute, self.requests_per_hour, self.burst, self.tokens_per_minute, self.max_concurrent
        )
        models = None if self.models is None else tuple(self.models)
        return Grant(frozenset(self.scopes), models, limits, self.expires_in)


class ExpiryRequest(StrictBody):
    """Counted from now; null: it does not expire."""

    expires_in: ExpiresIn | None


_NEW = Principal("", "", frozenset(), by_key=True)  # a key without limits of its own


class _KeyHandler(UmlHandler):
    scope = "keys:admin"

    async def has(self) -> Grant:
        """What the one who asks may do, and so may give."""
        expires_in = None
        if self.principal.by_key:
            expires_at = (await self.gate.keys.get(self.principal.id)).expires_at
            expires_in = None if expires_at is None else max(0.0, expires_at - time.time())
        return Grant.of(self.principal, self.gate.limiter.limits_of(self.principal), expires_in)

    def write_key(self, key: Key, /, **more: Any) -> None:
        self.set_header("Cache-Control", "no-store")
        self.write_json(key_row(key, time.time()) | more)


class KeysHandler(_KeyHandler):
    async def get(self) -> None:
        self.write_json({"keys": [key_row(key, time.time()) for key in await self.gate.keys.all()]})

    async def post(self) -> None:
        """The secret is in this answer and nowhere else."""
        key, secret = await self._make(self.parse(NewKeyRequest))
        self.write_key(key, key=secret)

    async def _make(self, body: NewKeyRequest) -> tuple[Key, str]:
        keys, made = self.gate.keys, None
        try:
            async with self.audited("key.create", name=body.name) as act:
                grant = granted(body.grant(), await self.has(), self.gate.limiter.limits_of(_NEW))
                made = await keys.create(
                    body.name, grant.scopes, models=grant.models, limits=grant.limits, expires_in=grant.expires_in
                )
                act.target, act.details = made[0].id, key_details(made[0])
        except RecordsUnavailable:
            if made is not None:  # nobody knows its secret
                await keys.revoke(made[0].id)
            raise
        return made


class KeyHandler(_KeyHandler):
    async def get(self, key_id: str) -> None:
        self.write_key(await self.gate.keys.get(key_id))

    async def post(self, key_id: str) -> None:
        expires_in, keys = self.parse(ExpiryRequest).expires_in, self.gate.keys
        async with self.audited("key.expire", key_id) as act:
            key = await keys.get(key_id)
            if key.ephemeral:
                raise InvalidRequest("This key ends with its server: it can only be revoked.", param="id")
            if not may_prolong(key, self.gate.limiter.limits_of(key.principal), expires_in, await self.has()):
                raise PermissionDenied("This key may do more or would live longer than your own: only revoke it.")
            await keys.expire(key_id, expires_in)
            changed = await keys.get(key_id)
            act.details = key_details(changed)
        self.write_key(changed)

    async def delete(self, key_id: str) -> None:
        async with self.audited("key.revoke", key_id) as act:
            key = await self.gate.keys.get(key_id)
            await self.gate.keys.revoke(key_id)
            act.details = key_details(key)
        self.write_key(replace(key, revoked_at=key.revoked_at or time.time()))


KEY_ROUTES: list[tuple[str, type[UmlHandler]]] = [("keys", KeysHandler), (r"keys/([A-Za-z0-9_]{1,64})", KeyHandler)]
