"""What an administrator does with a server: hands out keys, takes them back, looks at what was used."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

from jupyter_uml.client.calls import AsyncCalls, Calls, share_docstrings
from jupyter_uml.client.keys import ALL_GROUPS, PROGRAM, ApiKey, NewKey, UsageTotal
from jupyter_uml.errors import InvalidRequest

if TYPE_CHECKING:
    from jupyter_uml.access import Grouping, Scope

Day = str | date | None  # in UTC


class AsyncAdministration(AsyncCalls):
    """Without a server all this is about the servers of this user to come, and of those that ran."""

    async def keys(self) -> list[ApiKey]:
        """All keys there are, oldest first; revoked and expired ones, too."""
        return await self._call(lambda transport: transport.keys())

    async def create_key(
        self,
        name: str,
        scopes: Sequence[Scope] = PROGRAM,
        *,
        models: Sequence[str] | None = None,
        expires_in: float | str | None = None,
        requests_per_minute: int | None = None,
        requests_per_hour: int | None = None,
        burst: int | None = None,
        tokens_per_minute: int | None = None,
        max_concurrent: int | None = None,
    ) -> NewKey:
        """A new key; its secret, `key`, cannot be shown again. It gives no more than the caller has.

        `models`: ids, or patterns with * and ?; None: all. `expires_in`: seconds, or "30d"; None: never.
        """
        asked = {
            "name": name,
            "scopes": _words(scopes),
            "models": None if models is None else _words(models),
            "expires_in": expires_in,
            "requests_per_minute": requests_per_minute,
            "requests_per_hour": requests_per_hour,
            "burst": burst,
            "tokens_per_minute": tokens_per_minute,
            "max_concurrent": max_concurrent,
        }
        given = {name: value for name, value in asked.items() if value is not None}
        return await self._call(lambda transport: transport.create_key(given))

    async def expire_key(self, key_id: str, expires_in: float | str | None) -> ApiKey:
        """Lets a key end so many seconds from now, or after "30d"; None: never."""
        return await self._call(lambda transport: transport.expire_key(_id(key_id), expires_in))

    async def revoke_key(self, key_id: str) -> ApiKey:
        """Takes a key back for ever: on every server of its user it is refused within a second."""
        return await self._call(lambda transport: transport.revoke_key(_id(key_id)))

    async def usage(
        self,
        by: Sequence[Grouping] = ALL_GROUPS,
        *,
        since: Day = None,
        until: Day = None,
        key: str | None = None,
        model: str | None = None,
    ) -> list[UsageTotal]:
        """What was used, summed up by these. Days are included. `key`: the id of one; `jupyter` is the own user."""
        asked = {"since": since, "until": until, "key": key and _id(key), "model": model}
        query = {name: str(value) for name, value in asked.items() if value is not None}
        return await self._call(lambda transport: transport.usage({"by": ",".join(_words(by)), **query}))


class Administration(Calls):
    """The same for synchronous code."""

    aio: AsyncAdministration

    def keys(self) -> list[ApiKey]:
        return self.background.run(self.aio.keys())

    def create_key(
        self,
        name: str,
        scopes: Sequence[Scope] = PROGRAM,
        *,
        models: Sequence[str] | None = None,
        expires_in: float | str | None = None,
        requests_per_minute: int | None = None,
        requests_per_hour: int | None = None,
        burst: int | None = None,
        tokens_per_minute: int | None = None,
        max_concurrent: int | None = None,
    ) -> NewKey:
        limits = {
            "requests_per_minute": requests_per_minute,
            "requests_per_hour": requests_per_hour,
            "burst": burst,
            "tokens_per_minute": tokens_per_minute,
            "max_concurrent": max_concurrent,
        }
        return self.background.run(self.aio.create_key(name, scopes, models=models, expires_in=expires_in, **limits))

    def expire_key(self, key_id: str, expires_in: float | str | None) -> ApiKey:
        return self.background.run(self.aio.expire_key(key_id, expires_in))

    def revoke_key(self, key_id: str) -> ApiKey:
        return self.background.run(self.aio.revoke_key(key_id))

    def usage(
        self,
        by: Sequence[Grouping] = ALL_GROUPS,
        *,
        since: Day = None,
        until: Day = None,
        key: str | None = None,
        model: str | None = None,
    ) -> list[UsageTotal]:
        return self.background.run(self.aio.usage(by, since=since, until=until, key=key, model=model))


def _words(value: Sequence[str]) -> list[str]:
    """Who passes one word means that one, not its letters."""
    return [value] if isinstance(value, str) else list(value)


def _id(key_id: str) -> str:
    """It becomes part of an address, which logs keep.

    Raises:
        InvalidRequest: that is a secret.
    """
    if key_id.startswith("uml_"):
        raise InvalidRequest("Say which key by its id, `key_…`: its secret is for requests only.", param="key_id")
    return key_id


share_docstrings(Administration, AsyncAdministration)
