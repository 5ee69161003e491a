"""Images over HTTP: each protocol sends its own form of them, and hears its own form of a refusal."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.conftest import Server, launch
from tests.engine import vision_models
from tests.engine.vision_models import png

DATA = base64.b64encode(png()).decode()
URL = f"data:image/png;base64,{DATA}"
PRIVATE = "http://127.0.0.1:9/cat.png"  # its server is named in the configuration, and still not asked


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder: Path = tmp_path_factory.mktemp("vision")
    (folder / "models").mkdir()
    vision_models.llava(folder / "models")
    running = launch(folder, standalone=True, args=("--UMLApp.image_hosts=127.0.0.1:9",))
    yield running
    running.stop()


def post(server: Server, path: str, body: dict[str, Any], model: str = "llava") -> httpx2.Response:
    headers = {"Authorization": f"Bearer {server.token}"}
    return httpx2.post(f"{server.root}{path}", json={"model": model, **body}, headers=headers, timeout=60)


def chat(url: str) -> dict[str, Any]:
    parts = [{"type": "text", "text": "What?"}, {"type": "image_url", "image_url": {"url": url}}]
    return {"max_tokens": 4, "messages": [{"role": "user", "content": parts}]}


def responses(url: str) -> dict[str, Any]:
    parts = [{"type": "input_text", "text": "What?"}, {"type": "input_image", "image_url": url}]
    return {"max_output_tokens": 4, "input": [{"role": "user", "content": parts}]}


def messages(source: dict[str, str]) -> dict[str, Any]:
    parts = [{"type": "text", "text": "What?"}, {"type": "image", "source": source}]
    return {"max_tokens": 4, "messages": [{"role": "user", "content": parts}]}


BASE64 = {"type": "base64", "media_type": "image/png", "data": DATA}
CALLS = [
    ("v1/chat/completions", chat(URL), "prompt_tokens"),
    ("v1/responses", responses(URL), "input_tokens"),
    ("v1/messages", messages(BASE64), "output_tokens"),
]


@pytest.mark.parametrize(("path", "body", "figure"), CALLS)
def test_an_image_is_seen(server: Server, path: str, body: dict[str, Any], figure: str) -> None:
    answer = post(server, path, body)
    assert answer.status_code == 200, answer.text
    assert answer.json()["usage"][figure] > (3 if figure == "output_tokens" else 16)


@pytest.mark.parametrize(("path", "body", "figure"), CALLS)
def test_a_model_that_cannot_see_says_so(server: Server, path: str, body: dict[str, Any], figure: str) -> None:
    answer = post(server, path, body, "demo")
    assert answer.status_code == 400
    assert "cannot see images: it has no projector" in answer.json()["error"]["message"]


@pytest.mark.parametrize("where", ["http://169.254.1.1/cat.png", PRIVATE])
def test_other_servers_are_not_asked(server: Server, where: str) -> None:
    calls = [
        ("v1/chat/completions", chat(where), "messages.0.content.1.image_url.url"),
        ("v1/responses", responses(where), "input.0.content.1.image_url"),
        ("v1/messages", messages({"type": "url", "url": where}), "messages.0.content.1.source.url"),
    ]
    for path, body, param in calls:
        answer = post(server, path, body)
        error = answer.json()["error"]
        assert answer.status_code == 400, answer.text
        assert "cannot be reached" in error["message"] if where is PRIVATE else "not fetched" in error["message"]
        assert error["param"] == param


def test_the_list_of_models_tells_who_sees(server: Server) -> None:
    post(server, "v1/chat/completions", chat(URL))
    headers = {"Authorization": f"Bearer {server.token}"}
    rows = httpx2.get(f"{server.root}models", headers=headers).json()["models"]
    assert {row["id"]: row["info"]["can_see"] for row in rows if row["info"]}["llava"]
