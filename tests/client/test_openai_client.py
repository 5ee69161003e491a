"""The openai package against a real server, set up by one call."""

from __future__ import annotations

import sys

import pytest

from jupyter_uml.client import OpenAICompatibleClient, openai_client
from jupyter_uml.client.openai_client import OpenAIMissing
from tests.conftest import Server


def test_it_is_bound_to_the_server(server: Server) -> None:
    with OpenAICompatibleClient(server.url, server.token) as openai:
        assert str(openai.base_url).rstrip("/") == f"{server.url}/v1"
        reply = openai.chat.completions.create(
            model="demo", messages=[{"role": "user", "content": "Who are you?"}], max_tokens=5
        )
    assert reply.choices[0].message.content


def test_it_finds_the_server(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_UML_URL", server.url)
    monkeypatch.setenv("JUPYTER_UML_KEY", server.token)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")  # not the way to this machine itself
    with OpenAICompatibleClient() as openai:
        assert "demo" in [model.id for model in openai.models.list()]


def test_options_go_to_the_sdk(server: Server) -> None:
    with OpenAICompatibleClient(server.url, server.token, max_retries=7, timeout=3) as openai:
        assert (openai.max_retries, openai.timeout) == (7, 3)


def test_a_kernel_says_who_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openai_client, "own_kernel_id", lambda: "1234-abcd")
    with OpenAICompatibleClient("http://127.0.0.1:1/uml", default_headers={"X-Own": "1"}) as openai:
        assert openai.default_headers["X-Jupyter-Kernel"] == "1234-abcd"
        assert openai.default_headers["X-Own"] == "1"


def test_without_the_package_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(OpenAIMissing, match="pip install openai"):
        OpenAICompatibleClient("http://127.0.0.1:1/uml")
