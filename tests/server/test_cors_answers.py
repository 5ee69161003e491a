"""CORS as a browser meets it: the server's answers to the pages of other sites."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest

from tests.conftest import Server, launch
from tests.server.errors import assert_error
from tests.server.keys import CHAT, TestKey, new_key

FRIEND = "https://friend.example"
ASKING = {
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization,content-type,x-stainless-lang",
}


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestKey]:
    server = launch(tmp_path_factory.mktemp("cors"), standalone=True, args=(f"--UMLApp.cors_origins={FRIEND}",))
    yield new_key(server, requests_per_minute=1)
    server.stop()


def ask_first(server: Server, path: str, origin: str, **headers: str) -> httpx2.Response:
    return httpx2.options(f"{server.url}/{path}", headers={**ASKING, "Origin": origin, **headers})


def test_the_browser_that_asks_first_needs_no_credential(key: TestKey) -> None:
    answer = ask_first(key.server, "v1/chat/completions", FRIEND)
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["Access-Control-Allow-Origin"] == FRIEND
    assert answer.headers["Access-Control-Allow-Methods"] == "POST"
    assert "x-stainless-lang" in answer.headers["Access-Control-Allow-Headers"]
    assert "Access-Control-Allow-Credentials" not in answer.headers


@pytest.mark.parametrize(
    ("path", "origin", "headers"),
    [
        ("v1/chat/completions", "https://evil.example", {}),
        ("v1/chat/completions", "https://friend.example.evil.example", {}),
        ("v1/chat/completions", "null", {}),
        ("v1/chat/completions", FRIEND, {"Access-Control-Request-Method": "DELETE"}),
        ("models", FRIEND, {}),  # which answers no POST
        ("models", FRIEND, {"Access-Control-Request-Headers": "x-xsrftoken"}),
    ],
)
def test_others_are_refused(key: TestKey, path: str, origin: str, headers: dict[str, str]) -> None:
    answer = ask_first(key.server, path, origin, **headers)
    assert_error(answer, 403)
    assert "Access-Control-Allow-Methods" not in answer.headers
    assert answer.headers.get("Access-Control-Allow-Origin") in (None, FRIEND)


def test_answers_and_errors_can_be_read_by_the_page(key: TestKey) -> None:
    """A page that cannot read a 429 cannot obey it."""
    answers = [key.request("POST", "v1/chat/completions", CHAT, Origin=FRIEND) for _ in range(2)]
    answers.append(httpx2.post(f"{key.server.url}/v1/chat/completions", json=CHAT, headers={"Origin": FRIEND}))
    answers.append(key.request("GET", "nope", Origin=FRIEND))
    assert [answer.status_code for answer in answers] == [200, 429, 401, 404]
    for answer in answers:
        assert answer.headers["Access-Control-Allow-Origin"] == FRIEND
        assert "Origin" in answer.headers["Vary"]
        assert "Retry-After" in answer.headers["Access-Control-Expose-Headers"]
        assert "Access-Control-Allow-Credentials" not in answer.headers


def test_a_visitors_cookie_does_nothing_for_it(key: TestKey) -> None:
    server = key.server
    with httpx2.Client() as browser:
        browser.get(f"{server.root}login", params={"token": server.token})
        browser.get(f"{server.url}/models", params={"token": server.token})
        assert browser.cookies
        assert browser.get(f"{server.url}/models").status_code == 200
        assert_error(browser.get(f"{server.url}/models", headers={"Origin": FRIEND}), 403)


def test_without_the_setting_nothing_is_told(server: Server) -> None:
    assert_error(ask_first(server, "v1/chat/completions", FRIEND), 403)
    answer = server.get("models", headers={"Origin": FRIEND})
    assert not any(name.lower().startswith("access-control-") for name in answer.headers)
    assert_error(httpx2.options(f"{server.url}/models", headers=server.auth), 405, "method_not_allowed")
