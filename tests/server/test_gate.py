"""Every route, every credential: who gets in, who does not, and in which form they are told."""

from __future__ import annotations

import os
import re
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest

from jupyter_uml.access import ALL_SCOPES
from jupyter_uml.errors import PermissionDenied, UmlError
from jupyter_uml.protocol.statuses import status_of
from jupyter_uml.server.base import OPEN
from jupyter_uml.server.gate import JUPYTER_USER
from jupyter_uml.server.key_routes import KeysHandler
from jupyter_uml.server.routes import ROUTES
from tests.conftest import TLS, Server, launch, wait_until
from tests.server.errors import assert_error
from tests.server.keys import CHAT, TestKey, new_key

MESSAGE = {"model": "demo", "max_tokens": 2, "messages": [{"role": "user", "content": "Hi"}]}
BODIES: dict[str, Any] = {
    "load_model": {"model": "demo"},
    "unload_model": {"model": "demo"},
    "estimate": {"model": "demo"},
    "bench_model": {"model": "a model that is not there"},
    "pull": {"model": "a name without a repository"},
    "tokenize": {"model": "demo", "content": "Hi"},
    "detokenize": {"model": "demo", "tokens": [1]},
    "apply-template": CHAT,
    "v1/chat/completions": CHAT,
    "v1/completions": {"model": "demo", "prompt": "Hi", "max_tokens": 2},
    "inline_completion": {"model": "demo", "prefix": "Hi", "max_tokens": 2},
    "v1/embeddings": {"model": "demo", "input": "Hi"},
    "v1/rerank": {"model": "demo", "query": "Hi", "documents": ["Hi"]},
    "v2/rerank": {"model": "demo", "query": "Hi", "documents": ["Hi"]},
    "v1/responses": {"model": "demo", "input": "Hi", "max_output_tokens": 16},
    "v1/responses/input_tokens": {"model": "demo", "input": "Hi"},
    "v1/messages": MESSAGE,
    "v1/messages/count_tokens": {"model": "demo", "messages": MESSAGE["messages"]},
    "keys": {"name": "made by a test", "scopes": ["infer"], "expires_in": 1},
    "keys/([A-Za-z0-9_]{1,64})": {"expires_in": 60},
    "profiles/([^/]+)": {"model": "demo"},
}
# What the demo model cannot do, and what is not there.
REFUSED = {
    "v1/rerank": 400,
    "v2/rerank": 400,
    "v1/responses/demo": 404,
    "v1/responses/demo/input_items": 404,
    "POST pull": 400,
    "bench_model": 404,
    "pull/demo": 404,
    "docs/demo": 404,
    "ws": 400,
    "keys/demo": 404,
    "PUT profiles/demo": 400,
    "DELETE profiles/demo": 404,
    "running/demo": 404,
    "generations/demo": 404,
    "generations/demo/events": 404,
    "generations/demo/output": 404,
}


def expected(method: str, path: str) -> int:
    """The status of a call that is let in."""
    return REFUSED.get(f"{method} {path}", REFUSED.get(path, 200))


def asked_for(path: str) -> str:
    """A route as it is called; one that would go on for ever, so that it ends."""
    return "events?once=1" if path == "events" else re.sub(r"\(.*\)", "demo", path)


CALLS = [
    (method, asked_for(path), BODIES.get(path))
    for path, handler, _ in ROUTES
    for method in ("GET", "POST", "PUT", "DELETE")
    if any(method.lower() in vars(parent) for parent in handler.__mro__[:3])
]
OPEN_ROUTES = {"health/live", "health/ready"}
SCOPES = {asked_for(path): getattr(handler, "scope", None) for path, handler, _ in ROUTES}
FOREIGN = "http://evil.example"


@pytest.fixture(scope="module")
def dead_keys(shared_server: Server) -> list[TestKey]:
    """One that has expired, and one that was revoked."""
    expired = new_key(shared_server, *ALL_SCOPES, expires_in=0.5)
    revoked = new_key(shared_server, *ALL_SCOPES)
    revoked.revoke()
    wait_until(lambda: expired.request("GET", "health").status_code == 401)
    return [expired, revoked]


@pytest.fixture(scope="module")
def scoped_keys(shared_server: Server) -> dict[str | None, TestKey]:
    """For each scope a key that has all others."""
    return {scope: new_key(shared_server, *(ALL_SCOPES - {scope})) for scope in ALL_SCOPES}


@pytest.fixture(scope="module")
def full_key(shared_server: Server) -> TestKey:
    return new_key(shared_server, *ALL_SCOPES)


def test_every_route_declares_a_scope() -> None:
    for path, handler, _ in ROUTES:
        scopes = {OPEN} if path in OPEN_ROUTES else ALL_SCOPES
        assert getattr(handler, "scope", None) in scopes, f"{path} declares no scope"


def test_every_error_has_a_status() -> None:
    todo = [UmlError]
    while todo:
        cls = todo.pop()
        todo += cls.__subclasses__()
        assert 400 <= status_of(cls._restore("m", None, {})) < 600


