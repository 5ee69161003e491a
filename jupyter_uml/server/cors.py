"""Which pages of other sites may ask this server, and what their browsers are told. Off unless origins are named.

Such a page has a key of its own: it is never told that it may send cookies, so a visitor's sign-in does nothing for it.
Format: https://fetch.spec.whatwg.org/#http-cors-protocol
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

MAX_AGE = 600  # seconds for which a browser may remember an answer
METHODS = frozenset({"GET", "HEAD", "POST", "DELETE"})
_ORIGIN = re.compile(r"([a-z][a-z0-9+.-]*)://([a-z0-9._-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?/?")
_DEFAULT_PORTS = {"http": "80", "https": "443"}
_ALLOWED = frozenset(
    "accept accept-language authorization content-language content-type last-event-id x-api-key x-request-id "
    "x-generation-id x-generation-label "
    "openai-beta openai-organization openai-project "
    "anthropic-beta anthropic-dangerous-direct-browser-access anthropic-version".split()
)
_STAINLESS = re.compile(r"x-stainless-[a-z0-9-]{1,40}")  # both SDKs tell by these what they run on
_EXPOSED = (
    "Retry-After",
    "X-Request-Id",
    "request-id",
    *(f"x-ratelimit-{what}-{of}" for what in ("limit", "remaining", "reset") for of in ("requests", "tokens")),
)


@dataclass(frozen=True, slots=True)
class Cors:
    origins: frozenset[str] = frozenset()

    @classmethod
    def of(cls, origins: Iterable[str]) -> Self:
        """
        Raises:
            ValueError: one is not the scheme, host and port of a site: `*`, `null`, a path, a pattern.
        """
        return cls(frozenset(map(normal_origin, origins)))

    def allows(self, origin: str | None) -> bool:
        return origin is not None and origin in self.origins

    def headers(self, origin: str | None) -> dict[str, str]:
        """Of every answer: a cache must not give one site what was answered to another."""
        if not self.origins:
            return {}
        told = {"Vary": "Origin"}
        if self.allows(origin):
            assert origin is not None
            told |= {
                "Access-Control-Allow-Origin": origin,
                "Access-Control-Expose-Headers": ", ".join(_EXPOSED),
            }
        return told

    def preflight(
        self, origin: str | None, method: str, headers: str, methods: Collection[str] = METHODS
    ) -> dict[str, str] | None:
        """The headers of the answer to a browser that asks before it sends; None: it may not send.

        `headers`: those that it would send, separated by commas. `methods`: those that the route answers.
        """
        names = [name.strip().lower() for name in headers.split(",") if name.strip()]
        if not (self.allows(origin) and method in METHODS and method in methods and all(map(_is_allowed, names))):
            return None
        told = self.headers(origin) | {
            "Vary": "Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
            "Access-Control-Allow-Methods": method,
            "Access-Control-Max-Age": str(MAX_AGE),
        }
        return told | ({"Access-Control-Allow-Headers": ", ".join(names)} if names else {})


def normal_origin(text: str) -> str:
    """An origin as browsers send it.

    Raises:
        ValueError: it is none.
    """
    if (found := _ORIGIN.fullmatch(text.strip().lower())) is None:
        raise ValueError(f"{text!r} is not an origin: write one as https://example.org, with a port where it has one")
    scheme, host, port = found.groups()
    return f"{scheme}://{host}" + ("" if port in (None, _DEFAULT_PORTS.get(scheme)) else f":{port}")


def same_origin(origin: str, host: str | None) -> bool:
    """Whether a page of this very server asks, by the headers Origin and Host."""
    return host is not None and urlsplit(origin.lower()).netloc == host.lower()


def _is_allowed(name: str) -> bool:
    return name in _ALLOWED or _STAINLESS.fullmatch(name) is not None
