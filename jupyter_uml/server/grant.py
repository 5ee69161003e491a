"""A key never gives more than its maker has: neither scopes nor models, higher limits nor a longer life. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Self

from jupyter_uml.access import Key, Limits, Principal, Scope
from jupyter_uml.errors import PermissionDenied

_WILD = "*?"


@dataclass(frozen=True, slots=True)
class Grant:
    """What a key may. `models`: None is all; `expires_in`: seconds, None is for ever."""

    scopes: frozenset[Scope]
    models: tuple[str, ...] | None = None
    limits: Limits = field(default_factory=Limits)
    expires_in: float | None = None

    @classmethod
    def of(cls, principal: Principal, limits: Limits, expires_in: float | None) -> Self:
        """`limits`: those that apply to the principal, defaults included."""
        return cls(principal.scopes, principal.models, limits, expires_in)


def granted(asked: Grant, has: Grant, defaults: Limits) -> Grant:
    """What is asked for; where nothing was said and the maker does not have all, as much as the maker has.

    `defaults`: the limits that apply where a key has none.

    Raises:
        PermissionDenied: more is asked for than the maker has; `param` names what.
    """
    if more := asked.scopes - has.scopes:
        raise PermissionDenied(
            f"You cannot give the scope {', '.join(sorted(more))}, which you do not have yourself. "
            f"You have {', '.join(sorted(has.scopes))}.",
            param="scopes",
        )
    return replace(
        asked,
        models=_models(asked.models, has.models),
        limits=_limits(asked.limits, has.limits, defaults),
        expires_in=_life(asked.expires_in, has.expires_in),
    )


def covers(wide: str, narrow: str) -> bool:
    """Whether all models of the pattern `narrow` are of `wide`, too. False also where that takes long to find out."""
    if not any(mark in narrow for mark in _WILD):
        return fnmatchcase(narrow, wide)
    start = wide.removesuffix("*")
    is_prefix = start != wide and not any(mark in start for mark in _WILD)
    return wide == narrow or (is_prefix and narrow.startswith(start))


def _models(asked: tuple[str, ...] | None, has: tuple[str, ...] | None) -> tuple[str, ...] | None:
    if has is None or asked is None:
        return asked if has is None else has
    for pattern in asked:
        if not any(covers(own, pattern) for own in has):
            raise PermissionDenied(
                f"You cannot give the model {pattern}. You may use {', '.join(has)} yourself.", param="models"
            )
    return asked


def _limits(asked: Limits, has: Limits, defaults: Limits) -> Limits:
    asked_for, usual = asked.given(), defaults.given()
    for name, most in has.given().items():
        if asked_for.get(name, 0) > most:
            raise PermissionDenied(f"{name} may be {most} at most: that is your own limit.", param=name)
        if name not in asked_for and not usual.get(name, most + 1) <= most:
            asked_for[name] = most
    return Limits(**asked_for)


def _life(asked: float | None, has: float | None) -> float | None:
    if has is not None and asked is not None and asked > has:
        raise PermissionDenied(f"expires_in may be {has:.0f} s at most: then your own key expires.", param="expires_in")
    return has if asked is None else asked


def may_prolong(key: Key, limits: Limits, expires_in: float | None, has: Grant) -> bool:
    """Whether the maker could have made this key, so that he may let it live on. `limits`: those that apply to it."""
    asked = Grant.of(key.principal, limits, expires_in)
    try:
        return granted(asked, has, limits) == asked
    except PermissionDenied:
        return False
