"""Files come from a hub as announced, once, whole and in their place, whatever the network, the hub and kills do."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import random
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path

import psutil
import pytest

from jupyter_uml.errors import (
    DownloadFailed,
    HubAccessDenied,
    HubUnavailable,
    InsufficientDisk,
    RepositoryNotFound,
    UmlError,
)
from jupyter_uml.loader.hub.cache import RepositoryCache
from jupyter_uml.loader.hub.hub import Hub, Progress
from jupyter_uml.loader.hub.messages import Patience
from tests.loader.hub import hub_server
from tests.loader.hub.hub_server import COMMIT, TOKEN, HubServer, begun, cut, end_early, refuse, reply, until

pytestmark = pytest.mark.anyio

REPO, FILE = "some/Model-GGUF", "Model-Q4_K_M.gguf"
CONTENT = random.Random(7).randbytes(3_000_000)
HURRIED = Patience(attempts=4, first_wait=0.01, silence=5.0, lock_poll=0.05)


@pytest.fixture
def server() -> Iterator[HubServer]:
    server = HubServer()
    server.add(REPO, {FILE: CONTENT, "README.md": b"# Model"})
    yield server
    server.close()


@pytest.fixture
def hub(server: HubServer, tmp_path: Path) -> Hub:
    return Hub(server.endpoint, cache=tmp_path / "cache", patience=HURRIED, token="")


async def pull(hub: Hub, *, revision: str = "main", seen: list[Progress] | None = None) -> Path:
    """All GGUF files of the repository; the path of the first."""
    listing = await hub.listing(REPO, revision)
    async with aclosing(hub.fetch(listing, listing.files, revision)) as items:
        async for item in items:
            if isinstance(item, Path):
                return item
            if seen is not None:
                seen.append(item)
    raise AssertionError("a fetch without an end")


def names(cache: Path) -> set[str]:
    """Everything that looks like a model."""
    return {str(path.relative_to(cache)) for path in cache.rglob("*.gguf")}


def processes() -> list[psutil.Process]:
    found = []
    for child in psutil.Process().children(recursive=True):
        try:
            if "jupyter_uml.loader.hub.process" in child.cmdline():
                found.append(child)
        except psutil.Error:
            pass
    return found


@pytest.fixture(autouse=True)
def no_process_left() -> Iterator[None]:
    yield
    assert not processes()


class TestAWholeFile:
    async def test_it_comes_and_is_where_other_tools_look_for_it(self, hub: Hub, server: HubServer) -> None:
        path = await pull(hub)
        assert path.read_bytes() == CONTENT
        assert hub.cache
        assert path == hub.cache / f"models--some--Model-GGUF/snapshots/{COMMIT}/{FILE}"
        script = (
            "import sys; from huggingface_hub import hf_hub_download; "
            f"print(hf_hub_download({REPO!r}, {FILE!r}, cache_dir=sys.argv[1], local_files_only=True))"
        )
        found = subprocess.run(
            [sys.executable, "-c", script, str(hub.cache)], capture_output=True, text=True, check=True
        )
        assert found.stdout.strip() == str(path)

    async def test_what_another_tool_has_downloaded_is_not_downloaded_again(self, hub: Hub, server: HubServer) -> None:
        script = (
            "import sys; from huggingface_hub import hf_hub_download; "
            f"hf_hub_download({REPO!r}, {FILE!r}, cache_dir=sys.argv[1], endpoint=sys.argv[2])"
        )
        subprocess.run([sys.executable, "-c", script, str(hub.cache), server.endpoint], check=True)
        count = len(server.downloads(FILE))
        assert count
        assert (await pull(hub)).read_bytes() == CONTENT
        assert len(server.downloads(FILE)) == count

    async def test_a_second_pull_downloads_nothing(self, hub: Hub, server: HubServer) -> None:
        await pull(hub)
        await pull(hub)
        assert len(server.downloads()) == 1

    async def test_progress_rises_to_the_end(self, hub: Hub, server: HubServer) -> None:
        server.acts += [cut(1_000_000), hub_server.no_ranges]
        seen: list[Progress] = []
        await pull(hub, seen=seen)
        came = [progress.bytes for progress in seen]
        assert came == sorted(came)
        assert came[0] == 0
        assert came[-1] == len(CONTENT)
        assert {progress.total_bytes for progress in seen} == {len(CONTENT)}
        assert {progress.file for progress in seen} == {FILE}
        assert {"retrying", "downloading", "verifying"} <= {progress.doing for progress in seen}

    async def test_all_parts_and_the_projector_come(self, hub: Hub, server: HubServer) -> None:
        files = {f"Q8_0/big-Q8_0-0000{n}-of-00003.gguf": CONTENT[n:] for n in (1, 2, 3)} | {"mmproj-F16.gguf": b"GGUF"}
        server.add(REPO, files)
        path = await pull(hub)
        assert hub.cache
        assert {name: (path.parents[1] / name).read_bytes() for name in files} == files
        assert path.name.endswith("00001-of-00003.gguf")

    async def test_a_split_model_has_no_name_before_all_parts_are_there(self, hub: Hub, server: HubServer) -> None:
        server.add(REPO, {f"big-0000{n}-of-00002.gguf": CONTENT[n:] for n in (1, 2)})
        server.acts += [cut(len(CONTENT)), *[refuse(404)] * 9]
        with pytest.raises(RepositoryNotFound):
            await pull(hub)
        assert hub.cache
        assert names(hub.cache) == set()

    async def test_a_small_file_is_checked_by_what_git_says(self, hub: Hub, server: HubServer) -> None:
        repository = server.add(REPO, {FILE: b"GGUF small"}, small={FILE})
        assert (await pull(hub)).read_bytes() == b"GGUF small"
        repository.content[FILE], repository.small = b"GGUF other", {FILE}
        server.acts.append(hub_server.other_bytes)
        with pytest.raises(DownloadFailed):
            await pull(hub)

    async def test_other_capitals_are_the_same_repository(self, hub: Hub) -> None:
        """Else it would come once more, into another folder of the cache."""
        assert (await hub.listing(REPO.upper())).repo == REPO

    async def test_the_commit_is_pinned(self, hub: Hub, server: HubServer) -> None:
        path = await pull(hub, revision="refs/pr/1")
        assert all(f"/resolve/{COMMIT}/" in request.path for request in server.downloads())
        assert (path.parents[2] / "refs/refs/pr/1").read_text() == COMMIT

    async def test_files_are_as_open_as_the_umask_says(self, hub: Hub) -> None:
        old = os.umask(0o027)
        try:
            path = await pull(hub)
        finally:
            os.umask(old)
        assert path.resolve().stat().st_mode & 0o777 == 0o640


class TestTheConversation:
    async def test_the_token_goes_to_the_hub_only(self, hub: Hub, server: HubServer) -> None:
        server.add(REPO, {FILE: CONTENT}, gated=True)
        await pull(Hub(hub.endpoint, TOKEN, hub.cache, HURRIED))
        assert "Authorization" not in server.downloads()[0].headers
        sent = {request.headers.get("Authorization") for request in server.requests if request.host == "hub"}
        assert sent == {f"Bearer {TOKEN}"}

    async def test_the_token_of_this_user_is_found(
        self, hub: Hub, server: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        server.add(REPO, {FILE: CONTENT}, private=True)
        (tmp_path / "token").write_text(TOKEN)
        monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path / "token"))
        assert (await pull(Hub(hub.endpoint, cache=hub.cache, patience=HURRIED))).exists()
        monkeypatch.setenv("HF_TOKEN", "hf_wrong")
        with pytest.raises(RepositoryNotFound):
            await Hub(hub.endpoint, patience=HURRIED).listing(REPO)

    async def test_only_what_is_asked_for_is_sent(self, hub: Hub, server: HubServer) -> None:
        await pull(hub)
        assert {request.path.split("/")[1] for request in server.requests} <= {"api", "some"}
        assert len(server.requests) == 3
        for request in server.requests:
            agent = request.headers["User-Agent"]
            assert agent.startswith("jupyter_uml/")
            assert {word.split("/")[0].strip() for word in agent.split(";")} == {"jupyter_uml", "hf_hub", "python"}

    async def test_our_environment_stays_as_it_is(self, hub: Hub) -> None:
        before = dict(os.environ)
        await pull(hub)
        assert dict(os.environ) == before
        assert "huggingface_hub" not in sys.modules


class TestRefusals:
    @pytest.mark.parametrize(
        ("act", "error", "says"),
        [
            (refuse(401, X_Error_Code="GatedRepo"), HubAccessDenied, "HF_TOKEN"),
            (refuse(403), HubAccessDenied, "403"),
            (refuse(404, X_Error_Code="RepoNotFound"), RepositoryNotFound, "repository"),
            (refuse(404, X_Error_Code="RevisionNotFound"), RepositoryNotFound, "revision"),
            (refuse(418), HubUnavailable, "418"),
            (reply(b"[]"), DownloadFailed, "hub"),
            (reply(b"<html>"), DownloadFailed, "hub"),
            (reply(json.dumps({"id": REPO, "sha": "../../x", "siblings": []}).encode()), DownloadFailed, "hub"),
        ],
    )
    async def test_a_listing(
        self, hub: Hub, server: HubServer, act: hub_server.Act, error: type[UmlError], says: str
    ) -> None:
        server.api_acts += [act] * 9
        with pytest.raises(error) as raised:
            await hub.listing(REPO)
        assert says in raised.value.message
        assert "127.0.0.1" not in raised.value.message

    async def test_a_repository_that_is_not_there(self, hub: Hub) -> None:
        with pytest.raises(RepositoryNotFound, match="private"):
            await hub.listing("some/Nothing")

    async def test_a_revision_that_is_not_there(self, hub: Hub) -> None:
        with pytest.raises(RepositoryNotFound, match="revision"):
            await hub.listing(REPO, "v9")

    async def test_a_gated_file(self, hub: Hub, server: HubServer) -> None:
        server.add(REPO, {FILE: CONTENT}, gated=True)
        with pytest.raises(HubAccessDenied, match="asked for access"):
            await pull(hub)
        assert not server.downloads()

    async def test_a_file_that_went_away(self, hub: Hub, server: HubServer) -> None:
        listing = await hub.listing(REPO)
        server.add(REPO, {})
        with pytest.raises(RepositoryNotFound):
            async for _ in hub.fetch(listing, listing.files):
                pass

    async def test_nobody_listens(self, hub: Hub) -> None:
        hub = Hub("http://127.0.0.1:9", cache=hub.cache, patience=HURRIED)
        with pytest.raises(HubUnavailable, match="network"):
            await hub.listing(REPO)

    async def test_offline_mode(self, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        with pytest.raises(HubUnavailable, match="HF_HUB_OFFLINE"):
            await hub.listing(REPO)


class TestTrouble:
    @pytest.mark.parametrize(
        "acts",
        [
            [refuse(503), refuse(500), refuse(502)],
            [refuse(429, Retry_After="0"), refuse(408)],
            [cut(0), cut(1)],
            [cut(1_000_000), cut(1_000_000)],
            [end_early(1_000_000)],
            [hub_server.wrong_range],
            [cut(1_000_000), refuse(503), cut(500_000), refuse(503), cut(500_000), refuse(503), refuse(503)],
            [hub_server.more_bytes],
        ],
        ids=["5xx", "429", "hang-up", "cut", "ends early", "wrong range", "all of it, again and again", "too much"],
    )
    async def test_what_passes_is_waited_for(self, hub: Hub, server: HubServer, acts: list[hub_server.Act]) -> None:
        server.acts += acts
        assert (await pull(hub)).read_bytes() == CONTENT

    async def test_a_cut_download_goes_on_where_it_was(self, hub: Hub, server: HubServer) -> None:
        server.acts += [cut(1_000_000), cut(1_500_000)]
        await pull(hub)
        first, second, third = [request.start for request in server.downloads()]
        assert first == 0
        assert 0 < second <= 1_000_000
        assert second < third <= 2_500_000

    async def test_a_hub_without_end_of_faults_is_given_up(self, hub: Hub, server: HubServer) -> None:
        server.acts += [refuse(503)] * 99
        with pytest.raises(HubUnavailable, match="503"):
            await pull(hub)
        assert len(server.downloads()) == HURRIED.attempts

    async def test_answers_without_anything_are_given_up(self, hub: Hub, server: HubServer) -> None:
        server.acts += [end_early(0)] * 99
        with pytest.raises(DownloadFailed):
            await pull(hub)

    async def test_the_hub_says_when_to_ask_again(self, hub: Hub, server: HubServer) -> None:
        server.api_acts.append(refuse(429, Retry_After="1"))
        before = time.monotonic()
        await hub.listing(REPO)
        assert time.monotonic() - before > 1

    async def test_who_would_have_to_wait_for_long_is_told(self, hub: Hub, server: HubServer) -> None:
        server.acts.append(refuse(429, Retry_After="3600"))
        with pytest.raises(HubUnavailable) as raised:
            await pull(hub)
        assert raised.value.retry_after == 3600

    async def test_a_silent_server_is_left(self, hub: Hub, server: HubServer) -> None:
        server.acts.append(server.hold(1_000_000))
        hub = Hub(hub.endpoint, cache=hub.cache, patience=Patience(first_wait=0.01, silence=0.3), token="")
        async with asyncio.timeout(15):
            assert (await pull(hub)).read_bytes() == CONTENT
        assert server.held.is_set()


class TestWrongContent:
    async def test_other_bytes_never_get_a_name(self, hub: Hub, server: HubServer) -> None:
        server.acts.append(hub_server.other_bytes)
        with pytest.raises(DownloadFailed, match="SHA-256"):
            await pull(hub)
        assert hub.cache
        assert names(hub.cache) == set()
        assert not [path for path in hub.cache.rglob("blobs/*") if path.stat().st_size]
        assert (await pull(hub)).read_bytes() == CONTENT

    async def test_another_digest_than_announced(self, hub: Hub, server: HubServer) -> None:
        server.add(REPO, {FILE: CONTENT}, announced={FILE: {"sha256": "0" * 64}})
        with pytest.raises(DownloadFailed, match="SHA-256"):
            await pull(hub)

    async def test_a_damaged_beginning_is_replaced(self, hub: Hub, server: HubServer) -> None:
        listing = await hub.listing(REPO)
        assert hub.cache
        partial = RepositoryCache(hub.cache, REPO).partial(listing.files[0])
        partial.parent.mkdir(parents=True)
        partial.write_bytes(bytes(1_000_000))
        assert (await pull(hub)).read_bytes() == CONTENT
        assert [request.start for request in server.downloads()] == [1_000_000, 0]

    async def test_a_file_that_was_damaged_on_the_disk_is_mended_by_another_pull(
        self, hub: Hub, server: HubServer
    ) -> None:
        path = await pull(hub)
        with path.open("r+b") as loaded:
            loaded.seek(len(CONTENT) // 2)
            loaded.write(bytes(9))
            loaded.flush()
            seen: list[Progress] = []
            assert (await pull(hub, seen=seen)).read_bytes() == CONTENT
            assert os.fstat(loaded.fileno()).st_nlink == 0  # nobody's loaded model was changed
        assert [progress.doing for progress in seen][:2] == ["verifying", "downloading"]
        assert seen[0].bytes == 0

    async def test_a_beginning_that_is_too_long_is_replaced(self, hub: Hub, server: HubServer) -> None:
        listing = await hub.listing(REPO)
        assert hub.cache
        partial = RepositoryCache(hub.cache, REPO).partial(listing.files[0])
        partial.parent.mkdir(parents=True)
        partial.write_bytes(CONTENT + b"x")
        assert (await pull(hub)).read_bytes() == CONTENT

    async def test_names_that_lead_out_of_the_folder_are_not_there(self, hub: Hub, server: HubServer) -> None:
        hostile = ["../../evil.gguf", "/etc/evil.gguf", "a/../../evil.gguf", "a\\..\\evil.gguf", "C:evil.gguf"]
        hostile += ["a//b.gguf", "x\0.gguf", "x\n.gguf", ".../x.gguf", "a/./x.gguf", "x" * 300 + ".gguf"]
        server.add(REPO, dict.fromkeys(hostile, b"GGUF") | {FILE: CONTENT})
        assert [file.path for file in (await hub.listing(REPO)).files] == [FILE]

    async def test_digests_that_are_none_are_not_taken(self, hub: Hub, server: HubServer) -> None:
        digests = ["../../../evil", "x" * 64, "", "A" * 64, "0" * 63, f"{'0' * 64}\n"]
        files = {f"{number}.gguf": b"GGUF" for number in range(len(digests))}
        announced = {name: {"sha256": digest} for name, digest in zip(files, digests, strict=True)}
        server.add(REPO, files | {FILE: CONTENT}, announced=announced)
        assert [file.path for file in (await hub.listing(REPO)).files] == [FILE]


class TestDisk:
    async def test_a_file_that_does_not_fit_is_not_begun(self, hub: Hub, server: HubServer) -> None:
        server.add(REPO, {FILE: CONTENT}, announced={FILE: {"size": 1 << 60}})
        with pytest.raises(InsufficientDisk) as raised:
            await pull(hub)
        assert raised.value.details["needed_bytes"] == 1 << 60
        assert f"{(1 << 60) / 2**30:.2f}" in raised.value.message
        assert not server.downloads()

    async def test_a_disk_that_is_full_in_the_middle(self, hub: Hub, server: HubServer) -> None:
        """The largest size of a file stands for the disk's: both end a write in its middle."""
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, limits[1]))
        try:
            with pytest.raises(InsufficientDisk, match="room"):
                await pull(hub)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert hub.cache
        assert names(hub.cache) == set()
        assert (await pull(hub)).read_bytes() == CONTENT
        assert server.downloads()[-1].start == 1_000_000

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
    async def test_a_cache_that_cannot_be_written_to(self, hub: Hub) -> None:
        assert hub.cache
        hub.cache.mkdir(mode=0o500)
        with pytest.raises(DownloadFailed, match="cannot be written"):
            await pull(hub)

    async def test_a_cache_that_is_no_folder(self, hub: Hub) -> None:
        assert hub.cache
        hub.cache.write_text("")
        with pytest.raises(DownloadFailed, match="cannot be written"):
            await pull(hub)


