"""`POST pull` and its kin on a real server, and `jupyter uml pull` beside it, with a hub on this machine."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest

from jupyter_uml.commands.progress_bar import ProgressBar, described, duration, size
from jupyter_uml.loader.hub.hub import Progress
from tests.conftest import Server, launch, wait_until
from tests.loader.hub.hub_server import COMMIT, HubServer, begun, cut, refuse
from tests.server.errors import assert_error
from tests.server.keys import new_key
from tests.server.watching import watching

REPO = "some/Model-GGUF"
CONTENT = {"Model-Q4_K_M.gguf": b"4" * 400_000, "Model-Q8_0.gguf": b"8" * 800_000, "model.safetensors": b"x"}


@pytest.fixture(scope="module")
def hub() -> Iterator[HubServer]:
    hub = HubServer()
    yield hub
    hub.close()


@pytest.fixture(scope="module")
def puller(hub: HubServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that pulls from this hub into a cache of its own."""
    folder = tmp_path_factory.mktemp("puller")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HOME", str(folder / "hf"))
        server = launch(folder, args=(f"--UMLApp.hub_endpoint={hub.endpoint}",))
    yield server
    server.stop()


@pytest.fixture
def repo(hub: HubServer, request: pytest.FixtureRequest) -> Iterator[str]:
    """A repository that no other test has pulled."""
    name = f"{REPO}-{request.node.name.replace('_', '-')}"
    number = request.node.name.encode()
    hub.add(name, {path: content + number for path, content in CONTENT.items()})
    hub.release.clear()
    hub.held.clear()
    yield name
    hub.release.set()


def cache_of(server: Server) -> Path:
    return server.models.parent / "hf" / "hub"


def events_of(response: httpx2.Response) -> Iterator[tuple[str, dict[str, Any]]]:
    name = ""
    for line in response.iter_lines():
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))


def follow(server: Server, model: str) -> list[tuple[str, dict[str, Any]]]:
    response = server.post("pull", {"model": model})
    assert response.status_code == 200, response.text
    assert response.headers["Content-Type"].startswith("text/event-stream")
    return list(events_of(response))


def test_a_pull_is_told_from_what_is_found_to_the_end(puller: Server, repo: str) -> None:
    (first, found), *between, (last, done) = follow(puller, repo)
    assert (first, last) == ("found", "done")
    assert {name for name, _ in between} == {"progress"}
    assert found["quantisation"] == "Q8_0"
    assert found["files"] == ["Model-Q8_0.gguf"]
    assert found["commit"] == COMMIT
    assert found["why"].startswith("With 1 MiB")
    assert {offer["quantisation"] for offer in found["offers"]} == {"Q4_K_M", "Q8_0"}
    assert found["other_formats"] == ["safetensors"]
    assert between[-1][1]["bytes"] == between[-1][1]["total_bytes"] == found["size_bytes"]
    assert done["id"] == found["id"]
    assert done["size_bytes"] == found["size_bytes"]
    assert str(cache_of(puller)) not in json.dumps([found, *between, done])


def test_a_client_that_leaves_ends_nothing_and_cancelling_does(puller: Server, hub: HubServer, repo: str) -> None:
    hub.acts.append(hub.hold(100_000))
    with httpx2.stream("POST", f"{puller.url}/pull", json={"model": repo}, headers=puller.auth) as response:
        _, found = next(events_of(response))
    pull_id = found["id"]
    wait_until(lambda: begun(cache_of(puller)) == 100_000)
    [row] = puller.get("pull").json()["pulls"]
    assert (row["id"], row["model"]) == (pull_id, repo)
    assert puller.get(f"pull/{pull_id}").json()["found"]["quantisation"] == "Q8_0"
    with httpx2.stream("POST", f"{puller.url}/pull", json={"model": repo}, headers=puller.auth, timeout=20) as again:
        events = events_of(again)
        assert next(events)[1]["id"] == pull_id
        assert puller.request("DELETE", f"pull/{pull_id}").json()["id"] == pull_id
        *_, (name, body) = events
    assert name == "error"
    assert body["error"]["code"] == "pull_cancelled"
    assert puller.get("pull").json() == {"pulls": []}
    assert_error(puller.request("DELETE", f"pull/{pull_id}"), 404, "pull_not_found")
    assert follow(puller, repo)[-1][0] == "done"
    assert hub.downloads("Model-Q8_0.gguf")[-1].start == 100_000


