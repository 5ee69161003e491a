"""Pages of other sites: who is let in, what their browsers are told, and that nothing is told by default."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_uml.server.cors import Cors, normal_origin, same_origin

FRIEND = "https://friend.example"
CORS = Cors.of([FRIEND, "http://localhost:3000/"])
# What the SDKs send from a browser.
OPENAI = "authorization,content-type,x-stainless-arch,x-stainless-lang,x-stainless-os,x-stainless-package-version,"
OPENAI += "x-stainless-retry-count,x-stainless-runtime,x-stainless-runtime-version,x-stainless-timeout"
ANTHROPIC = "anthropic-beta,anthropic-dangerous-direct-browser-access,anthropic-version,content-type,x-api-key"


@pytest.mark.parametrize(
    ("given_", "normal"),
    [
        ("https://friend.example", FRIEND),
        (" HTTPS://Friend.Example/ ", FRIEND),
        ("https://friend.example:443", FRIEND),
        ("http://friend.example:8080", "http://friend.example:8080"),
        ("http://[::1]:3000", "http://[::1]:3000"),
        ("chrome-extension://abcdef", "chrome-extension://abcdef"),
    ],
)
def test_origins_are_written_as_browsers_send_them(given_: str, normal: str) -> None:
    assert normal_origin(given_) == normal


@pytest.mark.parametrize(
    "text",
    [
        "*",
        "null",
        "",
        "friend.example",
        "https://*.example",
        "https://a/b",
        "https://a?b",
        "https://u@a",
        "https://a:x",
    ],
)
def test_what_is_no_origin_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not an origin"):
        Cors.of([text])


def test_only_those_named_are_allowed() -> None:
    assert CORS.allows(FRIEND)
    assert CORS.allows("http://localhost:3000")
    for other in (None, "", "null", "https://evil.example", f"{FRIEND}.evil.example", "http://friend.example"):
        assert not CORS.allows(other)
    assert not CORS.allows(f"{FRIEND}:8443")


@given(st.text(max_size=30))
def test_nothing_is_allowed_by_default(origin: str) -> None:
    assert Cors().headers(origin) == {}
    assert Cors().preflight(origin, "GET", "") is None


def test_an_answer_names_the_one_site_that_asked() -> None:
    told = CORS.headers(FRIEND)
    assert told["Access-Control-Allow-Origin"] == FRIEND
    assert "Retry-After" in told["Access-Control-Expose-Headers"]
    assert CORS.headers("https://evil.example") == CORS.headers(None) == {"Vary": "Origin"}


def test_no_site_may_ever_send_cookies() -> None:
    told: dict[str, Any] = CORS.headers(FRIEND) | (CORS.preflight(FRIEND, "POST", OPENAI) or {})
    assert "Access-Control-Allow-Credentials" not in told


@pytest.mark.parametrize("headers", [OPENAI, ANTHROPIC, "", "Authorization, X-Api-Key", "content-type,,"])
def test_the_sdks_may_send_what_they_send(headers: str) -> None:
    told = CORS.preflight(FRIEND, "POST", headers)
    assert told is not None
    assert told["Access-Control-Allow-Methods"] == "POST"
    allowed = told.get("Access-Control-Allow-Headers", "").split(", ")
    assert {name.strip().lower() for name in headers.split(",") if name.strip()} <= set(allowed)
    assert "Access-Control-Request-Headers" in told["Vary"]


@pytest.mark.parametrize(
    ("origin", "method", "headers"),
    [
        ("https://evil.example", "POST", "content-type"),
        (None, "POST", ""),
        (FRIEND, "PUT", ""),
        (FRIEND, "CONNECT", ""),
        (FRIEND, "DELETE", ""),  # the route does not answer it
        (FRIEND, "POST", "cookie"),
        (FRIEND, "POST", "x-xsrftoken"),
        (FRIEND, "POST", "x-stainless-" + "a" * 99),
        (FRIEND, "POST", "authorization, x-other"),
    ],
)
def test_nobody_else_may_send_anything_else(origin: str | None, method: str, headers: str) -> None:
    assert CORS.preflight(origin, method, headers, {"GET", "POST", "PUT"}) is None


def test_a_page_of_this_server() -> None:
    assert same_origin("http://127.0.0.1:8888", "127.0.0.1:8888")
    assert same_origin("https://HOST.example", "host.example")
    assert not same_origin("http://127.0.0.1:8889", "127.0.0.1:8888")
    assert not same_origin("null", "127.0.0.1:8888")
    assert not same_origin("http://127.0.0.1:8888", None)
