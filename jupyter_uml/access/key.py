"""An API key: what is known of it. Its secret is shown once, when it is made, and kept nowhere."""

from __future__ import annotations

import hashlib
import re
import secrets
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Literal

from jupyter_uml.access.principal import ALL_SCOPES, Limits, Principal, Scope
from jupyter_uml.errors import InvalidRequest

KEY_PREFIX = "uml_"
LONGEST_SECRET = 128  # characters; a longer one is none of ours and not worth a hash
LONGEST_NAME = 100
MOST_PATTERNS = 64
_PATTERN = re.compile(r"[A-Za-z0-9._:/*?-]{1,200}")

KeyState = Literal["active", "expired", "revoked"]


@dataclass(frozen=True, slots=True)
class Key:
    """Times in seconds since 1970. `ephemeral`: known to this server only, and gone with it."""

    id: str
    name: str
    scopes: frozenset[Scope]
    created: float
    models: tuple[str, ...] | None = None
    expires_at: float | None = None
    revoked_at: float | None = None
    last_used: float | None = None
    limits: Limits = field(default_factory=Limits)
    ephemeral: bool = False

    def state(self, now: float) -> KeyState:
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= now else "active"

    @property
    def principal(self) -> Principal:
        return Principal(self.id, self.name, self.scopes, self.models, self.limits, by_key=True)


def new_id() -> str:
    return f"key_{secrets.token_hex(8)}"


def new_secret() -> str:
    return KEY_PREFIX + secrets.token_urlsafe(32)


def digest(secret: str) -> bytes:
    """A random secret needs no slow hash: there are 2²⁵⁶ of them to try."""
    return hashlib.sha256(secret.encode("utf-8", errors="replace")).digest()


def checked_name(name: str) -> str:
    """
    Raises:
        InvalidRequest: empty, too long, or with characters that are no part of a text.
    """
    name = name.strip()
    if not 1 <= len(name) <= LONGEST_NAME or any(unicodedata.category(c)[0] == "C" for c in name):
        raise InvalidRequest(f"A key's name has 1 to {LONGEST_NAME} printable characters.", param="name")
    return name


def checked_scopes(scopes: Collection[str]) -> frozenset[Scope]:
    """
    Raises:
        InvalidRequest: none, or one that there is not.
    """
    found = frozenset(scope for scope in ALL_SCOPES if scope in scopes)
    if not found or len(found) != len(set(scopes)):
        raise InvalidRequest(f"scopes lists one or more of {', '.join(sorted(ALL_SCOPES))}.", param="scopes")
    return found


def checked_models(models: Sequence[str] | None) -> tuple[str, ...] | None:
    """
    Raises:
        InvalidRequest: empty, too many, or a pattern that no model's id can match.
    """
    if models is None:
        return None
    if not 1 <= len(models) <= MOST_PATTERNS or not all(_PATTERN.fullmatch(model) for model in models):
        raise InvalidRequest(
            f"models lists 1 to {MOST_PATTERNS} ids of models; * and ? stand for any characters and any one.",
            param="models",
        )
    return tuple(dict.fromkeys(models))
