"""Pulls through the client, from a server and in this process, with a hub on this machine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jupyter_uml.client import PullProgress, UniversalClient
from jupyter_uml.client.pulls import PullReader
from jupyter_uml.errors import NothingToPull, PullCancelled, RepositoryNotFound, StreamInterrupted
from tests.client.stub_server import Events, StubServer, event
from tests.conftest import launch, wait_until
from tests.loader.hub.hub_server import COMMIT, HubServer

FOUND = {
    "id": "pull_1",
    "model": "o/r",
    "repository": "o/r",
    "commit": "c0",
    "quantisation": "Q4_K_M",
    "files": ["r-Q4_K_M.gguf"],
    "size_bytes": 100,
    "why": "It is the only one.",
    "offers": [],
    "other_formats": [],
}
PROGRESS = {
    "doing": "downloading",
    "file": "r-Q4_K_M.gguf",
    "bytes": 25,
    "total_bytes": 100,
    "bytes_per_second": 5.0,
    "seconds_left": 15.0,
}
DONE = {"id": "pull_1", "model": "r-Q4_K_M", "commit": "c0", "size_bytes": 100}


# --- events ----------------------------------------------------------------------------------


def test_each_row_tells_all_that_is_known() -> None:
    reader = PullReader("o/r")
    events = {"found": FOUND, "progress": PROGRESS, "novelty": {"x": 1}, "done": DONE}
    found, progress, same, done = (reader.add(name, json.dumps(body)) for name, body in events.items())
    assert (found.id, found.state, found.quantisation, found.why) == ("pull_1", "looking", "Q4_K_M", FOUND["why"])
    assert (progress.state, progress.fraction, progress.seconds_left) == ("downloading", 0.25, 15.0)
    assert same == progress
    assert (done.state, done.model, done.fraction, done.files) == ("done", "r-Q4_K_M", 1.0, ("r-Q4_K_M.gguf",))


@pytest.mark.parametrize(("name", "body"), [("found", {"id": "x"}), ("progress", []), ("done", {"size_bytes": "many"})])
def test_what_is_no_event_of_a_pull_is_refused(name: str, body: Any) -> None:
    with pytest.raises(StreamInterrupted):
        PullReader("o/r").add(name, json.dumps(body))


def test_a_stream_that_breaks_off_is_no_success(stub: StubServer) -> None:
    stub.answer("pull", Events([event(FOUND, "found"), event(PROGRESS, "progress")]))
    rows: list[PullProgress] = []
    with UniversalClient(stub.url) as client, pytest.raises(StreamInterrupted, match="pull again"):
        rows.extend(client.pull("o/r"))
    assert stub.asked("pull") == [{"model": "o/r"}]


def test_an_error_on_the_way_is_raised(stub: StubServer) -> None:
    error = {"error": {"message": "No room.", "code": "nothing_to_pull"}}
    stub.answer("pull", Events([event(FOUND, "found"), event(error, "error")]))
    with UniversalClient(stub.url) as client, pytest.raises(NothingToPull, match="No room"):
        list(client.pull("o/r"))


# --- with a hub ------------------------------------------------------------------------------


@pytest.fixture
def hub(demo_bytes: bytes) -> Iterator[HubServer]:
    hub = HubServer()
    hub.add("some/Demo-GGUF", {"Demo-Q8_0.gguf": demo_bytes, "Demo-F16.gguf": demo_bytes + bytes(9)})
    yield hub
    hub.release.set()
    hub.close()


@pytest.fixture(params=["a server", "this process"])
def client(
    request: pytest.FixtureRequest, hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[UniversalClient]:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
    if request.param == "a server":
        server = launch(tmp_path)
        with UniversalClient(server.url, server.token) as client:
            yield client
        server.stop()
        return
    for name in ("JUPYTER_UML_URL", "JPY_PARENT_PID", "JUPYTERHUB_SERVICE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path))
    with UniversalClient() as client:
        assert client.server() is None
        yield client


def test_what_was_pulled_can_be_loaded(client: UniversalClient) -> None:
    rows = list(client.pull("some/Demo-GGUF:Q8_0"))
    last = rows[-1]
    assert (last.state, last.quantisation, last.commit) == ("done", "Q8_0", COMMIT)
    assert last.bytes == last.total_bytes > 0
    assert rows[0].why == "It was asked for."
    assert last.model is not None
    assert client.load(last.model, n_threads=1).state == "loaded"
    with pytest.raises(RepositoryNotFound):
        list(client.pull("some/other"))


def test_leaving_ends_nothing_and_cancelling_does(client: UniversalClient, hub: HubServer) -> None:
    hub.acts.append(hub.hold(100_000))
    following = client.pull("some/Demo-GGUF:Q8_0")
    first = next(following)
    wait_until(hub.held.is_set)
    following.close()  # type: ignore[attr-defined]
    (running,) = client.pulls()
    assert (running.id, running.name, running.files) == (first.id, "some/Demo-GGUF:Q8_0", ("Demo-Q8_0.gguf",))
    again = client.pull("some/Demo-GGUF:Q8_0")
    assert next(again).id == first.id
    assert client.cancel_pull(first.id).id == first.id
    with pytest.raises(PullCancelled):
        list(again)
    assert client.pulls() == []
