"""Schemas, patterns and grammars that mean harm: each is answered or refused in time, and the worker lives on."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from tests.conftest import Server, launch, wait_until
from tests.server import hostile

SECONDS = 10.0  # compiling a grammar is given up after some seconds
ANDS = "start: T\nT: " + " & ".join(f"/(.|\\n)*a{{{n}}}(.|\\n)*/" for n in range(50))
SOURCES = [
    *hostile._SOURCES,
    *("(x+x+)+y" * 50, "start: " + "(" * 5000 + '"a"' + ")" * 5000, "a" * 1_000_000, ANDS),
]
CHAT = {"model": "demo", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 4}


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = launch(tmp_path_factory.mktemp("forms"))
    assert server.post("load_model", {"model": "demo", "n_threads": 1, "pin": True}).status_code == 200
    yield server
    server.stop()


@pytest.fixture(scope="module")
def http(target: Server) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=target.url, headers=target.auth, timeout=60) as client:
        yield client


@pytest.fixture(autouse=True)
def the_same_worker(target: Server) -> Iterator[None]:
    pid = target.model()["pid"]
    yield
    wait_until(lambda: not target.model()["active"])
    assert target.model()["pid"] == pid


def chain(length: int) -> dict[str, Any]:
    """References that lead to one another, one at a time."""
    steps = {f"a{number}": {"$ref": f"#/$defs/a{number + 1}"} for number in range(length)}
    return {"$ref": "#/$defs/a0", "$defs": {**steps, f"a{length}": {"type": "string"}}}


def doubling(depth: int, word: str) -> dict[str, Any]:
    """Each definition names the next one twice: written out, 2 to the power of `depth` of them."""
    steps = {f"a{n}": {word: [{"$ref": f"#/$defs/a{n + 1}"}, {"$ref": f"#/$defs/a{n + 1}"}]} for n in range(depth)}
    return {"$ref": "#/$defs/a0", "$defs": {**steps, f"a{depth}": {"type": "integer"}}}


def objects(depth: int) -> dict[str, Any]:
    """As `doubling`, by properties that must all be there."""
    steps = {
        f"a{n}": {
            "type": "object",
            "properties": {name: {"$ref": f"#/$defs/a{n + 1}"} for name in "xy"},
            "required": ["x", "y"],
        }
        for n in range(depth)
    }
    return {"$ref": "#/$defs/a0", "$defs": {**steps, f"a{depth}": {"const": 1}}}


def by_names(key: str, before: str) -> dict[str, Any]:
    """Fifty patterns that one text has to match, joined by references to names that parts give themselves."""
    steps = {f"a{n}": {key: f"a{n}", "$ref": f"{before}a{n + 1}", "pattern": f"a{{{n}}}"} for n in range(50)}
    return {"$id": "http://x/", "$ref": f"{before}a0", "$defs": {**steps, "a50": {key: "a50", "type": "string"}}}


SCHEMAS = [
    *hostile._SCHEMAS,
    *map(
        json.dumps,
        [
            chain(1000),
            *(doubling(30, word) for word in ("anyOf", "oneOf", "allOf")),
            objects(30),
            {"type": "string", "maxLength": 20_000, "minLength": 20_000},
            {"type": "object", "additionalProperties": {"type": "string", "maxLength": 20_000}, "minProperties": 500},
            {"type": "object", "patternProperties": {"^(a+)+$": {"type": "string", "pattern": "^(b|b|bb)*$"}}},
            {"type": "string", "pattern": "^(([a-z])+.)+[A-Z]([a-z])+$" * 20},
            {"type": "array", "prefixItems": [{"type": "string", "pattern": ".{1,9999}"}] * 200},
            {"allOf": [{"type": "string", "pattern": f"a{{{n}}}"} for n in range(50)]},
            by_names("$anchor", "#"),
            by_names("$id", ""),
        ],
    ),
]


def check(response: httpx2.Response, started: float) -> None:
    assert response.status_code in (200, 400), response.text[:500]
    assert time.monotonic() - started < SECONDS
    if response.status_code == 400:
        error = response.json()["error"]
        assert error["param"] or "not valid JSON" in error["message"], error
        assert len(error["message"]) < 2000


def raw(body: dict[str, Any], place: str, text: str) -> bytes:
    """`body` with JSON text where `place` stands."""
    return json.dumps(body).replace(json.dumps(place), text).encode()


@pytest.mark.parametrize("kind", ["response_format", "tool"])
def test_a_hostile_schema(http: httpx2.Client, kind: str) -> None:
    form = {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": "HERE"}}}
    tool = {"type": "function", "function": {"name": "f", "parameters": "HERE"}}
    body = CHAT | (form if kind == "response_format" else {"tools": [tool], "tool_choice": "required"})
    for schema in SCHEMAS:
        started = time.monotonic()
        check(http.post("v1/chat/completions", content=raw(body, "HERE", schema)), started)


@pytest.mark.parametrize("kind", ["regex", "lark"])
def test_a_hostile_pattern_or_grammar(http: httpx2.Client, kind: str) -> None:
    for source in [
        *hostile._SOURCES,
        "(x+x+)+y" * 50,
        "start: " + "(" * 5000 + '"a"' + ")" * 5000,
        "a" * 1_000_000,
        ANDS,
    ]:
        content = raw(CHAT | {"grammar": {"kind": kind, "source": "HERE"}}, "HERE", json.dumps(source))
        started = time.monotonic()
        check(http.post("v1/chat/completions", content=content), started)


def test_others_are_answered_while_one_is_being_read(target: Server, http: httpx2.Client) -> None:
    """Compiling goes on beside answers."""
    body = CHAT | {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": objects(18)}}}
    with httpx2.Client(base_url=target.url, headers=target.auth, timeout=60) as other:
        request = other.build_request("POST", "v1/chat/completions", json=body | {"stream": True})
        stream = other.send(request, stream=True)
        started = time.monotonic()
        assert http.post("v1/chat/completions", json=CHAT).status_code == 200
        assert time.monotonic() - started < SECONDS / 2
        stream.close()
