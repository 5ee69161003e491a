from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import openai
import pytest

from jupyter_uml.client import OpenAICompatibleClient, UniversalClient
from jupyter_uml.defaults import default_model_dir
from tests.client.stub_server import StubServer
from tests.conftest import Server, endless_model


@pytest.fixture
def stub() -> Iterator[StubServer]:
    """A server that answers what the test tells it to."""
    server = StubServer()
    yield server
    server.close()


@dataclass
class Place:
    """The SDK, and the native client of the same models."""

    sdk: openai.OpenAI
    client: UniversalClient


@pytest.fixture(params=["a server", "this process"])
def place(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Place]:
    """Models `demo` and `endless` on a server, and in this very process."""
    url = key = None
    if request.param == "a server":
        server: Server = request.getfixturevalue("server")
        url, key = server.url, server.token
    else:
        for name in ("JUPYTER_UML_URL", "JPY_PARENT_PID", "JUPYTERHUB_SERVICE_URL"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))
        monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path))
        default_model_dir().mkdir(parents=True)
        (default_model_dir() / "endless.gguf").write_bytes(endless_model())
    with ExitStack() as stack:
        client = stack.enter_context(UniversalClient(url, key))
        yield Place(stack.enter_context(OpenAICompatibleClient(url, key, max_retries=0)), client)
