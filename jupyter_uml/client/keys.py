"""API keys and what was used with them, as the client tells it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal, Self

if TYPE_CHECKING:  # the server's side takes a moment to import
    from jupyter_uml.access import Grouping, Scope

PROGRAM: tuple[Scope, ...] = ("infer", "models:read")  # what a program needs that asks models
ALL_GROUPS: tuple[Grouping, ...] = ("key", "model", "day")
LIMITS = ("requests_per_minute", "requests_per_hour", "burst", "tokens_per_minute", "max_concurrent")


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """What is known of a key; its secret is not. Times in seconds since 1970.

    `models`: ids and patterns; None: all. Limits: None is none of its own, so that the server's defaults count.
    `ephemeral`: made by the server for its own kernels, gone with it.
    """

    id: str
    name: str
    state: Literal["active", "expired", "revoked"]
    scopes: tuple[Scope, ...]
    models: tuple[str, ...] | None = None
    created: float = 0.0
    expires_at: float | None = None
    revoked_at: float | None = None
    last_used: float | None = None
    ephemeral: bool = False
    requests_per_minute: int | None = None
    requests_per_hour: int | None = None
    burst: int | None = None  # requests in one second
    tokens_per_minute: int | None = None
    max_concurrent: int | None = None

    @property
    def limits(self) -> dict[str, int]:
        """Those of its own."""
        return {name: value for name in LIMITS if (value := getattr(self, name)) is not None}

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        """A row of `GET keys`; what it tells beyond the fields is passed over."""
        known: dict[str, Any] = {f.name: row[f.name] for f in fields(cls) if f.name in row}
        models = known.get("models")
        return cls(**known | {"scopes": tuple(row["scopes"]), "models": None if models is None else tuple(models)})


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey(ApiKey):
    """A key that was just made. `key` is its secret, shown this once, and not in the repr: notebooks are shared."""

    key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class UsageTotal:
    """What requests of one group used. What they were not grouped by is empty.

    `key`: the id of a key, or of Jupyter's user; `name`: of it. `errors`: requests with a status of 400 or more.
    """

    key: str = ""
    name: str = ""
    model: str = ""
    day: str = ""  # 2026-11-22, in UTC
    requests: int = 0
    errors: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    tokens_cached: int = 0
    duration: float = 0.0  # seconds

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        """A row of `GET usage`."""
        return cls(**{f.name: row[f.name] for f in fields(cls) if f.name in row})
