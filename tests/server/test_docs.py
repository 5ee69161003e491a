"""The documentation: complete, safe, and its examples are true."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from jupyter_uml.protocol.endpoints import ENDPOINTS
from jupyter_uml.server import docs
from jupyter_uml.server.openapi import OPERATIONS
from tests.conftest import Server
from tests.server.keys import new_key

BUILT = (docs.BUILT / "swagger-ui-bundle.js").is_file()
# What needs a model that ranks, or the network.
BEYOND = {"running/{id}": "generation_not_found", "v1/rerank": "model_not_found", "v2/rerank": "model_not_found"}
NETWORK = {"pull", "pull/{id}"}


@pytest.mark.parametrize("path", ["docs", "docs/socket"])
class TestPages:
    def test_they_bring_nothing_of_their_own_and_nothing_from_elsewhere(self, server: Server, path: str) -> None:
        response = server.get(path)
        assert response.status_code == 200
        assert response.headers["Content-Type"] == "text/html; charset=utf-8"
        assert not re.search(r"<script(?! src)|<style|\sstyle=|\son\w+=", response.text)
        links = re.findall(r'(?:src|href)="([^"]*)"', response.text)
        assert all(link.startswith(("/uml/", "data:,")) for link in links)
        for link in links:
            if link.startswith("/") and (BUILT or "swagger" not in link):
                assert server.get(link.removeprefix("/uml/")).status_code == 200, link

    def test_they_have_a_strict_policy(self, server: Server, path: str) -> None:
        policy = server.get(path).headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "*" not in policy
        assert "http" not in policy

    def test_a_browser_that_has_not_signed_in_is_sent_to_where_it_can(self, server: Server, path: str) -> None:
        response = httpx2.get(f"{server.url}/{path}", headers={"Accept": "text/html,*/*"})
        assert response.status_code == 401
        assert f"/login?next=/uml/{path}" in response.text
        program = httpx2.get(f"{server.url}/{path}")
        assert program.json()["error"]["code"] == "invalid_api_key"

    def test_they_work_at_the_root_of_the_server_alone(self, standalone_server: Server, path: str) -> None:
        response = httpx2.get(f"{standalone_server.root}{path}", headers=standalone_server.auth)
        assert 'href="/docs/docs.css"' in response.text
        assert httpx2.get(f"{standalone_server.root}docs/docs.css", headers=standalone_server.auth).status_code == 200


def test_without_its_files_the_page_says_how_they_are_made(server: Server) -> None:
    page = docs._templates.load("docs.html").generate(root="/uml", built=False).decode()
    assert "npm run docs" in page
    assert "<script" not in page


HIDDEN = ["..", "../docs.py", "..%2fdocs.py", "docs.html", "sign_in.html", "%2e%2e/base.py", "x"]


@pytest.mark.parametrize("name", HIDDEN)
def test_no_other_file_is_given(server: Server, name: str) -> None:
    assert server.get(f"docs/{name}").status_code == 404


@pytest.mark.skipif(not BUILT, reason="Swagger UI is not built here")
def test_swagger_ui_comes_with_its_licence(server: Server) -> None:
    assert "Apache License" in server.get("docs/LICENSE").text
    assert "SmartBear" in server.get("docs/NOTICE").text
    response = server.get("docs/swagger-ui-bundle.js")
    assert response.headers["Content-Type"].startswith("text/javascript")
    again = server.get("docs/swagger-ui-bundle.js", headers={"If-None-Match": response.headers["Etag"]})
    assert again.status_code == 304


def test_the_socket_page_tells_every_message(server: Server) -> None:
    page = server.get("docs/socket").text
    for name in "auth start cancel ping ready started delta done error pong".split():
        assert f'<section id="{name}">' in page
    assert f"ws://{server.root.split('/')[2]}/uml/ws" in page
    for endpoint in ENDPOINTS:
        assert endpoint.path in page


def test_the_documents_say_where_the_server_is(server: Server, standalone_server: Server) -> None:
    assert server.get("openapi.json").json()["servers"] == [{"url": "/uml"}]
    at_root = httpx2.get(f"{standalone_server.root}openapi.json", headers=standalone_server.auth).json()
    assert at_root["servers"] == [{"url": "/"}]
    here = server.get("asyncapi.json").json()["servers"]["here"]
    assert (here["protocol"], here["pathname"]) == ("ws", "/uml")


# --- examples ---------------------------------------------------------------------------------------------------------


def examples(server: Server) -> Iterator[tuple[str, str, Any]]:
    """Method, path and body of all, in an order in which they can be asked."""
    document = server.get("openapi.json").json()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            filled = path.removeprefix("/")
            for parameter in operation.get("parameters", ()):
                if "example" in parameter:
                    filled = filled.replace(f"{{{parameter['name']}}}", parameter["example"])
            content = operation.get("requestBody", {}).get("content", {}).get("application/json")
            for example in content["examples"].values() if content else [{"value": None}]:
                yield method.upper(), filled, example["value"]


def test_every_example_does_what_it_says(server: Server) -> None:
    body = {"model": "demo", "input": "Hi", "max_output_tokens": 16}
    kept = server.post("v1/responses", body).json()["id"]
    server.post("v1/responses", {**body, "stream": True}, headers={"X-Generation-Id": kept})
    key, asked = new_key(server), 0
    for method, path, body in sorted(examples(server), key=lambda example: example[0] == "DELETE"):
        if path in NETWORK or path == "ws":
            continue
        name = key.id if path.startswith("keys/") else kept
        asked_for = "events?once=1" if path == "events" else path.replace("{id}", name)
        response = server.request(method, asked_for, body)
        if path in BEYOND:
            assert response.json()["error"]["code"] == BEYOND[path]
        else:
            assert response.status_code in (200, 201, 202), f"{method} {path} {body}: {response.text}"
            check_end(body, response)
        asked += 1
    assert asked > len(OPERATIONS) - len(NETWORK) - 3


def check_end(body: Any, response: httpx2.Response) -> None:
    """A streamed example was streamed, to its end."""
    if isinstance(body, dict) and body.get("stream"):
        assert response.headers["Content-Type"].startswith("text/event-stream")
        assert "event: error" not in response.text
        assert json.loads(response.text.split("data: ")[1].split("\n")[0])


def test_every_operation_with_a_body_has_an_example(server: Server) -> None:
    for path, methods in server.get("openapi.json").json()["paths"].items():
        for operation in methods.values():
            if "requestBody" in operation:
                assert operation["requestBody"]["content"]["application/json"]["examples"], path
