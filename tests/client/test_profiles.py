"""Profiles from Python, on a server and in this process."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_uml.client import ModelProfile, UniversalClient
from jupyter_uml.client.profiles import AsyncProfiles, Profiles
from jupyter_uml.errors import InvalidRequest, ModelNotFound, ProfileNotFound
from jupyter_uml.types import LoadSettings, Lora
from tests.client.conftest import Place


@pytest.fixture
def client(place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[UniversalClient]:
    """With the profiles of nobody."""
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path / "config"))
    yield place.client
    for row in place.client.profiles():
        place.client.delete_profile(row.name)


def test_both_kinds_have_the_same_methods() -> None:
    for name in ("profiles", "save_profile", "delete_profile"):
        ours, theirs = getattr(Profiles, name), getattr(AsyncProfiles, name)
        assert ours.__doc__ == theirs.__doc__
        assert list(inspect.signature(ours).parameters) == list(inspect.signature(theirs).parameters)


def test_a_profile_is_saved_used_and_deleted(client: UniversalClient) -> None:
    saved = client.save_profile(
        "brief",
        "demo",
        system_prompt="Be brief.",
        sampling={"temperature": 0, "stop": ("\n",)},
        aliases="short",
        keep_alive=0,
        n_ctx=512,
        lora=(Lora("style", 0.5),),
    )
    assert saved == ModelProfile(
        "brief",
        "brief",
        "demo",
        aliases=("short",),
        settings=LoadSettings(n_ctx=512, lora=(Lora("style", 0.5),)),
        sampling=saved.sampling,
        system_prompt="Be brief.",
        keep_alive=0.0,
    )
    assert {name: list(value) if name == "stop" else value for name, value in saved.sampling.items()} == {
        "temperature": 0,
        "stop": ["\n"],
    }
    assert client.profiles() == [saved]
    assert client.model("short").base == "demo"
    client.save_profile("brief", "demo", n_ctx=256)
    assert client.estimate("brief").settings.n_ctx == 256
    assert client.delete_profile("brief").settings.n_ctx == 256
    assert client.profiles() == []


def test_mistakes_are_named(client: UniversalClient) -> None:
    with pytest.raises(InvalidRequest) as taken:
        client.save_profile("demo", "demo")
    assert taken.value.param == "name"
    with pytest.raises(InvalidRequest, match="n_ctxx"):
        client.save_profile("brief", "demo", n_ctxx=3)
    with pytest.raises(InvalidRequest) as wrong:
        client.save_profile("brief", "demo", sampling={"top_k": "many"})
    assert wrong.value.param == "top_k"
    with pytest.raises(ModelNotFound):
        client.save_profile("brief", "nobody")
    with pytest.raises(ProfileNotFound):
        client.delete_profile("brief")
    assert client.profiles() == []
