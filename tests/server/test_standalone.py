"""`jupyter uml`: the same routes at the root, and nothing of Jupyter's contents and kernels."""

from __future__ import annotations

import httpx2
import openai
import pytest

from tests.conftest import Server


def test_the_same_routes_at_the_root(standalone_server: Server) -> None:
    for prefix in ("", "uml/"):
        response = httpx2.get(f"{standalone_server.root}{prefix}health", headers=standalone_server.auth)
        assert response.json()["status"] == "ok"
    unknown = httpx2.get(f"{standalone_server.root}v1/nope", headers=standalone_server.auth)
    assert unknown.json()["error"]["code"] == "route_not_found"


def test_the_openai_package_answers_at_v1(standalone_server: Server) -> None:
    url = f"{standalone_server.root}v1"
    with openai.OpenAI(base_url=url, api_key=standalone_server.token, max_retries=0) as client:
        answer = client.chat.completions.create(
            model="demo", messages=[{"role": "user", "content": "Hi"}], max_tokens=5
        )
    assert answer.choices[0].message.content


@pytest.mark.parametrize(
    "path", ["api/contents", "api/kernels", "api/sessions", "api/terminals", "files/x", "lab", "tree"]
)
def test_nothing_of_jupyter_is_exposed(standalone_server: Server, path: str) -> None:
    response = httpx2.get(f"{standalone_server.root}{path}", headers=standalone_server.auth)
    assert response.status_code == 404
