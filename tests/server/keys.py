"""API keys for tests, made as an administrator makes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx2

from tests.conftest import Server

CHAT = {"model": "demo", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 2}


@dataclass(frozen=True)
class TestKey:
    """A key, and requests with it."""

    __test__ = False  # no test, whatever it is called

    server: Server
    id: str
    secret: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.secret}"}

    def request(self, method: str, path: str, body: Any = None, **headers: str) -> httpx2.Response:
        return self.server.request(method, path, body, headers={**self.headers, **headers})

    def chat(self, **fields: Any) -> httpx2.Response:
        return self.request("POST", "v1/chat/completions", CHAT | fields)

    def revoke(self) -> None:
        assert self.server.request("DELETE", f"keys/{self.id}").status_code == 200

    def records(self) -> list[dict[str, Any]]:
        """What is remembered of its requests, the newest first."""
        rows: list[dict[str, Any]] = self.server.get("usage/records", params={"key": self.id}).json()["records"]
        return rows


def new_key(server: Server, *scopes: str, **fields: Any) -> TestKey:
    answer = server.post("keys", {"name": "test", "scopes": scopes or ("infer",), **fields})
    assert answer.status_code == 200, answer.text
    return TestKey(server, answer.json()["id"], answer.json()["key"])