def test_all_calls_are_tried() -> None:
    assert len({path for _, path, _ in CALLS}) == len(ROUTES)
    assert all(body for method, _, body in CALLS if method in ("POST", "PUT"))


@pytest.mark.parametrize(("method", "path", "body"), CALLS)
class TestCredentials:
    def test_none(self, server: Server, method: str, path: str, body: Any) -> None:
        response = httpx2.request(method, f"{server.url}/{path}", json=body, verify=TLS)
        assert "set-cookie" not in response.headers
        if path in OPEN_ROUTES:
            assert response.json().keys() == {"status"}
            return
        assert_error(response, 401, "invalid_api_key")

    def test_a_bad_key_is_never_saved_by_a_cookie(self, server: Server, method: str, path: str, body: Any) -> None:
        with httpx2.Client(verify=TLS) as browser:
            browser.get(f"{server.root}api/status", params={"token": server.token})
            assert browser.cookies
            for value in ("Bearer uml_wrong", "token uml_wrong", "Bearer  uml_wrong", "Bearer\tuml_wrong", "uml_wrong"):
                headers = {"Authorization": value}
                assert_error(browser.request(method, f"{server.url}/{path}", json=body, headers=headers), 401)
            in_url = browser.request(method, f"{server.url}/{path}", json=body, params={"token": "uml_wrong"})
            assert_error(in_url, 401)

    def test_a_key_that_has_ended(self, dead_keys: list[TestKey], method: str, path: str, body: Any) -> None:
        for key in dead_keys:
            assert_error(key.request(method, path, body), 401, "invalid_api_key")

    def test_a_key_without_the_scope(
        self, scoped_keys: dict[str | None, TestKey], method: str, path: str, body: Any
    ) -> None:
        if path in OPEN_ROUTES:
            return
        error = assert_error(scoped_keys[SCOPES[path]].request(method, path, body), 403, "permission_denied")
        assert "Jupyter's token" in error["message"]

    def test_a_key_with_the_scope_opens_it(self, full_key: TestKey, method: str, path: str, body: Any) -> None:
        response = full_key.request(method, path, body)
        assert response.status_code == expected(method, path), response.text
        assert "set-cookie" not in response.headers
        assert not any(name.lower().startswith("access-control-") for name in response.headers)

    def test_a_foreign_host_name(self, full_key: TestKey, method: str, path: str, body: Any) -> None:
        for headers in ({}, full_key.headers):
            response = full_key.server.request(method, path, body, headers={**headers, "Host": "evil.example"})
            assert_error(response, 403, "permission_denied")

    def test_a_page_of_another_site(self, full_key: TestKey, method: str, path: str, body: Any) -> None:
        """Whatever credential it has; nothing tells its browser that it may read the answer."""
        for origin in (FOREIGN, "null", f"{full_key.server.root.rstrip('/')}.evil.example"):
            for headers in ({}, full_key.headers):
                response = full_key.server.request(method, path, body, headers={**headers, "Origin": origin})
                assert_error(response, 403, "permission_denied")
                assert not any(name.lower().startswith("access-control-") for name in response.headers)

    def test_the_token_opens_it(self, server: Server, method: str, path: str, body: Any) -> None:
        for scheme in ("Bearer", "token"):
            response = server.request(method, path, body, headers={"Authorization": f"{scheme} {server.token}"})
            assert response.status_code == expected(method, path), response.text
        assert response.headers["X-Request-Id"].startswith("req_")

    def test_a_cookie_alone_may_only_read(self, server: Server, method: str, path: str, body: Any) -> None:
        with httpx2.Client(verify=TLS) as browser:
            browser.get(f"{server.root}api/status", params={"token": server.token})
            plain = browser.request(method, f"{server.url}/{path}", json=body)
            foreign = browser.request(method, f"{server.url}/{path}", json=body, headers={"Origin": FOREIGN})
            assert_error(foreign, 403)
            if method == "GET":
                assert plain.status_code == expected(method, path)
                return
            assert_error(plain, 403)
            browser.get(f"{server.root}a page that is not there")
            headers = {"X-XSRFToken": browser.cookies["_xsrf"]}
            response = browser.request(method, f"{server.url}/{path}", json=body, headers=headers)
            assert response.status_code == expected(method, path)


def test_what_is_open_reads_no_body(server: Server) -> None:
    huge = {"method": "GET", "content": b"x" * (1 << 20), "verify": TLS}
    assert httpx2.request(url=f"{server.url}/health/live", **huge).json() == {"status": "ok"}  # type: ignore[arg-type]


def test_a_notebook_that_may_not_make_keys_is_told_who_may() -> None:
    handler = KeysHandler.__new__(KeysHandler)
    handler.principal = replace(JUPYTER_USER, scopes=ALL_SCOPES - {"keys:admin"}, by_key=True)
    with pytest.raises(PermissionDenied) as caught:
        handler.check_scope()
    for way in ("'keys:admin'", "sidebar", "`jupyter uml keys`", "api_key=token"):
        assert way in caught.value.message