def test_what_goes_wrong_before_the_first_event_has_a_status(puller: Server, hub: HubServer, repo: str) -> None:
    assert_error(puller.post("pull", {"model": "some/Nothing"}), 404, "repository_not_found")
    assert_error(puller.post("pull", {"model": f"{repo}:Q2_K"}), 422, "nothing_to_pull")
    assert assert_error(puller.post("pull", {"model": "nonsense"}), 400)["param"] == "model"
    hub.add("some/Gated", dict(CONTENT), gated=True)
    events = follow(puller, "some/Gated")
    assert events[-1][0] == "error"
    assert events[-1][1]["error"]["code"] == "hub_access_denied"
    hub.api_acts.append(refuse(429, Retry_After="3600"))
    limited = puller.post("pull", {"model": repo})
    assert_error(limited, 503, "hub_unavailable")
    assert limited.headers["Retry-After"] == "3600"


def test_who_does_not_wait_gets_a_row(puller: Server, hub: HubServer, repo: str) -> None:
    hub.acts.append(hub.hold(1000))
    response = puller.post("pull", {"model": repo, "wait": False})
    assert response.status_code == 202
    pull_id = response.json()["id"]
    assert puller.get(f"pull/{pull_id}").json()["model"] == repo
    hub.release.set()
    wait_until(lambda: not puller.get("pull").json()["pulls"])


def test_how_a_pull_ended_can_be_asked_afterwards(puller: Server, hub: HubServer, repo: str) -> None:
    hub.add("some/Gated-too", dict(CONTENT), gated=True)
    ended = {}
    for name in (repo, "some/Gated-too", "some/Nothing"):
        pull_id = puller.post("pull", {"model": name, "wait": False}).json()["id"]
        assert puller.get(f"pull/{pull_id}").json()["error"] is None
        wait_until(lambda: not puller.get("pull").json()["pulls"])
        ended[name] = puller.get(f"pull/{pull_id}").json()
    assert ended[repo]["done"]["size_bytes"] == ended[repo]["found"]["size_bytes"]
    assert ended[repo]["done"]["model"] in [row["id"] for row in puller.get("models").json()["models"]]
    assert ended["some/Gated-too"]["error"]["code"] == "hub_access_denied"
    assert ended["some/Nothing"]["error"]["code"] == "repository_not_found"
    assert ended["some/Nothing"]["done"] is None
    assert_error(puller.get("pull/pull_0"), 404, "pull_not_found")


def test_what_another_repository_brought_already_is_the_same_model(puller: Server, hub: HubServer, repo: str) -> None:
    name = f"{repo}-again"
    hub.add(name, {"Other-Q8_0.gguf": hub.repositories[repo].content["Model-Q8_0.gguf"]})
    first = follow(puller, f"{repo}:Q8_0")[-1][1]
    second = follow(puller, name)[-1][1]
    assert second["model"] == first["model"] is not None


def test_a_dry_run_says_what_would_come_and_brings_nothing(puller: Server, hub: HubServer, repo: str) -> None:
    before = len(hub.downloads())
    found = puller.post("pull", {"model": f"{repo}:q4_k_m", "dry_run": True}).json()
    assert (found["model"], found["quantisation"]) == (f"{repo}:q4_k_m", "Q4_K_M")
    assert found["why"] == "It was asked for."
    assert len(found["offers"]) == 2
    assert len(hub.downloads()) == before
    assert puller.get("pull").json() == {"pulls": []}
    assert_error(puller.post("pull", {"model": "some/Nothing", "dry_run": True}), 404, "repository_not_found")
    other = new_key(puller, "models:admin", models=["demo"])
    assert_error(other.request("POST", "pull", {"model": repo, "dry_run": True}), 403, "permission_denied")


