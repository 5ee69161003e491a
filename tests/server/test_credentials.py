"""Who somebody is for the limits, the caches and the records."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import cast

import httpx2
import pytest
from jupyter_server.auth.identity import User

from jupyter_uml.access import ALL_SCOPES, Limits
from jupyter_uml.server.credentials import principal_of
from jupyter_uml.server.gate import JUPYTER_USER, Gate, GateSettings
from jupyter_uml.service import Service
from tests.conftest import launch


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    settings = GateSettings(key_limits=Limits(requests_per_minute=1), user_limits=Limits(requests_per_minute=2))
    with closing(Gate(tmp_path, cast(Service, None), settings)) as gate:
        yield gate


def test_users_whose_names_jupyter_makes_up_are_one() -> None:
    made_up = [User("0123456789abcdef" * 2, "Anonymous Io"), User("fedcba9876543210" * 2, "Anonymous Europa")]
    assert [principal_of(user) for user in made_up] == [JUPYTER_USER] * 2
    ann = principal_of(User("ann", "Ann"))
    assert (ann.id, ann.name, ann.scopes, ann.by_key) == ("user:ann", "Ann", ALL_SCOPES, False)
    assert principal_of(User("jupyter")).id != JUPYTER_USER.id


def test_a_kernel_is_its_user_and_may_not_make_keys(gate: Gate) -> None:
    """It finds what the browser's user has in the caches, and has the user's limits."""
    kernel = gate.find(gate.kernel_key())
    assert kernel is not None
    assert kernel.id == JUPYTER_USER.id
    assert kernel.by_key  # no cookie: nothing that a page of another site could use
    assert kernel.scopes == ALL_SCOPES - {"keys:admin"}
    assert gate.limit_headers(kernel)["x-ratelimit-limit-requests"] == "2"
    gate.limiter.admit(gate.account(kernel)).close()
    assert gate.limit_headers(JUPYTER_USER)["x-ratelimit-remaining-requests"] == "1"


@pytest.mark.anyio
async def test_a_key_is_somebody_else_and_a_revoked_kernels_key_nobody(gate: Gate) -> None:
    key, secret = await gate.keys.create("program", ["infer"])
    found = gate.find(secret)
    assert found is not None
    assert (found.id, gate.limit_headers(found)["x-ratelimit-limit-requests"]) == (key.id, "1")
    of_kernels = gate.kernel_key()
    (kernels,) = [row for row in await gate.keys.all() if row.ephemeral]
    await gate.keys.revoke(kernels.id)
    assert gate.find(of_kernels) is None
    assert gate.find("uml_") is None


PROVIDER = """
from jupyter_server.auth.identity import IdentityProvider, User

class Named(IdentityProvider):
    def get_user(self, handler):
        name = handler.request.headers.get("X-Who")
        return User(name, name.title()) if name else None

    def is_token_authenticated(self, handler):
        return True
"""


def test_users_with_names_have_limits_and_records_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "provider.py").write_text(PROVIDER)
    server = launch(
        tmp_path,
        args=(
            "--ServerApp.identity_provider_class=provider.Named",
            "--UMLApp.user_limits=requests_per_hour=1",
        ),
    )
    try:
        body = {"model": "demo", "content": "Hi"}
        asked = [
            httpx2.post(f"{server.url}/tokenize", json=body, headers={"X-Who": name}, timeout=60).status_code
            for name in ("ann", "ann", "bob")
        ]
        assert asked == [200, 429, 200]
        records = httpx2.get(f"{server.url}/usage/records", headers={"X-Who": "ann"}).json()["records"]
        assert [(row["key"], row["name"]) for row in records] == [
            ("user:bob", "Bob"),
            ("user:ann", "Ann"),
            ("user:ann", "Ann"),
        ]
    finally:
        server.stop()