def test_a_key_may_come_as_anthropics_clients_send_it(server: Server) -> None:
    def ask(key: str, **headers: str) -> httpx2.Response:
        return browser.post(f"{server.url}/v1/chat/completions", json=CHAT, headers={"X-Api-Key": key, **headers})

    with httpx2.Client(verify=TLS) as browser:
        assert ask(server.token).status_code == 200
        browser.get(f"{server.root}api/status", params={"token": server.token})
        assert browser.cookies
        for bad in ("wrong", "uml_wrong", ""):
            assert_error(ask(bad), 401, "invalid_api_key")
        assert_error(ask(server.token, Authorization="Bearer uml_wrong"), 401, "invalid_api_key")


def test_no_second_credential_makes_up_for_a_bad_key(server: Server) -> None:
    good, token = new_key(server, "models:read"), f"Bearer {server.token}"
    with httpx2.Client(verify=TLS) as browser:
        browser.get(f"{server.root}api/status", params={"token": server.token})
        assert browser.get(f"{server.url}/models").status_code == 200
        for headers in (
            [("X-Api-Key", "uml_bad"), ("Authorization", "Basic eA==")],
            [("X-Api-Key", "uml_bad"), ("Authorization", token)],
            [("X-Api-Key", "uml_bad"), ("Authorization", f"Bearer {good.secret}")],
            [("Authorization", "Bearer uml_bad"), ("Authorization", "Bearer wrong")],
            [("Authorization", "Bearer uml_bad"), ("Authorization", token)],
            [("Authorization", f"Bearer {good.secret}"), ("Authorization", f"Bearer {good.secret}")],
        ):
            assert_error(browser.get(f"{server.url}/models", headers=headers), 401, "invalid_api_key")
        twice = {"X-Api-Key": good.secret, "Authorization": f"Bearer {good.secret}"}
        assert browser.get(f"{server.url}/models", headers=twice).status_code == 200


_BROKEN = """
from jupyter_uml.service import Service

async def health(self):
    raise RuntimeError("a fault that nobody foresaw")

Service.health = health
"""


def test_a_fault_of_ours_is_in_the_log_without_the_token(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text(_BROKEN)
    server = launch(tmp_path, args=(f"--config={tmp_path / 'broken.py'}",))
    try:
        response = httpx2.get(f"{server.url}/health", params={"token": server.token}, verify=TLS)
        assert_error(response, 500)
    finally:
        server.stop()
    log = server.log.read_text()
    assert response.headers["X-Request-Id"] in log
    assert "a fault that nobody foresaw" in log
    assert server.token not in log


def test_a_key_in_an_address_is_not_in_the_log(server: Server) -> None:
    secret = "uml_" + "a1" * 20
    for path in (f"keys/{secret}", f"models/{secret}", f"nope/{secret}?name={secret}"):
        assert server.get(path).status_code == 404
    log = server.log.read_text()
    assert secret not in log
    assert "keys/uml_[secret]" in log


def test_every_answer_has_the_requests_id(server: Server) -> None:
    for response in (server.post("v1/chat/completions", CHAT), server.get("nope"), server.post("v1/completions", {})):
        assert response.headers["X-Request-Id"].startswith("req_")
        assert response.headers["request-id"] == response.headers["X-Request-Id"]


def test_errors_that_pass_say_when(own_server: Server) -> None:
    """Three crashes open the breaker; until then and after it, the client is told how long to wait."""
    own_server.post("load_model", {"model": "demo"})
    for _ in range(3):
        pid = wait_until(lambda: own_server.model()["pid"])
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda pid=pid: own_server.model()["pid"] != pid)  # type: ignore[misc]
    response = own_server.post("v1/chat/completions", CHAT)
    assert_error(response, 503, "model_restarting")
    assert int(response.headers["Retry-After"]) > 0
    assert own_server.post("load_model", {"model": "demo"}).json()["state"] == "loaded"


def test_jupyters_authorizer_is_asked(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "deny.py").write_text(
        "from jupyter_server.auth import Authorizer\n"
        "class ReadOnly(Authorizer):\n"
        "    def is_authorized(self, handler, user, action, resource):\n"
        "        return action == 'read'\n"
    )
    server = launch(tmp_path, args=("--ServerApp.authorizer_class=deny.ReadOnly",))
    try:
        assert server.get("models").status_code == 200
        assert_error(server.post("load_model", {"model": "demo"}), 403, "permission_denied")
    finally:
        server.stop()


@pytest.mark.parametrize("path", ["", "nope", "v1/nope", "models/", "v1/chat"])
def test_unknown_routes_are_errors_of_ours(server: Server, path: str) -> None:
    assert_error(server.get(path), 404, "route_not_found")


@pytest.mark.parametrize("name", ["images/generations", "audio/speech", "files"])
def test_what_is_not_there_yet_is_told_by_name(server: Server, name: str) -> None:
    error = assert_error(server.post(f"v1/{name}", {}), 404, "route_not_found")
    assert f"does not support {name} yet" in error["message"]


def test_a_wrong_method_is_told(server: Server) -> None:
    assert_error(server.request("PUT", "models"), 405, "method_not_allowed")
