from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.client.stub_server import StubServer


@pytest.fixture
def stub() -> Iterator[StubServer]:
    """A server that answers what the test tells it to."""
    server = StubServer()
    yield server
    server.close()