class TestKills:
    async def test_a_killed_download_goes_on_where_it_was(self, hub: Hub, server: HubServer) -> None:
        server.acts.append(server.hold(2_000_000))
        task = asyncio.create_task(pull(hub))
        await until(lambda: begun(hub.cache) == 2_000_000)
        [process] = processes()
        process.kill()
        with pytest.raises(DownloadFailed, match="killed"):
            await task
        assert hub.cache
        assert names(hub.cache) == set()
        assert (await pull(hub)).read_bytes() == CONTENT
        assert server.downloads()[-1].start == 2_000_000

    async def test_who_pulls_is_killed_and_nothing_of_it_goes_on(self, hub: Hub, server: HubServer) -> None:
        server.acts.append(server.hold(2_000_000))
        script = (
            "import asyncio, sys; from pathlib import Path; "
            "from tests.loader.hub.test_pull_download import pull, HURRIED; "
            "from jupyter_uml.loader.hub.hub import Hub; "
            "asyncio.run(pull(Hub(sys.argv[1], '', Path(sys.argv[2]), HURRIED)))"
        )
        puller = await asyncio.create_subprocess_exec(sys.executable, "-c", script, server.endpoint, str(hub.cache))
        await until(lambda: begun(hub.cache) == 2_000_000)
        [child] = processes()
        puller.kill()
        await puller.wait()
        await until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, 2)
        assert (await pull(hub)).read_bytes() == CONTENT
        assert server.downloads()[-1].start == 2_000_000

    async def test_cancel_stops_at_once_and_keeps_what_came(self, hub: Hub, server: HubServer) -> None:
        server.acts.append(server.hold(2_000_000))
        task = asyncio.create_task(pull(hub))
        await until(lambda: begun(hub.cache) == 2_000_000)
        before = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert time.monotonic() - before < 0.5
        assert not processes()
        assert (await pull(hub)).read_bytes() == CONTENT
        assert server.downloads()[-1].start == 2_000_000

    async def test_the_event_loop_is_never_blocked(self, hub: Hub, server: HubServer) -> None:
        server.acts.append(cut(1_000_000))
        longest, task = 0.0, asyncio.create_task(pull(hub))
        while not task.done():
            before = time.monotonic()
            await asyncio.sleep(0)
            longest = max(longest, time.monotonic() - before)
            await asyncio.sleep(0.001)
        assert task.result().exists()
        assert longest < 0.25


class TestTwoAtOnce:
    async def test_they_are_one_download(self, hub: Hub, server: HubServer) -> None:
        server.acts.append(server.hold(1_000_000))
        seen: list[Progress] = []
        first = asyncio.create_task(pull(hub))
        await until(server.held.is_set)
        second = asyncio.create_task(pull(hub, seen=seen))
        await until(lambda: any(progress.doing == "waiting" and progress.bytes == 1_000_000 for progress in seen))
        server.release.set()
        assert await first == await second
        assert len(server.downloads()) == 1

    async def test_the_second_takes_over_from_a_killed_one(self, hub: Hub, server: HubServer) -> None:
        server.acts.append(server.hold(1_000_000))
        first = asyncio.create_task(pull(hub))
        await until(lambda: begun(hub.cache) == 1_000_000)
        second = asyncio.create_task(pull(hub))
        await until(lambda: len(processes()) == 2)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        assert hashlib.sha256((await second).read_bytes()).digest() == hashlib.sha256(CONTENT).digest()
        assert [request.start for request in server.downloads()] == [0, 1_000_000]
