"""Limits of keys and users as their clients meet them: over HTTP, with the `openai` package, after a restart."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest

from tests.conftest import Server, launch, wait_until
from tests.server.errors import assert_error
from tests.server.keys import CHAT, TestKey, new_key

ENDLESS = {"model": "endless", "prompt": "Tell me", "max_tokens": 30_000, "stream": True}
REQUESTS = ("x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests")
TOKENS = ("x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens")


def client(key: TestKey, **options: Any) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{key.server.url}/v1", api_key=key.secret, **options)


def ask(api: openai.OpenAI) -> Any:
    return api.chat.completions.create(model="demo", messages=[{"role": "user", "content": "Hi"}], max_tokens=2)


def test_the_request_after_the_last_one_is_told_when_to_come_again(server: Server) -> None:
    key = new_key(server, requests_per_minute=2)
    for left in ("1", "0"):
        answer = key.chat()
        assert answer.status_code == 200
        assert [answer.headers[name] for name in REQUESTS[:2]] == ["2", left]
    refused = key.chat()
    error = assert_error(refused, 429, "rate_limit_exceeded")
    assert error["limit"] == "requests_per_minute"
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert [refused.headers[name] for name in REQUESTS[:2]] == ["2", "0"]
    assert refused.headers[REQUESTS[2]].endswith("s")
    assert server.post("v1/chat/completions", CHAT).status_code == 200  # nobody else is concerned


def test_streams_tell_the_limits_too(server: Server) -> None:
    answer = new_key(server, requests_per_minute=2, tokens_per_minute=5000).chat(stream=True)
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    assert {*REQUESTS, *TOKENS} <= answer.headers.keys()
    assert int(answer.headers[TOKENS[1]]) < 5000


def test_who_has_no_limits_is_told_none(server: Server) -> None:
    assert not any(name.startswith("x-ratelimit") for name in new_key(server).chat().headers)


def test_the_openai_package_raises_its_own_error(server: Server) -> None:
    key = new_key(server, requests_per_minute=1)
    with client(key, max_retries=0) as api:
        ask(api)
        with pytest.raises(openai.RateLimitError) as caught:
            ask(api)
    assert caught.value.code == "rate_limit_exceeded"
    assert int(caught.value.response.headers["retry-after"]) >= 1


def test_the_openai_package_waits_as_told_and_succeeds(server: Server) -> None:
    with client(new_key(server, burst=1), max_retries=1) as api:
        ask(api)
        started = time.monotonic()
        assert ask(api).choices
        assert 0.3 < time.monotonic() - started < 8


def test_a_bad_request_uses_nothing_up(server: Server) -> None:
    key = new_key(server, requests_per_minute=1)
    for _ in range(3):
        assert_error(key.chat(temperature=99), 400)
    assert_error(key.chat(model="nope"), 404)  # it was let in
    assert_error(key.chat(), 429)


def test_tokens_are_reserved_and_what_was_not_used_is_given_back(server: Server) -> None:
    key = new_key(server, tokens_per_minute=1000)
    answer = key.chat(max_tokens=500)
    used = answer.json()["usage"]["total_tokens"]
    left = int(key.chat(max_tokens=1).headers[TOKENS[1]])
    assert 1000 - 2 * used - 20 <= left <= 1000 - used
    error = assert_error(key.chat(max_tokens=2000), 400, "invalid_value")
    assert error["param"] == "max_tokens"


def test_a_stream_that_runs_has_its_tokens_reserved(server: Server) -> None:
    key = new_key(server, tokens_per_minute=40_000)
    url = f"{server.url}/v1/completions"
    with httpx2.stream("POST", url, json=ENDLESS, headers=key.headers, timeout=60) as answer:
        lines = answer.iter_lines()
        assert next(lines).startswith("data:")
        assert assert_error(key.chat(max_tokens=20_000), 429)["limit"] == "tokens_per_minute"
    wait_until(lambda: key.chat(max_tokens=20_000).status_code == 200)  # what it did not use is free at once


def test_a_request_that_names_no_length_can_still_be_answered(server: Server) -> None:
    """Also where the limit is smaller than the context, and for several choices."""
    key = new_key(server, tokens_per_minute=600)
    body = {"model": "demo", "messages": CHAT["messages"], "n": 2}
    assert key.request("POST", "v1/chat/completions", body).status_code == 200


def test_an_answer_without_a_length_ends_at_the_limit(server: Server) -> None:
    """For all its choices together."""
    key = new_key(server, tokens_per_minute=60)
    body = {"model": "endless", "messages": CHAT["messages"], "n": 4}
    assert assert_error(key.request("POST", "v1/chat/completions", body), 400, "invalid_value")["param"] == "max_tokens"
    assert 60 <= key.records()[0]["tokens_out"] < 120
    assert_error(key.chat(), 429)


def test_what_is_surely_too_long_is_not_read(server: Server) -> None:
    key = new_key(server, tokens_per_minute=60)
    body = {"model": "demo", "input": ["Tell me about the weather of tomorrow, please."] * 60}
    assert_error(key.request("POST", "v1/embeddings", body), 400, "invalid_value")
    assert key.request("POST", "v1/embeddings", {"model": "demo", "input": ["Hi"] * 20}).status_code == 200


def test_kept_answers_are_read_and_deleted_at_a_bounded_rate(server: Server) -> None:
    for method in ("GET", "DELETE"):
        key = new_key(server, requests_per_minute=1)
        assert_error(key.request(method, "v1/responses/resp_0"), 404)
        assert_error(key.request(method, "v1/responses/resp_0"), 429)


def test_streams_at_the_same_time(server: Server) -> None:
    key = new_key(server, max_concurrent=1)
    url = f"{server.url}/v1/completions"
    with httpx2.stream("POST", url, json=ENDLESS, headers=key.headers, timeout=60) as answer:
        lines = answer.iter_lines()
        assert next(lines).startswith("data:")
        refused = key.chat()
        assert assert_error(refused, 429)["limit"] == "max_concurrent"
        assert int(refused.headers["Retry-After"]) >= 1
    wait_until(lambda: key.chat().status_code == 200)


def test_many_at_once_get_no_more_than_the_limit(server: Server) -> None:
    key = new_key(server, requests_per_minute=5)
    with ThreadPoolExecutor(12) as pool:
        statuses = sorted(answer.status_code for answer in pool.map(lambda _: key.chat(), range(12)))
    assert statuses == [200] * 5 + [429] * 7


def test_writing_counts_and_looking_does_not(server: Server) -> None:
    key = new_key(server, "models:read", "models:admin", requests_per_minute=1)
    for _ in range(3):
        assert key.request("GET", "models").status_code == 200
    assert key.request("POST", "estimate", {"model": "demo"}).status_code == 200
    assert_error(key.request("POST", "estimate", {"model": "demo"}), 429)


@pytest.fixture
def limited(tmp_path: Path) -> Iterator[Server]:
    """A server with default limits, which may be restarted."""
    server = launch(tmp_path, args=_DEFAULTS)
    yield server
    server.stop()


_DEFAULTS = ("--UMLApp.key_limits=requests_per_hour=3", "--UMLApp.user_limits=requests_per_hour=4")


def test_a_restart_keeps_keys_and_limits(limited: Server) -> None:
    key, revoked = new_key(limited), new_key(limited)
    revoked.revoke()
    for _ in range(3):
        assert key.chat().status_code == 200
    assert limited.post("v1/chat/completions", CHAT).headers[REQUESTS[0]] == "4"
    limited.stop()
    again = launch(limited.models.parent, args=_DEFAULTS)
    try:
        key, revoked = TestKey(again, key.id, key.secret), TestKey(again, revoked.id, revoked.secret)
        error = assert_error(key.chat(), 429)
        assert error["limit"] == "requests_per_hour"
        assert_error(revoked.chat(), 401)
        # The user who made the keys has written twice or three times, and asked once.
        assert_error(again.post("v1/chat/completions", CHAT), 429)
    finally:
        again.stop()


def test_a_limit_that_is_none_is_refused_at_the_start(tmp_path: Path) -> None:
    for wrong in ("requests_per_minute=0", "requests_per_fortnight=1"):
        with pytest.raises(AssertionError, match="did not start"):
            launch(tmp_path / wrong, standalone=True, args=(f"--UMLApp.key_limits={wrong}",))