def test_a_key_knows_of_no_pulls_but_of_its_models(puller: Server, hub: HubServer, repo: str) -> None:
    own, other = (new_key(puller, "models:admin", models=[models]) for models in (f"{repo}*", "demo"))
    hub.release.clear()
    pull = puller.post("pull", {"model": repo, "wait": False}).json()["id"]
    assert other.request("GET", "pull").json()["pulls"] == []
    for method in ("GET", "DELETE"):
        assert_error(other.request(method, f"pull/{pull}"), 403, "permission_denied")
    assert [row["id"] for row in own.request("GET", "pull").json()["pulls"]] == [pull]
    assert own.request("DELETE", f"pull/{pull}").status_code == 200


def test_a_server_that_stops_leaves_no_process(hub: HubServer, repo: str, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HOME", str(tmp_path / "hf"))
        server = launch(tmp_path, args=(f"--UMLApp.hub_endpoint={hub.endpoint}",))
    hub.acts.append(hub.hold(1000))
    server.post("pull", {"model": repo, "wait": False})
    assert hub.held.wait(20)
    children = psutil.Process(server.process.pid).children(recursive=True)
    assert children
    server.stop()
    assert not [child for child in children if child.is_running()]
    assert "Traceback" not in server.log.read_text()


def command(hub: HubServer, folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "jupyter_uml", "pull", f"--hub-endpoint={hub.endpoint}", *arguments],
        env=os.environ
        | {"HF_HOME": str(folder / "hf")}
        | {f"JUPYTER_{kind.upper()}_DIR": str(folder / kind) for kind in ("config", "data")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


class TestCommand:
    def test_it_pulls_and_says_what(self, hub: HubServer, repo: str, tmp_path: Path) -> None:
        hub.acts.append(cut(1000))
        process = command(hub, tmp_path, f"{repo}:Q4_K_M")
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        assert re.fullmatch(r"[A-Za-z0-9._-]+Q4_K_M\n", out)  # what to load it by, for programs
        [path] = [line.removeprefix("It lies at ") for line in err.splitlines() if line.startswith("It lies at ")]
        assert Path(path).read_bytes() == hub.repositories[repo].content["Model-Q4_K_M.gguf"]
        assert "It was asked for." in err
        assert "0 %" in err

    def test_it_lists(self, hub: HubServer, repo: str, tmp_path: Path) -> None:
        out, _ = command(hub, tmp_path, repo, "--list").communicate(timeout=60)
        assert "Model-Q4_K_M.gguf  Q4_K_M" in out
        assert "Does not load: safetensors." in out
        assert "Suits this machine: Model-Q8_0.gguf" in out
        assert not (tmp_path / "hf").exists()

    def test_programs_get_json(self, hub: HubServer, repo: str, tmp_path: Path) -> None:
        listed = json.loads(command(hub, tmp_path, repo, "--list", "--json").communicate(timeout=60)[0])
        assert (listed["suits"], listed["commit"]) == ("Model-Q8_0.gguf", COMMIT)
        pulled = json.loads(command(hub, tmp_path, f"{repo}:Q4_K_M", "--json").communicate(timeout=60)[0])
        assert Path(pulled["path"]).read_bytes() == hub.repositories[repo].content["Model-Q4_K_M.gguf"]

    @pytest.mark.parametrize(
        ("arguments", "says"),
        [((), "which model"), (("nonsense",), "owner/repository"), (("some/Nothing",), "no such repository")],
    )
    def test_errors_are_one_line(self, hub: HubServer, tmp_path: Path, arguments: tuple[str, ...], says: str) -> None:
        process = command(hub, tmp_path, *arguments)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 1
        assert err.startswith("jupyter uml pull: ")
        assert says in err
        assert len(err.splitlines()) == 1

    def test_the_interrupt_key_stops_it(self, hub: HubServer, repo: str, tmp_path: Path) -> None:
        hub.acts.append(hub.hold(100_000))
        process = command(hub, tmp_path, repo)
        wait_until(lambda: begun(tmp_path / "hf") == 100_000)
        before = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
        assert time.monotonic() - before < 3
        assert process.returncode == 130
        assert "Traceback" not in err
        assert begun(tmp_path / "hf") == 100_000

    def test_it_waits_for_the_server_that_pulls_the_same(self, puller: Server, hub: HubServer, repo: str) -> None:
        before = len(hub.downloads())
        hub.acts.append(hub.hold(100_000))
        puller.post("pull", {"model": repo, "wait": False})
        assert hub.held.wait(20)
        process = command(hub, puller.models.parent, repo)
        wait_until(lambda: len([r for r in hub.requests if r.path == f"/api/models/{repo}/revision/main"]) == 2, 20)
        hub.release.set()
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        assert "Q8_0" in out
        assert len(hub.downloads()) - before == 1

    def test_help_tells_how(self, hub: HubServer, tmp_path: Path) -> None:
        out, _ = command(hub, tmp_path, "--help").communicate(timeout=60)
        assert "jupyter uml pull Qwen/Qwen3-8B-GGUF:Q6_K" in out
        assert "--list" in out


class Screen:
    """A stream that keeps what is written."""

    def __init__(self, terminal: bool) -> None:
        self.text, self._terminal = "", terminal

    def isatty(self) -> bool:
        return self._terminal

    def write(self, text: str) -> int:
        self.text += text
        return len(text)

    def flush(self) -> None:
        pass


HALF = Progress("downloading", "f.gguf", 3 << 30, 6 << 30, 52.5 * 2**20, 58.5)


class TestProgressBar:
    def test_in_a_terminal_it_is_one_line(self) -> None:
        screen = Screen(terminal=True)
        bar = ProgressBar(screen)  # type: ignore[arg-type]
        bar.show(HALF)
        bar.show(HALF)
        bar.end()
        bar.end()
        assert screen.text.count("\n") == 1
        assert "████████████░░░░░░░░░░░░  50 %  3.0 GiB of 6.0 GiB  52.5 MiB/s" in screen.text

    def test_in_a_file_it_is_a_line_now_and_then(self) -> None:
        screen, now = Screen(terminal=False), [0.0]
        bar = ProgressBar(screen, lambda: now[0])  # type: ignore[arg-type]
        for second in range(31):
            now[0] = float(second)
            bar.show(HALF)
        bar.end()
        assert screen.text.splitlines() == [" 50 %  3.0 GiB of 6.0 GiB  52.5 MiB/s  0:58 left"] * 3

    def test_words(self) -> None:
        waiting = Progress("waiting", "f.gguf", 0, 10, None, None)
        assert described(waiting) == "  0 %  0 B of 10 B  another process is downloading it"
        assert [size(n) for n in (0, 1023, 1024, 5 << 40)] == ["0 B", "1023 B", "1.0 KiB", "5.0 TiB"]
        assert [duration(s) for s in (0, 59.6, 3599, 3661)] == ["0:00", "1:00", "59:59", "1:01:01"]


@pytest.mark.anyio
async def test_those_who_watch_are_told_of_pulls_that_they_may_know(puller: Server, hub: HubServer, repo: str) -> None:
    stranger = new_key(puller, "models:read", "models:admin", models=["other/*"])
    hub.acts.append(hub.hold(100_000))
    async with watching(puller, "SSE") as watched, watching(puller, "WebSocket", stranger.headers) as other:
        assert (await watched.hear() or {})["pulls"] == []
        assert (await other.hear() or {})["pulls"] == []
        pull_id = (await asyncio.to_thread(puller.post, "pull", {"model": repo, "wait": False})).json()["id"]
        await watched.until(lambda now: now.state["pulls"] and now.state["pulls"][0]["progress"])
        [row] = watched.state["pulls"]
        assert (row["id"], row["found"]["quantisation"]) == (pull_id, "Q8_0")
        await asyncio.to_thread(puller.request, "DELETE", f"pull/{pull_id}")
        await watched.until(lambda now: not now.state["pulls"])
    assert not any(message.get("pulls") for message in other.heard)
