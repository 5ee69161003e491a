"""Who asks, what they may do, and how much of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from fnmatch import fnmatchcase
from typing import Any, Literal, Self, get_args

from jupyter_uml.errors import InvalidRequest

Scope = Literal["models:read", "infer", "models:admin", "keys:admin"]
ALL_SCOPES: frozenset[Scope] = frozenset(get_args(Scope))
LARGEST_LIMIT = 10**9


@dataclass(frozen=True, slots=True)
class Limits:
    """None: not limited, or as the default for this kind of principal says. Each is a positive whole number."""

    requests_per_minute: int | None = None
    requests_per_hour: int | None = None
    burst: int | None = None  # requests in one second
    tokens_per_minute: int | None = None  # of prompts and answers
    max_concurrent: int | None = None  # requests that are answered at the same time

    def checked(self) -> Self:
        """
        Raises:
            InvalidRequest: a limit that is no limit.
        """
        for name, value in self.given().items():
            if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= LARGEST_LIMIT:
                raise InvalidRequest(f"{name} must be a whole number from 1 to {LARGEST_LIMIT}.", param=name)
        return self

    def given(self) -> dict[str, int]:
        return {name: value for name, value in asdict(self).items() if value is not None}

    def over(self, defaults: Limits) -> Limits:
        """These, and where they say nothing, `defaults`."""
        return Limits(**{**defaults.given(), **self.given()})

    @classmethod
    def from_dict(cls, row: dict[str, Any]) -> Self:
        """The inverse of `given`; limits of a newer release are passed over."""
        return cls(**{f.name: row[f.name] for f in fields(cls) if f.name in row})


@dataclass(frozen=True, slots=True)
class Principal:
    """`id` owns prefix caches, limits and a place in the queue; `name` is for people.

    `models`: ids, or patterns with `*` and `?`, of the models that it may use; None: all.
    """

    id: str
    name: str
    scopes: frozenset[Scope]
    models: tuple[str, ...] | None = None
    limits: Limits = field(default_factory=Limits)
    by_key: bool = False

    def may_use(self, model: str) -> bool:
        """`model`: the id under which it is loaded, after names and profiles have been resolved."""
        return self.models is None or any(fnmatchcase(model, pattern) for pattern in self.models)
