"""Who asks, and what they may do.

Jupyter's own identity (token or cookie) may do everything, as it may in Jupyter. Keys of ours begin with `uml_` and
carry scopes. The one key there is so far is made at start for the kernels of this server and dies with it.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import Literal

Scope = Literal["models:read", "infer", "models:admin", "keys:admin"]

KEY_PREFIX = "uml_"
ALL_SCOPES: frozenset[Scope] = frozenset(("models:read", "infer", "models:admin", "keys:admin"))
_KERNEL_SCOPES: frozenset[Scope] = frozenset(("models:read", "infer", "models:admin"))


@dataclass(frozen=True, slots=True)
class Principal:
    """`name` owns a prefix cache; a kernel and the browser of the same server are the same person."""

    name: str
    scopes: frozenset[Scope]
    by_key: bool = False


JUPYTER_USER = Principal("jupyter", ALL_SCOPES)


class KeyRing:
    """The keys of this server, kept as SHA-256 only: a random key needs no slow hash."""

    def __init__(self) -> None:
        self._principals: dict[bytes, Principal] = {}

    def create(self, name: str, scopes: frozenset[Scope] = _KERNEL_SCOPES) -> str:
        """A new key, which is shown this once."""
        key = KEY_PREFIX + secrets.token_urlsafe(32)
        self._principals[_digest(key)] = Principal(name, scopes, by_key=True)
        return key

    def find(self, key: str) -> Principal | None:
        return self._principals.get(_digest(key))


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", errors="replace")).digest()
