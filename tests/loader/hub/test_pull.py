"""Pulls that several people watch."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path

import pytest

from jupyter_uml.errors import NothingToPull, Overloaded, PullCancelled, PullNotFound, RepositoryNotFound
from jupyter_uml.loader.hub.hub import Came, Hub, Progress, Speed
from jupyter_uml.loader.hub.listing import HubFile, Listing
from jupyter_uml.loader.hub.messages import FetchJob, ListJob, Patience, decode_job, decode_message, encode
from jupyter_uml.loader.hub.name import PullName
from jupyter_uml.loader.hub.pull import MAX_PULLS, Found, Pull, Pulled, PullEvent, Pulls
from tests.loader.hub.hub_server import COMMIT, HubServer, begun, refuse, until

pytestmark = pytest.mark.anyio

NAME = PullName("some/Model-GGUF")
FILES = {"Model-Q4_K_M.gguf": b"4" * 400_000, "Model-Q8_0.gguf": b"8" * 800_000, "model.safetensors": b"x"}


@pytest.fixture
def server() -> Iterator[HubServer]:
    server = HubServer()
    server.add(NAME.repo, dict(FILES))
    yield server
    server.close()


@pytest.fixture
async def pulls(server: HubServer, tmp_path: Path) -> AsyncIterator[Pulls]:
    async def model_id(path: Path) -> str:
        return path.stem.lower()

    patience = Patience(attempts=2, first_wait=0.01)
    pulls = Pulls(Hub(server.endpoint, "", tmp_path / "cache", patience), lambda size: size < 500_000, model_id)
    yield pulls
    await pulls.close()


async def all_events(pull: Pull) -> list[PullEvent]:
    return [event async for event in pull.events()]


async def test_what_is_found_then_progress_then_the_model(pulls: Pulls) -> None:
    found, *between, pulled = await all_events(pulls.start(NAME))
    assert isinstance(found, Found)
    assert found.choice.offer.quantisation == "Q4_K_M"
    assert found.listing.other_formats == ("safetensors",)
    assert isinstance(pulled, Pulled)
    assert (pulled.model, pulled.commit, pulled.size_bytes) == ("model-q4_k_m", COMMIT, 400_000)
    assert pulled.path.read_bytes() == FILES["Model-Q4_K_M.gguf"]
    came = [event.bytes for event in between if isinstance(event, Progress)]
    assert came == sorted(came)
    assert came[-1] == 400_000
    assert pulls.running() == []


async def test_the_same_is_pulled_once_for_all_and_goes_on_without_them(pulls: Pulls, server: HubServer) -> None:
    server.acts.append(server.hold(100_000))
    pull = pulls.start(NAME)
    assert pulls.start(PullName.parse("https://hf.co/some/Model-GGUF")) is pull
    async with aclosing(pull.events()) as events:
        async for event in events:
            if isinstance(event, Progress):
                break
    await until(lambda: begun(pulls.hub.cache) == 100_000)
    assert pulls.running() == [pull]
    server.release.set()
    found, *_, pulled = await all_events(pull)  # who comes late is told everything, too
    assert isinstance(found, Found)
    assert isinstance(pulled, Pulled)
    assert len(server.downloads()) == 1


async def test_cancelling_ends_it_for_all(pulls: Pulls, server: HubServer) -> None:
    server.acts.append(server.hold(100_000))
    pull = pulls.start(NAME)
    watchers = [asyncio.create_task(all_events(pull)) for _ in range(2)]
    await until(lambda: begun(pulls.hub.cache) == 100_000)
    assert await pulls.cancel(pull.id) is pull
    for watcher in watchers:
        with pytest.raises(PullCancelled):
            await watcher
    assert pulls.running() == []
    with pytest.raises(PullNotFound):
        await pulls.cancel(pull.id)
    again = pulls.start(NAME)
    assert again is not pull
    assert isinstance((await all_events(again))[-1], Pulled)
    assert server.downloads()[-1].start == 100_000


async def test_an_error_reaches_each_who_watches(pulls: Pulls) -> None:
    pull = pulls.start(PullName("some/Nothing"))
    watchers = [asyncio.create_task(all_events(pull)) for _ in range(2)]
    errors = await asyncio.gather(*watchers, return_exceptions=True)
    assert [type(error) for error in errors] == [RepositoryNotFound] * 2
    assert errors[0] is not errors[1]


async def test_an_error_that_nobody_watches_disturbs_nobody(pulls: Pulls, server: HubServer) -> None:
    server.api_acts.append(refuse(403))
    pull = pulls.start(NAME)
    while not pull.is_over:
        await asyncio.sleep(0.01)


async def test_what_does_not_fit_is_not_begun(pulls: Pulls, server: HubServer) -> None:
    server.add(NAME.repo, {"Model-Q8_0.gguf": FILES["Model-Q8_0.gguf"]})
    with pytest.raises(NothingToPull, match="fits"):
        await all_events(pulls.start(NAME))
    assert server.downloads() == []


async def test_too_many_at_once_are_refused(pulls: Pulls, server: HubServer) -> None:
    server.api_acts += [server.hold(0)] * MAX_PULLS
    for number in range(MAX_PULLS):
        pulls.start(PullName(f"some/Model-{number}"))
    with pytest.raises(Overloaded) as raised:
        pulls.start(PullName("some/Model-X"))
    assert raised.value.retry_after
    await pulls.close()
    assert pulls.running() == []


def test_the_rate_is_that_of_the_last_seconds() -> None:
    now = [0.0]
    speed = Speed(100_000, lambda: now[0])
    first = speed.progress(Came("downloading", "f", 0))
    assert (first.bytes_per_second, first.seconds_left) == (None, None)
    for second in range(1, 11):
        now[0] = float(second)
        progress = speed.progress(Came("downloading", "f", 1_000 * second))
    assert progress.bytes_per_second == 1_000
    assert progress.seconds_left == 90
    for second in range(11, 21):
        now[0] = float(second)
        progress = speed.progress(Came("downloading", "f", 10_000 + 5_000 * (second - 10)))
    assert progress.bytes_per_second == 5_000
    assert progress.seconds_left == 8


def test_bytes_that_were_there_do_not_count_as_fast_ones_and_never_fall() -> None:
    now = [0.0]
    speed = Speed(100_000, lambda: now[0])
    speed.progress(Came("verifying", "f", 0))
    now[0] = 1.0
    speed.progress(Came("verifying", "f", 90_000))
    now[0] = 2.0
    progress = speed.progress(Came("downloading", "f", 91_000))
    assert progress.bytes_per_second == 1_000
    assert speed.progress(Came("downloading", "f", 10)).bytes == 91_000


def test_messages_survive_the_pipe() -> None:
    file = HubFile("ü.gguf", 5, "0" * 64)
    for job in (ListJob("a/b", "main"), FetchJob("a/b", "main", COMMIT, (file,), "http://x", "t", "/c", Patience(1))):
        assert decode_job(encode(job)) == job
    for message in (Came("waiting", "f", 3), Listing("a/b", COMMIT, (file,), ("ONNX",))):
        assert decode_message(encode(message)) == message
